"""Three parties as one cluster: started, joined, and stopped so that nothing is left of it.

Promises that `start` returns when the three hold links to each other, or raises and leaves nothing behind.
A party that this process started ends with it, however that goes; and when one party is gone, the others
end too.
"""

import contextlib
import contextvars
import os
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from course_lib.i18n import _
from course_lib.mpc import credentials
from course_lib.mpc.addresses import LOOPBACK, address_of, is_loopback, split_host
from course_lib.mpc.availability import require_engine
from course_lib.mpc.connection import Connection
from course_lib.mpc.credentials import OWNER, read_identity
from course_lib.mpc.spec import PARTIES
from course_lib.mpc.waiting import wait_for_parties
from course_lib.mpc.worker import TFEWorker
from course_lib.processes import ServerProcess, free_port, require_free, start_server

SECONDS_TO_START = 60  # for a party's process, before it loads the engine: a busy machine takes its time
SECONDS_IDLE = 6  # in these, a party that does nothing hangs
SECONDS_TO_END = 3
_GRACE = 2  # seconds for a party that was told to end
_GRACE_AT_A_FAULT = 1  # second for one that may hang, while somebody waits to be told what is wrong


class TFECluster:
    """The parties alice, bob and carol.

    On this machine their tokens are made by `start`, and found by other notebooks of the same user. Beyond
    it, `credentials` is the folder that `course mpc certificates` made, or a part of it; `plain_text` does
    without TLS there, so that whoever can listen sees all shares, and with them everything.

    >>> with TFECluster(TFEWorker(), TFEWorker(), TFEWorker()) as cluster:
    ...     len(cluster.hosts)
    3
    """

    def __init__(
        self,
        alice: TFEWorker,
        bob: TFEWorker,
        carol: TFEWorker,
        *,
        credentials: str | os.PathLike | None = None,
        plain_text: bool = False,
    ):
        self.workers = (alice, bob, carol)
        self._credentials = None if credentials is None else Path(credentials)
        self._plain_text = plain_text
        self._processes: list[ServerProcess] = []
        self._made_credentials = False

    @property
    def hosts(self) -> list[str]:
        """Where the three are, "name:port" each; ValueError while a free port is yet to be found."""
        if any(worker.host is None for worker in self.workers):
            raise ValueError(_("Three workers with hosts were expected, or a cluster that has been started."))
        return [worker.host for worker in self.workers]

    def start(self, *, record: str | os.PathLike | None = None, timeout: float = 600) -> None:
        """Start the parties, or wait `timeout` seconds for those that people start, and let them join.

        `record` is a folder in which each party that is started here keeps every share that it gets, as a
        curious one would. Raises ValueError where hosts and credentials don't fit, RuntimeError where a
        port is taken or a party does not start; nothing is left running then.
        """
        if self._processes or self._made_credentials:
            raise RuntimeError(_("The cluster has been started already; stop it first."))
        require_engine()
        self._check()
        try:
            self._give_hosts()
            self._require_credentials()
            self._start_processes(record)
            self._wait_for_others(timeout)
            self._join()
        except BaseException:  # an interrupt, too, leaves nothing behind
            self._clean_up(grace=_GRACE_AT_A_FAULT)
            raise

    def stop(self) -> None:
        """End all three parties, however they were started; harmless when that has been done."""
        with contextlib.suppress(ValueError, RuntimeError, PermissionError), self.connect(OWNER) as owner:
            owner.ask("POST", "/end", timeout=SECONDS_TO_END)
        self._clean_up(grace=_GRACE)

    def _clean_up(self, *, grace: float) -> None:
        with ThreadPoolExecutor(len(PARTIES)) as threads:
            stopping = [threads.submit(process.stop, grace=grace) for process in self._processes]
        self._processes = []  # the old list, where a thread may still add one, goes and ends it
        for each in stopping:
            each.result()
        if self._made_credentials:
            credentials.remove_meeting_place(self._folder)
            self._made_credentials = False

    @contextlib.contextmanager
    def connect(self, role: str):
        """A `Connection` to the three in a role, "owner" or "client", while the block runs."""
        connection = self.open_connection(role)
        try:
            yield connection
        finally:
            connection.close()

    def open_connection(self, role: str) -> Connection:
        """A `Connection` to the three; ValueError where this user has no credentials for the role."""
        return Connection(self.hosts, read_identity(self._folder / role), tls=self._tls)

    @property
    def _folder(self) -> Path:
        return self._credentials or credentials.meeting_place(self.hosts)

    @property
    def _tls(self) -> bool:
        return self._credentials is not None and not self._plain_text

    def _check(self) -> None:
        beyond = [worker.host for worker in self.workers if not worker.is_here]
        managed = [worker for worker in self.workers if worker.auto_managed]
        if beyond and self._credentials is None:
            raise ValueError(
                _(
                    "Beyond this machine the parties want credentials: make them by"
                    " `course mpc certificates FOLDER {hosts}` and give credentials=FOLDER."
                ).format(hosts=" ".join(self.hosts))
            )
        if managed and (beyond or self._credentials is not None):
            raise ValueError(
                _(
                    "Parties with credentials of their own are started where they run:"
                    " TFEWorker(host, auto_managed=False)."
                )
            )

    def _give_hosts(self) -> None:
        taken = {address_of(worker.host) for worker in self.workers if worker.host is not None}
        for worker in self.workers:
            while worker.host is None:
                host = f"{LOOPBACK}:{free_port()}"
                if host not in taken:  # the system may name the same free port twice
                    taken.add(host)
                    worker.host = host
        different = len(set(map(address_of, self.hosts)))
        if different < len(PARTIES):
            raise ValueError(_("Three hosts were expected, but {count} came.").format(count=different))

    def _require_credentials(self) -> None:
        if self._credentials is not None:
            read_identity(self._folder / OWNER)
            return
        reusable = not any(worker.auto_managed for worker in self.workers) and self._folder.exists()
        if not reusable:  # parties that wait to be joined know the tokens already
            self._require_free_ports()
            credentials.write_tokens(self._folder)
        self._made_credentials = True

    def _start_processes(self, record: str | os.PathLike | None) -> None:
        starting = [
            (party, worker)
            for party, worker in zip(PARTIES, self.workers, strict=True)
            if worker.auto_managed
        ]

        def start(party: str, worker: TFEWorker) -> None:
            words = self._words(party, worker.host)
            if record is not None:
                words += ["--record", str(Path(record) / party)]
            self._processes.append(
                start_server(
                    [*words, "--remove-credentials"],
                    name=party,
                    ready_path="/health",
                    port=split_host(worker.host)[1],
                    timeout=SECONDS_TO_START,
                    idle_timeout=SECONDS_IDLE,
                    env={"OMP_NUM_THREADS": "1"},  # three parties share the machine
                )
            )

        with ThreadPoolExecutor(len(PARTIES)) as threads:
            started = [threads.submit(contextvars.copy_context().run, start, *each) for each in starting]
        for each in started:
            each.result()

    def _words(self, party: str, host: str) -> list[str]:
        here = is_loopback(split_host(host)[0])
        folder = self._folder / party if here else Path(party)  # elsewhere it lies where it was taken to
        words = ["-m", "course_lib.mpc.party", party, "--host", host, "--credentials", str(folder)]
        return [*words, "--plain-text"] if self._plain_text else words

    def _require_free_ports(self) -> None:
        for party, worker in zip(PARTIES, self.workers, strict=True):
            if worker.auto_managed:
                require_free(split_host(worker.host)[1], party)

    def _wait_for_others(self, timeout: float) -> None:
        """Say how to start the parties that people start, and wait until they are there."""
        commands = {
            party: shlex.join(["python", *self._words(party, worker.host)])
            for party, worker in zip(PARTIES, self.workers, strict=True)
            if not worker.auto_managed
        }
        if commands:
            with self.connect(OWNER) as owner:
                wait_for_parties(owner, commands, timeout)

    def _join(self) -> None:
        with self.connect(OWNER) as owner:
            links = self._links(owner)
            endpoints = [address_of(worker.host) for worker in self.workers]
            session = secrets.token_hex(16)
            request = {"session": session, "endpoints": endpoints, "links": links}
            owner.carry_out("POST", "/join", json=request)

    def _links(self, owner: Connection) -> list[str]:
        """Where the engine of each party will listen; RuntimeError where two were given the same port."""
        for _attempt in range(5):  # the system may name the same free port twice
            ports = [answer.json()["link_port"] for answer in owner.fetch("/link-port")]
            hosts = [split_host(worker.host)[0] for worker in self.workers]
            links = [f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)]
            if len(set(links)) == len(links):
                return links
        raise RuntimeError(
            _("Three ports for the engine's links were expected, but {links} came.").format(
                links=", ".join(links)
            )
        )

    def __enter__(self) -> "TFECluster":
        self.start()
        return self

    def __exit__(self, *_error) -> None:
        self.stop()

    def __repr__(self) -> str:
        places = (
            f"{party}={worker.host or _('any free port')}"
            for party, worker in zip(PARTIES, self.workers, strict=True)
        )
        return f"{type(self).__name__}({', '.join(places)})"
