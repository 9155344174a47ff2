"""What passes over the wire, into the key store and into the logs holds no secret key."""

import base64
import re
import socket
import threading
from pathlib import Path

import httpx

import he_callers
from course_lib.he import wire
from tools.fuzz_damage import SEAL_HEADER, ZSTD, inflated

service, http, caller = he_callers.service, he_callers.http, he_callers.caller


class Wiretap(threading.Thread):
    """Passes bytes between callers and a port, and keeps them all."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = bytearray()
        self.start()

    def run(self):
        while True:
            try:
                caller, _address = self._listener.accept()
            except OSError:  # closed at the block's end
                return
            callee = socket.create_connection(("127.0.0.1", self._port))
            for source, target in ((caller, callee), (callee, caller)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket):
        while data := source.recv(1 << 16):
            self.heard += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def inflated_in(blob: bytes) -> bytes:
    """All that SEAL compressed, wherever its headers are found in `blob`."""
    magic, views, start = SEAL_HEADER.pack(0xA15E, SEAL_HEADER.size, 4, 3, ZSTD, 0, 0)[:6], [], -1
    while (start := blob.find(magic, start + 1)) >= 0:
        size = SEAL_HEADER.unpack_from(blob, start)[-1]
        views.append(inflated(blob[start : start + size]))
    return b"".join(views)


def traces_of(secret_key: str) -> list[list[bytes]]:
    """Pieces by which a secret key would be known: of its text, its frame, and what SEAL compressed."""
    frame = wire.from_text(secret_key)
    return [
        [whole[start : start + 24] for start in range(200, len(whole) - 24, len(whole) // 50)]
        for whole in (secret_key.encode(), frame, inflated_in(frame))
    ]


def unveiled(heard: bytes) -> list[bytes]:
    """What was heard, and what is inside: decoded from base64, and inflated as SEAL would."""
    texts = [text for text in heard.split(b'"') if re.fullmatch(rb"[A-Za-z0-9+/]{1000,}=*", text)]
    views = [heard, *map(base64.b64decode, texts)]
    return [*views, *map(inflated_in, views)]


def found(traces: list[bytes], places: list[bytes]) -> bool:
    return any(trace in place for trace in traces for place in places)


def test_the_secret_key_never_leaves_the_client(service, caller):
    traces = traces_of(caller.client.secret_key())
    with Wiretap(service.process.port) as tap, httpx.Client(trust_env=False, timeout=60) as http:
        url = f"http://127.0.0.1:{tap.port}"
        http.put(f"{url}/keys/{caller.key_id}", content=caller.public_keys).raise_for_status()
        reply = http.post(f"{url}/score", content=caller.request())
        assert caller.accepts(reply.json())
        heard = bytes(tap.heard)
    stored = b"".join(path.read_bytes() for path in Path(service.key_store).iterdir())
    # The tap hears, and a secret key would be found in what it hears, in each of its forms.
    assert caller.public_keys in heard and caller.ciphertexts[0].encode() in heard
    assert caller.public_keys in stored
    betrayed = unveiled(heard + caller.request(data=[caller.client.secret_key()]).encode())
    assert [found(kind, betrayed) for kind in traces] == [True, True, True]

    seen = [*unveiled(heard), *unveiled(stored)]
    assert [found(kind, seen) for kind in traces] == [False, False, False]


def test_logs_tell_of_requests_but_not_what_was_in_them(service, http, caller):
    http.put(f"/keys/{caller.key_id}", content=caller.public_keys)
    http.post("/score", content=caller.request())
    http.post("/score", content=caller.request(data=["damaged" * 20]))
    log = service.process.log()
    assert "POST /score" in log
    for private in (caller.ciphertexts[0][:60], "damaged", repr(caller.public_keys[:20])[2:-1]):
        assert private not in log
