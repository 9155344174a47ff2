"""Beyond one machine: three parties that people start, with mutual TLS between all who talk to each other.

They run on this machine all the same, under its loopback address; the certificates don't know the difference.
"""

import concurrent.futures
import contextlib
import io
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

import mpc_parts
from course_lib.mpc import SharedModel, TFECluster, TFEWorker, credentials, waiting
from course_lib.mpc.certificates import make_certificates
from course_lib.mpc.credentials import CLIENT, OWNER
from course_lib.mpc.spec import PARTIES
from mpc_parts import BOUND, VALUES, client_of, expected, free_hosts, listening, parties, wait_until
from process_parts import alive

compiled = mpc_parts.compiled
ROOT = Path(__file__).parents[1]
TRUSTING = ssl._create_unverified_context


def start_party(words: list[str]) -> subprocess.Popen:
    """A party as people start it: by the command that the cluster prints."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COURSE_LANG": "en", "OMP_NUM_THREADS": "1"},
    )


def started_by_hand(cluster: TFECluster, printed: str) -> list[subprocess.Popen]:
    commands = re.findall(r"^    python (.*)$", printed, re.MULTILINE)
    assert len(commands) == 3
    return [start_party(command.split()) for command in commands]


def start_by_hand(cluster: TFECluster) -> list[subprocess.Popen]:
    """Start a cluster, and, once it has printed them, run the commands."""
    with (
        contextlib.redirect_stdout(printed := io.StringIO()),
        pytest.raises(RuntimeError, match="alice, bob, carol did not start within 0 seconds"),
    ):
        cluster.start(timeout=0)
    processes = started_by_hand(cluster, printed.getvalue())
    try:
        with contextlib.redirect_stdout(printed):
            cluster.start(timeout=60)
        assert "waiting for" in printed.getvalue() and "all three are there" in printed.getvalue()
    except BaseException:
        end(processes)
        raise
    return processes


def end(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    hosts = free_hosts()
    return make_certificates(tmp_path_factory.mktemp("mpc") / "credentials", hosts), hosts


@pytest.fixture(scope="module")
def cluster(folder):
    folder, hosts = folder
    return TFECluster(*(TFEWorker(host, auto_managed=False) for host in hosts), credentials=folder)


@pytest.fixture(scope="module")
def running(cluster, compiled):
    """The cluster with the layer served, and its three processes; the last test that takes it kills one."""
    processes = start_by_hand(cluster)
    try:
        SharedModel(compiled, cluster).serve()
        yield processes
        cluster.stop()
    finally:
        end(processes)


def links(cluster: TFECluster) -> list[int]:
    """The ports on which the parties' engines listen."""
    endpoints = {int(host.rpartition(":")[2]) for host in cluster.hosts}
    ports = [
        connection.laddr.port
        for process in parties(cluster)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port not in endpoints
    ]
    assert len(ports) == 3
    return ports


def test_three_parties_with_certificates(cluster, running, folder):
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4
    own, _hosts = folder
    ports = [int(host.rpartition(":")[2]) for host in cluster.hosts] + links(cluster)
    for port in ports:
        with pytest.raises((ssl.SSLError, ConnectionError)):  # without a certificate nobody gets in
            talk(port, TRUSTING())
    for port in links(cluster):  # nor does an owner or a client at the parties' links
        for role in (OWNER, CLIENT):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                talk(port, context_with(own / role, ""))
        assert talk(port, context_with(own / "bob", "link-"))  # it is not that nobody ever would
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4


def context_with(folder: Path, prefix: str) -> ssl.SSLContext:
    context = TRUSTING()
    context.load_cert_chain(folder / f"{prefix}certificate.pem", folder / f"{prefix}key.pem")
    return context


def talk(port: int, context: ssl.SSLContext) -> bytes:
    """What a port answers to a request under TLS."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain) as secret,
    ):
        assert secret.version() == "TLSv1.3"
        secret.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = secret.recv(1000)
        if not answer:
            raise ConnectionError("hung up")
        return answer


class Tap(threading.Thread):
    """Passes bytes between callers and a port, and keeps what each caller said."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self._port, self._listener = port, socket.create_server(("127.0.0.1", 0))
        self.port, self.heard = self._listener.getsockname()[1], []
        self.start()

    def run(self):
        while True:
            try:
                caller, _address = self._listener.accept()
            except OSError:  # closed at the end
                return
            try:
                callee = socket.create_connection(("127.0.0.1", self._port))
            except ConnectionRefusedError:  # it does not listen yet
                caller.close()
                continue
            self.heard.append(bytearray())
            for source, target, kept in ((caller, callee, self.heard[-1]), (callee, caller, bytearray())):
                threading.Thread(target=self._pass_on, args=(source, target, kept), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, kept: bytearray):
        with contextlib.suppress(OSError):  # one of them has ended
            while data := source.recv(1 << 16):
                kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.parametrize("plain_text", [False, True])
