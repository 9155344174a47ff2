"""What travels between callers and parties is checked before it is used; who may is checked before that."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import gzip
import http.server
import json
import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import mpc_parts
from course_lib import cli, mpc
from course_lib.mpc import availability, connection, credentials, endpoints, engine, wire
from course_lib.mpc.certificates import make_certificates
from course_lib.mpc.connection import Connection
from course_lib.mpc.credentials import CLIENT, OWNER, PARTY
from course_lib.mpc.frames import pack_model, unpack_model
from course_lib.mpc.offer import Offer
from course_lib.mpc.questions import MOST_QUESTIONS, Question, Questions
from course_lib.mpc.refusal import Refusal
from course_lib.mpc.server import BoundedProtocol, create_server
from course_lib.mpc.service import PartyService
from course_lib.mpc.spec import MOST_ELEMENTS, PARTIES, ModelSpec, digest_of
from course_lib.processes import free_port

cluster, compiled, shared = mpc_parts.cluster, mpc_parts.compiled, mpc_parts.shared
ROOT = Path(__file__).parents[1]
FINGERPRINT = bytes(range(16))
SHARE = np.arange(16, dtype=np.uint64).reshape(2, 4, 2)
FRAME = wire.pack_share(wire.QUESTION, SHARE, fingerprint=FINGERPRINT)


def unpacked(frame: bytes, kind: int = wire.QUESTION, shape: tuple[int, ...] = (2, 4)) -> np.ndarray:
    return wire.unpack_share(kind, frame, fingerprint=FINGERPRINT, shape=shape)


# Frames


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 2.0**21])
def test_shares_are_made_of_what_fits_into_them_alone(wrong):
    with pytest.raises(ValueError, match="came"):
        engine.make_shares(np.array([0, wrong], np.float32))


def test_a_share_comes_back():
    assert (unpacked(FRAME) == SHARE).all()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"MPC1",
        FRAME[:-1],
        FRAME + b"x",
        b"MPC2" + FRAME[4:],
        pickle.dumps(SHARE),
        FRAME[: wire.HEADER_BYTES],
    ],
    ids=["nothing", "a header's start", "cut off", "too long", "other magic", "a pickle", "no content"],
)
def test_a_frame_that_is_none(frame):
    with pytest.raises(ValueError, match="expected"):
        unpacked(frame)


def test_a_frame_of_another_kind_model_or_shape():
    with pytest.raises(ValueError, match="with an answer was expected, but one with a question"):
        unpacked(FRAME, kind=wire.ANSWER)
    with pytest.raises(ValueError, match="another model's"):
        unpacked(FRAME[:8] + b"x" + FRAME[9:])
    with pytest.raises(ValueError, match="144 bytes .* were expected"):
        unpacked(FRAME, shape=(3, 3))
    with pytest.raises(ValueError, match="but one with 200 came"):
        unpacked(FRAME[:4] + bytes([200]) + FRAME[5:])


def test_a_length_that_is_announced_wrongly():
    huge = FRAME[:24] + (2**63).to_bytes(8, "little") + FRAME[32:]
    with pytest.raises(ValueError, match="9223372036854775808 were announced"):
        unpacked(huge)
    with pytest.raises(ValueError, match="in the middle of a frame"):
        list(wire.split(huge))


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_share_or_refused(body):
    with pytest.raises(ValueError):
        unpacked(body)
    with pytest.raises(ValueError):
        unpack_model(body)


def test_a_model_comes_back_and_a_damaged_one_does_not():
    digests = (digest_of(b"one"), digest_of(b"eight"))
    spec = ModelSpec("0" * 32, (4,), (3,), (1, 8), ((4, 3), (3,)), digests)
    weights = [np.zeros((4, 3, 2), np.uint64), np.ones((3, 2), np.uint64)]
    body = pack_model(spec, {1: b"one", 8: b"eight"}, weights)
    other, programs, shares = unpack_model(body)
    assert other == spec and programs == {1: b"one", 8: b"eight"}
    assert all((ours == theirs).all() for ours, theirs in zip(weights, shares, strict=True))
    frames = list(wire.split(body))
    for damaged in (body[:-1], body + frames[-1], b"".join(frames[1:]), b"".join(frames[:-1]), b""):
        with pytest.raises(ValueError):
            unpack_model(damaged)
    swapped = [*frames[:-2], frames[-1], frames[-2]]
    with pytest.raises(ValueError, match="bytes of a weight were expected"):
        unpack_model(b"".join(swapped))
    with pytest.raises(ValueError, match="not those that its description names"):
        unpack_model(pack_model(spec, {1: b"two", 8: b"eight"}, weights))


DIGESTS = ("0" * 64, "1" * 64)
GOOD = json.loads(ModelSpec("0" * 32, (4,), (3,), (1, 8), ((4, 3),), DIGESTS).to_json())


@pytest.mark.parametrize(
    "changes",
    [
        {"model_id": "../../etc/passwd"},
        {"model_id": None},
        {"input_shape": [-1]},
        {"input_shape": [1.5]},
        {"input_shape": [True]},
        {"input_shape": "4"},
        {"input_shape": [MOST_ELEMENTS]},
        {"input_shape": [2**40, 2**40]},
        {"output_shape": [0]},
        {"batch_sizes": []},
        {"batch_sizes": list(range(1, 100))},
        {"batch_sizes": [0]},
        {"weight_shapes": [[1]] * 20_000},
        {"weight_shapes": [[1] * 9]},
        {"weight_shapes": [1]},
        {"weight_shapes": None},
        {"program_digests": ["0" * 64]},
        {"program_digests": ["0" * 64, "../"]},
        {"program_digests": None},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_description_that_is_none(changes):
    with pytest.raises(ValueError):
        ModelSpec.from_json(json.dumps(GOOD | changes)[:2_000_000])
    assert ModelSpec.from_json(json.dumps(GOOD))


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b"null", b"5"])
def test_a_description_that_is_no_json_of_ours(text):
    with pytest.raises(ValueError):
        ModelSpec.from_json(text)


# What a party takes in


def bad_requests(fingerprint: bytes) -> dict[str, tuple[str, str, bytes | None, int]]:
    question = f"/questions/{'1' * 32}"
    frame, fitting = (
        wire.pack_share(wire.QUESTION, share, fingerprint=fingerprint)
        for share in (SHARE, np.zeros((1, 4, 2), np.uint64))
    )
    return {
        "nothing": ("PUT", question, b"", 400),
        "another shape": ("PUT", question, frame, 400),
        "too long": ("PUT", question, frame * 100, 413),
        "a pickle": ("PUT", question, pickle.dumps(SHARE), 400),
        "an id that is none": ("PUT", "/questions/etc", fitting, 400),
        "an id with ../": ("PUT", "/questions/..%2F..%2Fetc", fitting, 404),
        "an id in capitals": ("PUT", f"/questions/{'A' * 32}", fitting, 400),
        "a turn for nothing": ("POST", f"{question}/turn", None, 404),
        "an answer to nothing": ("GET", question, None, 404),
        "a method that is not there": ("PATCH", question, None, 405),
        "a path that is not there": ("GET", "/weights", None, 404),
    }


@pytest.mark.parametrize("what", bad_requests(FINGERPRINT))
def test_bad_requests_are_refused_and_the_party_goes_on(cluster, shared, what):
    method, path, content, status = bad_requests(shared.spec.fingerprint)[what]
    with cluster.connect(CLIENT) as client:
        client_of_alice = client._clients["alice"]
        answer = client_of_alice.request(method, path, content=content)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"] and "Traceback" not in answer.text
    values = mpc_parts.VALUES
    assert np.allclose(
        mpc_parts.client_of(cluster).query_model(values), mpc_parts.expected(values), atol=1e-4
    )


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b"[" * 60_000, b'{"session": 5}', b"x" * 100_000]
)
def test_bad_json_is_refused(cluster, body):
    with cluster.connect(OWNER) as owner:
        assert owner._clients["bob"].post("/join", content=body).status_code in (400, 413)


def test_a_party_joins_once(cluster):
    request = {"session": "0" * 32, "endpoints": cluster.hosts, "links": cluster.hosts}
    with cluster.connect(OWNER) as owner, pytest.raises(RuntimeError, match="in a cluster already"):
        owner.ask("POST", "/join", json=request)


def test_a_damaged_model_is_refused_and_the_old_one_stays(cluster, shared):
    with cluster.connect(OWNER) as owner, pytest.raises(ValueError, match="in the middle of a frame"):
        owner.carry_out("PUT", "/model", contents=[b"damaged"] * 3)
    values = mpc_parts.VALUES
    assert np.allclose(
        mpc_parts.client_of(cluster).query_model(values), mpc_parts.expected(values), atol=1e-4
    )


def test_a_question_is_run_once(cluster, shared):
    frames = mpc_parts.frames_of(shared.spec, mpc_parts.VALUES)
    path = f"/questions/{'2' * 32}"
    with cluster.connect(CLIENT) as client:
        client.ask("PUT", path, contents=frames)
        with pytest.raises(RuntimeError, match="question with this id already"):
            client.ask("PUT", path, contents=frames)
        with pytest.raises(ValueError, match="decided by alice"):
            client.ask_one("bob", "POST", f"{path}/turn")
        client.ask_one("alice", "POST", f"{path}/turn")
        with pytest.raises(RuntimeError, match="has been run already"):
            client.ask_one("alice", "POST", f"{path}/turn")
        client.fetch(path)


def test_a_question_that_one_party_has_otherwise_is_not_run(cluster, shared):
    """Or which it does not have at all: the three agree before they compute."""
    one, other = (mpc_parts.frames_of(shared.spec, np.ones((size, 4), np.float32)) for size in (1, 8))
    again = mpc_parts.frames_of(shared.spec, np.ones((1, 4), np.float32))
    cases = (
        [one[0], one[1], None],
        [one[0], other[1], one[2]],
        *([again[rank] if rank == odd else one[rank] for rank in range(3)] for odd in range(3)),
        [one[0], one[1], one[2][:-1] + bytes([one[2][-1] ^ 1])],
    )
    for case, frames in enumerate(cases):
        question_id = f"{case + 3:032x}"
        path = f"/questions/{question_id}"
        with cluster.connect(CLIENT) as client:
            for party, frame in zip(PARTIES, frames, strict=True):
                if frame is not None:
                    client.ask_one(party, "PUT", path, content=frame)
            client.ask_one("alice", "POST", f"{path}/turn")
            with pytest.raises(RuntimeError, match="was not run"):
                fetched_from(client, "alice", path)
    assert shared.served == 0
    assert np.allclose(
        mpc_parts.client_of(cluster).query_model(mpc_parts.VALUES),
        mpc_parts.expected(mpc_parts.VALUES),
        atol=1e-4,
    )


def test_parties_that_were_given_different_models(cluster, compiled):
    shares = [engine.make_shares(weight) for weight in compiled.weights]
    other = dataclasses.replace(compiled.spec, model_id="f" * 32)
    specs = (compiled.spec, other, compiled.spec)
    bodies = [
        pack_model(spec, compiled.programs, [each[rank] for each in shares])
        for rank, spec in enumerate(specs)
    ]
    with cluster.connect(OWNER) as owner:
        owner.carry_out("PUT", "/model", contents=bodies)
        owner.ask("PUT", "/serving", json={"num_requests": None})
        with pytest.raises(RuntimeError, match="do not hold the same model"):
            mpc_parts.client_of(cluster)
        with cluster.connect(CLIENT) as client:  # nor is anything run for one who asks all the same
            path = f"/questions/{'5' * 32}"
            question = engine.make_shares(mpc_parts.VALUES)
            for rank, spec in enumerate(specs):
                frame = wire.pack_share(wire.QUESTION, question[rank], fingerprint=spec.fingerprint)
                client.ask_one(PARTIES[rank], "PUT", path, content=frame)
            client.ask_one("alice", "POST", f"{path}/turn")
            with pytest.raises(RuntimeError, match="was not run"):
                fetched_from(client, "alice", path)
        owner.carry_out("DELETE", "/model")


def test_an_answer_that_takes_longer_is_asked_for_again(cluster, shared):
    frames = mpc_parts.frames_of(shared.spec, mpc_parts.VALUES)
    path = f"/questions/{'8' * 32}"
    with cluster.connect(CLIENT) as client, concurrent.futures.ThreadPoolExecutor() as threads:
        client.ask("PUT", path, contents=frames)
        fetching = threads.submit(client.fetch, path)
        with cluster.connect(CLIENT) as other:
            assert other.ask_one("alice", "GET", path).status_code == 202  # and so for the one that fetches
            other.ask_one("alice", "POST", f"{path}/turn")
        assert [answer.status_code for answer in fetching.result(mpc_parts.BOUND)] == [200] * 3


def test_an_answer_is_given_once(cluster, shared):
    frames = mpc_parts.frames_of(shared.spec, mpc_parts.VALUES)
    path = f"/questions/{'6' * 32}"
    with cluster.connect(CLIENT) as client:
        client.ask("PUT", path, contents=frames)
        client.ask_one("alice", "POST", f"{path}/turn")
        client.fetch(path)
        with pytest.raises(RuntimeError, match="no question with this id"):
            fetched_from(client, "bob", path)


def test_too_many_questions_are_refused_and_old_ones_forgotten(monkeypatch):
    async def fill() -> Questions:
        questions = Questions()
        for number in range(MOST_QUESTIONS):
            questions.add(Question(str(number), FINGERPRINT, SHARE))
        with pytest.raises(Refusal, match="too many questions"):
            questions.add(Question("one more", FINGERPRINT, SHARE))
        monkeypatch.setattr("course_lib.mpc.questions.SECONDS_KEPT", -1)
        questions.add(Question("one more", FINGERPRINT, SHARE))
        assert questions.find("0") is None
        monkeypatch.setattr("course_lib.mpc.questions.MOST_BYTES", SHARE.nbytes - 1)
        with pytest.raises(Refusal, match="too many questions"):
            Questions().add(Question("large", FINGERPRINT, SHARE))
        return questions

    asyncio.run(fill())


def test_questions_that_are_on_their_way_count_before_they_are_there(monkeypatch):
    monkeypatch.setattr("course_lib.mpc.questions.MOST_BYTES", 1000)
    questions = Questions()
    for _time in range(2):  # room is given back, however it ends
        with contextlib.suppress(KeyError), questions.room_for(600):
            with pytest.raises(Refusal, match="too many questions"), questions.room_for(401):
                raise AssertionError
            with questions.room_for(400):
                raise KeyError


def test_questions_that_are_announced_and_do_not_come_take_room(cluster, shared):
    """As many as a party has room for, all from callers who begin to send and then wait."""
    identity = credentials.read_identity(credentials.meeting_place(cluster.hosts) / CLIENT)
    host, port = cluster.hosts[0].split(":")
    with contextlib.ExitStack() as callers:
        for number in range(MOST_QUESTIONS):
            caller = callers.enter_context(socket.create_connection((host, int(port))))
            caller.sendall(
                f"PUT /questions/{number:032x} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
                f"Authorization: Bearer {identity.shown['alice']}\r\n\r\n".encode()
            )
        mpc_parts.wait_until(lambda: "too many questions" in told(cluster), "a refusal")
    mpc_parts.wait_until(lambda: told(cluster) == "answered", "room")


def fetched_from(client: Connection, party: str, path: str):
    """One party's answer, once it is there."""
    return client._fetch_one(party, path, most=100_000, enough=threading.Event())