def test_the_parties_talk_to_each_other_under_tls_and_without_it_only_when_told(folder, compiled, plain_text):
    own, _hosts = folder
    hosts = free_hosts()  # certificates are for names, not for ports
    workers = [TFEWorker(host, auto_managed=False) for host in hosts]
    cluster = TFECluster(*workers, credentials=own, plain_text=plain_text)
    processes = [
        start_party(["-m", *cluster._words(party, host)[1:]])
        for party, host in zip(PARTIES, hosts, strict=True)
    ]
    session, taps, joining = "5e55" * 8, [], []
    try:
        with cluster.connect(OWNER) as owner:
            wait_until(lambda: all(waiting._answers(owner, party) for party in PARTIES), "the start")
            ports = [answer.json()["link_port"] for answer in owner.fetch("/link-port")]
            taps = [Tap(port) for port in ports]
            with concurrent.futures.ThreadPoolExecutor(3) as threads:
                for rank, party in enumerate(PARTIES):  # each listens where it should, and calls a tap
                    links = [f"127.0.0.1:{tap.port}" for tap in taps]
                    links[rank] = f"127.0.0.9:{ports[rank]}"  # how others call it is not where it listens
                    request = {
                        "session": session,
                        "endpoints": [f"127.0.0.1:{host.rpartition(':')[2]}" for host in hosts],
                        "links": links,
                    }
                    joining.append(threads.submit(owner.ask_one, party, "POST", "/join", json=request))
            for joined in joining:
                joined.result()
            owner.fetch("/join")
        SharedModel(compiled, cluster).serve()
        assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4
        cluster.stop()
        said = [bytes(words) for tap in taps for words in tap.heard if len(words) > 1000]
        assert len(said) >= 6  # each to each; a connection may have broken, and another come
        assert {words.startswith(b"\x16\x03") for words in said} == {not plain_text}
        assert {session.encode() in words for words in said} == {plain_text}
    finally:
        end(processes)
        for tap in taps:
            tap.close()


def test_a_certificate_without_a_token_and_a_token_without_a_certificate(cluster, running, folder, tmp_path):
    own, hosts = folder
    others = make_certificates(tmp_path / "others", hosts)
    mixed = tmp_path / "mixed" / CLIENT
    credentials.make_private_folder(mixed)
    for name in ("authority.pem", "certificate.pem", "key.pem"):
        (mixed / name).write_bytes((own / CLIENT / name).read_bytes())
    (mixed / "tokens.json").write_bytes((others / CLIENT / "tokens.json").read_bytes())
    workers = [TFEWorker(host, auto_managed=False) for host in hosts]
    with pytest.raises(PermissionError, match="does not admit this token"):
        client_of(TFECluster(*workers, credentials=mixed.parent))
    with pytest.raises((PermissionError, RuntimeError), match="certificates|does not answer"):
        client_of(TFECluster(*workers, credentials=others))
    with pytest.raises(RuntimeError, match="does not answer"):
        client_of(TFECluster(*workers, credentials=own, plain_text=True))
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4


def test_a_client_knows_the_party_by_its_name(cluster, running, folder):
    """Bob's address in alice's place: his certificate is in order, his tokens are others."""
    own, hosts = folder
    swapped = [TFEWorker(host, auto_managed=False) for host in (hosts[1], hosts[0], hosts[2])]
    with pytest.raises(PermissionError, match="does not admit this token"):
        client_of(TFECluster(*swapped, credentials=own))


@pytest.mark.parametrize("impostor", ["another authority's", "another name's", "alice's own"])
def test_who_can_not_show_the_partys_certificate_gets_no_share(tmp_path, impostor):
    """An impostor at alice's address, with a certificate that is in order in all but one point."""
    hosts = free_hosts()
    own = make_certificates(tmp_path / "own", [hosts[0], "bob.example:4000", "carol.example:4000"])
    folder = make_certificates(tmp_path / "others", hosts) if "authority" in impostor else own
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown = folder / ("bob" if "name" in impostor else "alice")
    context.load_cert_chain(shown / "certificate.pem", shown / "key.pem")
    cluster = TFECluster(*(TFEWorker(host, auto_managed=False) for host in hosts), credentials=own)
    heard = []

    def listen(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(listener.accept()[0]) as plain:
            plain.settimeout(BOUND)
            with context.wrap_socket(plain, server_side=True) as caller:
                heard.append(caller.recv(1000))

    with socket.create_server(("127.0.0.1", int(hosts[0].split(":")[1]))) as listener:
        thread = threading.Thread(target=listen, args=(listener,))
        thread.start()
        with cluster.connect(CLIENT) as client:
            error = RuntimeError if impostor == "alice's own" else PermissionError
            with pytest.raises(error, match="does not answer|no certificates that fit"):
                client.ask_one("alice", "PUT", f"/questions/{'0' * 32}", content=b"a share")
        thread.join(mpc_parts.PATIENCE)
    # Where the certificate is hers, what we send arrives: it is not that nothing ever would.
    assert (b"Bearer" in b"".join(heard)) == (impostor == "alice's own")


def test_credentials_without_certificates(tmp_path):
    credentials.write_tokens(tmp_path / "new")
    workers = [TFEWorker(host, auto_managed=False) for host in free_hosts()]
    cluster = TFECluster(*workers, credentials=tmp_path / "new")
    with pytest.raises(ValueError, match=r"No credentials can be read in the folder .*client"):
        client_of(cluster)
    with pytest.raises(ValueError, match=r"No credentials can be read in the folder .*owner"):
        cluster.start()


def test_parties_by_hand_on_this_machine_need_no_certificates(compiled, capsys):
    workers = [TFEWorker(host, auto_managed=False) for host in free_hosts()]
    cluster = TFECluster(*workers)
    waiting = subprocess.Popen(
        [sys.executable, "-c", WAITING, *cluster.hosts],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    processes = []
    try:
        printed = "".join(waiting.stdout.readline() for _line in range(6))
        processes = started_by_hand(cluster, printed)
        assert "started" in waiting.communicate(timeout=60)[0]
        SharedModel(compiled, cluster).serve()  # the one who started them is gone; they serve on
        assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4
        cluster.stop()
        assert [process.wait(BOUND) for process in processes] == [0, 0, 0]
    finally:
        waiting.kill()
        end(processes)
    ports = {int(host.rpartition(":")[2]) for host in cluster.hosts}
    wait_until(lambda: not ports & listening(), "the end of all ports")


WAITING = """
import sys
from course_lib.mpc import TFECluster, TFEWorker
TFECluster(*(TFEWorker(host, auto_managed=False) for host in sys.argv[1:])).start(timeout=60)
print("started")
"""


def test_one_party_by_hand_that_is_killed_ends_the_others(cluster, running):
    processes = parties(cluster)
    running[1].kill()
    wait_until(lambda: not any(map(alive, processes)), "the others' end")
    assert running[0].wait() == running[2].wait() == 1
    assert "alice: The party bob is gone, and so the other two end." in running[0].stdout.read()
    assert "carol: The party bob is gone" in running[2].stdout.read()


@pytest.mark.parametrize("plain_text", [False, True])
def test_beyond_this_machine_credentials_are_asked_for(plain_text):
    workers = [TFEWorker(f"{party}.example:4000", auto_managed=False) for party in PARTIES]
    cluster = TFECluster(*workers, plain_text=plain_text)
    with pytest.raises(
        ValueError, match="course mpc certificates FOLDER alice.example:4000 bob.example:4000"
    ):
        cluster.start()


def test_the_command_for_another_machine_names_no_folder_of_this_one(folder):
    own, hosts = folder
    workers = [TFEWorker(f"{party}.example:4000", auto_managed=False) for party in PARTIES]
    elsewhere = TFECluster(*workers, credentials=own)
    words = ["-m", "course_lib.mpc.party", "bob", "--host", "bob.example:4000", "--credentials", "bob"]
    assert elsewhere._words("bob", "bob.example:4000") == words
    assert elsewhere._words("bob", hosts[1])[-1] == str(own / "bob")
    plain = TFECluster(*workers, credentials=own, plain_text=True)
    assert plain._words("bob", "bob.example:4000") == [*words, "--plain-text"]


def test_a_party_elsewhere_is_not_started_from_here(folder):
    own, hosts = folder
    elsewhere = TFECluster(*(TFEWorker(f"{party}.example:4000") for party in PARTIES), credentials=own)
    here = TFECluster(*map(TFEWorker, hosts), credentials=own)
    for cluster in (elsewhere, here):
        with pytest.raises(ValueError, match="auto_managed=False"):
            cluster.start()
    with pytest.raises(ValueError, match="wants a host"):
        TFEWorker(auto_managed=False)