def told(cluster) -> str:
    try:
        mpc_parts.client_of(cluster).query_model(mpc_parts.VALUES)
    except RuntimeError as error:
        return str(error)
    return "answered"


def test_a_body_that_comes_too_slowly_is_refused(monkeypatch):
    class Slow:
        async def stream(self):
            yield b"MPC1"
            await asyncio.sleep(60)

    monkeypatch.setattr(endpoints, "_SECONDS_TO_SEND", 0.1)
    with pytest.raises(Refusal, match=r"within 0\.1 seconds") as refused:
        asyncio.run(endpoints._body(Slow(), 100))
    assert refused.value.status == 408


def test_a_party_forgets_old_questions_by_itself(monkeypatch):
    """While its server runs, and whether or not anybody asks."""
    monkeypatch.setattr("course_lib.mpc.questions.SECONDS_KEPT", 0)
    monkeypatch.setattr("course_lib.mpc.service._SECONDS_BETWEEN_SWEEPS", 0.01)

    class Idle(PartyService):
        def __init__(self):
            self._questions = Questions()

    async def live() -> None:
        service = Idle()
        service._questions.add(Question("old", FINGERPRINT, SHARE))
        async with endpoints._sweeping(service), asyncio.timeout(mpc_parts.PATIENCE):
            while service._questions.find("old"):
                await asyncio.sleep(0.01)

    asyncio.run(live())


@contextlib.contextmanager
def answering(write, **headers):
    """A connection to three parties which are one server; `write` writes its answers' bodies."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # the caller has hung up
                write(self.wfile)

        def log_message(self, *_words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        identity = credentials.Identity(Path("."), dict.fromkeys(PARTIES, "token"), {})
        calling = Connection([f"127.0.0.1:{server.server_port}"] * 3, identity, tls=False)
        try:
            yield calling
        finally:
            calling.close()
            server.shutdown()


def test_an_answer_without_end_is_read_up_to_its_bound():
    sent = []

    def write(wire_file) -> None:
        while sum(sent) < 200_000_000:  # so that a client without a bound fails, and soon
            wire_file.write(b" " * 100_000)
            sent.append(100_000)

    started = time.monotonic()
    # Each of the three answers so; who is told is the first to fail.
    with (
        answering(write) as calling,
        pytest.raises(RuntimeError, match=r"party \w+ .*more than 100000 bytes"),
    ):
        calling.fetch("/state", most=100_000)
    assert time.monotonic() - started < mpc_parts.BOUND
    assert sum(sent) < 50_000_000  # what fits into the buffers of three connections


def test_an_answer_that_trickles_is_read_for_a_while(monkeypatch):
    monkeypatch.setattr(connection, "_SECONDS_TO_TRANSFER", 1)

    def write(wire_file) -> None:
        for _second in range(100):
            wire_file.write(b" ")
            time.sleep(0.1)

    with answering(write) as calling, pytest.raises(RuntimeError, match="took more than 1 seconds"):
        calling.fetch("/state")


def test_a_packed_answer_is_not_unpacked():
    """An answer of a kilobyte that becomes a gigabyte: it is read as it came."""
    packed = gzip.compress(bytes(1_000_000))
    with answering(lambda wire_file: wire_file.write(packed), **{"Content-Encoding": "gzip"}) as calling:
        assert [answer.content for answer in calling.fetch("/state")] == [packed] * 3


def test_no_more_questions_are_granted_than_the_model_is_served_for():
    offer = Offer()
    with pytest.raises(Refusal, match="No model is shared"):
        offer.open(2)
    offer.hold("a model")
    with pytest.raises(Refusal, match="not served yet"):
        offer.require_open()
    offer.open(2)
    offer.take_back(offer.grant())
    for _question in range(2):
        assert offer.require_open() == "a model"
        opening = offer.grant()
    with pytest.raises(Refusal, match="the 2 requests"):
        offer.grant()
    offer.count_answer(opening)
    assert offer.require_open() == "a model"  # whose share comes early waits for its turn's refusal
    offer.count_answer(opening)
    with pytest.raises(Refusal, match="the 2 requests"):
        offer.require_open()
    offer.open(None)
    for _question in range(100):
        offer.grant()
    offer.close()
    with pytest.raises(Refusal, match="its owner has stopped that"):
        offer.require_open()


@pytest.mark.parametrize("end", [Offer.take_back, Offer.count_answer])
def test_a_turn_counts_in_the_opening_in_which_it_was_granted(end):
    offer = Offer()
    offer.hold("a model")
    offer.open(2)
    turns = offer.grant(), offer.grant()
    offer.close()
    end(offer, turns[0])
    with pytest.raises(Refusal, match="its owner has stopped that"):
        offer.require_open()
    offer.open(1)
    end(offer, turns[1])
    assert offer.require_open() == "a model" and offer.opening.served == 0
    offer.grant()
    with pytest.raises(Refusal, match="the 1 requests"):
        offer.grant()


def test_a_model_that_is_stopped_is_forgotten_by_the_engine_too():
    held = []

    class Seat:
        def hold_model(self, spec, programs, weights) -> concurrent.futures.Future:
            held.append((spec, programs, weights))
            done = concurrent.futures.Future()
            done.set_result(None)
            return done

    class Alone(PartyService):
        def __init__(self):
            self._seat, self._offer, self._questions, self._changing = Seat(), Offer(), Questions(), None
            self._offer.hold("a model")

    async def forget() -> None:
        alone = Alone()
        with pytest.raises(Refusal, match="No model is shared"):
            await alone.has_changed()
        alone.forget_model()
        assert await alone.has_changed()

    asyncio.run(forget())
    assert held == [(None, {}, [])]


def test_an_engine_that_holds_nothing_any_longer_has_no_weights():
    from spu import libspu

    link = libspu.link.Desc()
    for rank in range(3):
        link.add_party(str(rank), str(rank))

    def live(rank: int) -> bool:
        machine = engine.Machine(libspu.link.create_mem(link, rank), engine.runtime_config())
        machine.hold_weights([SHARE])
        machine._runtime.get_var("weight-0")
        machine.clear()
        with pytest.raises(RuntimeError):
            machine._runtime.get_var("weight-0")
        return True

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        assert list(threads.map(live, range(3))) == [True] * 3


class Setting:
    tls, listen = False, "127.0.0.1"


@pytest.fixture
def impatient(monkeypatch):
    """The port of a party's web server with an app that says hello, and less patience."""
    monkeypatch.setattr("course_lib.mpc.server.SECONDS_FOR_A_HEAD", 1.5)

    async def hello(_scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    port = free_port()
    server = create_server(hello, Setting, port)
    assert server.config.http_protocol_class is BoundedProtocol
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    mpc_parts.wait_until(lambda: server.started, "the start")
    yield port
    server.should_exit = True
    thread.join()


def said_to(port: int, *words: bytes) -> bytes:
    """What a server answers until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=mpc_parts.BOUND) as caller:
        answer = b""
        with contextlib.suppress(ConnectionError):  # one of the ways to hang up
            for each in words:
                caller.sendall(each)
                time.sleep(0.9)
            while part := caller.recv(1000):
                answer += part
        return answer


def test_callers_who_say_nothing_or_too_much_are_hung_up_on(impatient):
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    assert said_to(impatient) == b""
    assert said_to(impatient, b"GET / HTTP", b"/1.1\r\n", b"Host: a\r\n", b"\r\n") == b""
    assert b"400 Bad Request" in said_to(impatient, head + b"X: " + b"x" * 100_000)
    ended = b"Connection: close\r\n"
    assert b"hello" in said_to(impatient, head + ended + b"\r\n")
    slow_body = head + ended + b"Content-Length: 3\r\n\r\n"  # a body may take longer
    assert b"hello" in said_to(impatient, slow_body, b"a", b"b", b"c")
    twice = said_to(impatient, head + b"\r\n", head)  # patience ends with the second head, too
    assert twice.count(b"hello") == 1


def test_the_engines_port_tells_strangers_nothing(cluster):
    """It speaks HTTP as well, and could show its memory and take settings."""
    endpoints = {int(host.rpartition(":")[2]) for host in cluster.hosts}
    (port,) = (
        connection.laddr.port
        for connection in mpc_parts.parties(cluster)[0].net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port not in endpoints
    )
    for path in ("/", "/status", "/flags", "/vars", "/connections", "/memory"):
        with socket.create_connection(("127.0.0.1", port), timeout=mpc_parts.BOUND) as stranger:
            stranger.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b" 404 " in stranger.recv(1000).splitlines()[0]


# Credentials


def test_each_token_is_known_to_those_who_need_it(tmp_path):
    credentials.write_tokens(tmp_path)
    identities = {name: credentials.read_identity(tmp_path / name) for name in (*PARTIES, OWNER, CLIENT)}
    for party in PARTIES:
        assert identities[party].role_of(identities[OWNER].shown[party]) == OWNER
        assert identities[party].role_of(identities[CLIENT].shown[party]) == CLIENT
        for other in set(PARTIES) - {party}:
            assert identities[party].role_of(identities[other].shown[party]) == PARTY
            assert identities[party].role_of(identities[OWNER].shown[other]) is None
        assert party not in identities[party].shown
        assert identities[party].role_of("") is None and identities[party].role_of("é") is None
    admitted = [token for party in PARTIES for token in identities[party].admitted.values()]
    assert len(set(admitted)) == 9 and min(map(len, admitted)) >= 43
    for identity in identities.values():
        assert not [token for token in admitted if token in repr(identity)]


def test_no_folder_is_removed_but_a_meeting_place(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    place = credentials.meeting_place(["localhost:1", "localhost:2", "localhost:3"])
    credentials.write_tokens(place)
    credentials.write_tokens(tmp_path / "other")
    for folder in (tmp_path / "other", tmp_path / "home", tmp_path / "home" / "mpc", place / "alice"):
        credentials.remove_meeting_place(folder)
    assert (place / "alice" / "tokens.json").exists() and (tmp_path / "other" / "alice").exists()
    credentials.remove_meeting_place(place)
    credentials.remove_meeting_place(place)
    assert not place.exists() and place.parent.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"shown": 5, "admitted": {}}', '{"shown": {"alice": 5}, "admitted": {}}']
)
def test_credentials_that_are_none(tmp_path, text):
    (tmp_path / "tokens.json").write_text(text)
    with pytest.raises(ValueError, match="No credentials can be read"):
        credentials.read_identity(tmp_path)


def test_certificates(tmp_path):
    folder = make_certificates(tmp_path / "new", ["alice.example:4000", "10.0.0.2:4000", "localhost:4002"])
    names = {}
    for path in sorted(folder.rglob("*certificate.pem")):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        prefix = "link-" if path.name.startswith("link-") else ""
        authority = x509.load_pem_x509_certificate((path.parent / f"{prefix}authority.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        try:
            alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names[f"{path.parent.name}/{prefix}"] = [str(name.value) for name in alternative]
        except x509.ExtensionNotFound:
            names[f"{path.parent.name}/{prefix}"] = None
    assert names == {
        "alice/": ["alice.example"], "alice/link-": ["alice.example"], "bob/": ["10.0.0.2"],
        "bob/link-": ["10.0.0.2"], "carol/": ["127.0.0.1"], "carol/link-": ["127.0.0.1"],
        "client/": None, "owner/": None,
    }  # fmt: skip
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]} == {0}
    link, endpoint = ((folder / "alice" / f"{prefix}authority.pem").read_bytes() for prefix in ("link-", ""))
    assert link != endpoint and (folder / "bob" / "link-authority.pem").read_bytes() == link
    keys = [path.read_bytes() for path in folder.rglob("*key.pem")]
    assert len(set(keys)) == len(keys) == 8  # and none is an authority's
    context = credentials.read_identity(folder / OWNER).client_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3 and context.check_hostname


def test_the_command_for_certificates(tmp_path):
    hosts = ["alice.example:4000", "bob.example:4000", "carol.example:4000"]
    made = CliRunner().invoke(cli.app, ["mpc", "certificates", str(tmp_path / "new"), *hosts])
    assert made.exit_code == 0
    assert "python -m course_lib.mpc.party bob --host bob.example:4000 --credentials bob" in made.output
    assert (tmp_path / "new" / "bob" / "link-key.pem").exists()
    assert not [line for line in made.output.splitlines() if "PRIVATE" in line]
    for words in (
        [str(tmp_path / "new"), *hosts],
        [str(tmp_path / "b"), *hosts[:2]],
        [str(tmp_path / "b"), "a", "b", "c"],
    ):
        refused = CliRunner().invoke(cli.app, ["mpc", "certificates", *words])
        assert refused.exit_code == 2 and len(refused.output.splitlines()) == 1
    assert not (tmp_path / "b").exists()


# A party's process


def party_started(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "course_lib.mpc.party", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env=os.environ | {"COURSE_LANG": "en"},
    )


def test_a_party_that_can_not_start_says_why_in_one_sentence(tmp_path, cluster):
    credentials.write_tokens(tmp_path)
    alice = str(tmp_path / "alice")
    cases = {
        "No credentials can be read": [
            "--host",
            "localhost:4000",
            "--credentials",
            str(tmp_path / "missing"),
        ],
        "A host like localhost:4000": ["--host", "4000", "--credentials", alice],
        "wants certificates": ["--host", "10.1.2.3:4000", "--credentials", alice],
        "can't listen on": ["--host", cluster.hosts[0], "--credentials", alice],
        "(Cannot assign requested address)": [
            "--host",
            "10.1.2.3:4000",
            "--credentials",
            alice,
            "--plain-text",
        ],
    }
    for sentence, words in cases.items():
        ended = party_started("alice", *words)
        assert ended.returncode == 2 and "Traceback" not in ended.stderr
        assert sentence in ended.stderr.splitlines()[-1]


def test_every_address_counts_as_beyond_this_machine_but_loopback(tmp_path):
    credentials.write_tokens(tmp_path)
    listening = ["--host", f"localhost:{free_port()}", "--listen", "0.0.0.0"]
    ended = party_started("alice", *listening, "--credentials", str(tmp_path / "alice"))
    assert ended.returncode == 2 and "wants certificates" in ended.stderr


# The engine is not everywhere


def test_a_machine_without_the_engine_is_told_so(monkeypatch):
    monkeypatch.setattr(availability, "find_spec", lambda name: None)
    assert all(word in availability.no_engine() for word in ("Binder", "WSL"))
    with pytest.raises(RuntimeError, match="Binder"):
        mpc_parts.new_cluster().start()
    with pytest.raises(RuntimeError, match="Binder"):
        mpc.share(None, mpc_parts.new_cluster())
    script = (
        "import sys, importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'spu' else found(name, *more)\n"
        "import course_lib.mpc\n"
        "from course_lib.mpc import sharing, comparison\n"
        "assert 'spu' not in sys.modules and 'tensorflow' not in sys.modules\n"
        "print(sharing.decode(sharing.open_shares(sharing.share([1.5], sharing.from_system))))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[1.5]\n" and "Binder" in ended.stderr and "WSL" in ended.stderr


def test_a_machine_with_the_engine_is_not_warned_and_pays_nothing_at_import():
    script = "import sys, course_lib.mpc; print('spu' in sys.modules, 'tensorflow' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False False\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert availability.has_engine()
