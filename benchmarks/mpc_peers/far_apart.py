"""Three parties on this machine as if they were far apart: each packet between their engines is held back."""

import contextlib
import queue
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from course_lib.mpc import TFECluster
from course_lib.mpc.addresses import LOOPBACK, address_of
from course_lib.mpc.credentials import OWNER
from course_lib.mpc.spec import PARTIES

_PACKET_BYTES = 1 << 16


class Relay:
    """A port that passes on to `port`, both ways, what comes, each packet `latency` seconds later."""

    def __init__(self, port: int, latency: float):
        self._target, self._latency = (LOOPBACK, port), latency
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no further callers."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                caller, _address = self._listener.accept()
                try:
                    callee = socket.create_connection(self._target)
                except ConnectionRefusedError:  # it does not listen yet; the engine tries again
                    caller.close()
                    continue
                for source, sink in ((caller, callee), (callee, caller)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    on_their_way = queue.SimpleQueue()
                    threading.Thread(target=self._take, args=(source, on_their_way), daemon=True).start()
                    threading.Thread(target=self._deliver, args=(sink, on_their_way), daemon=True).start()

    def _take(self, source: socket.socket, on_their_way: queue.SimpleQueue) -> None:
        packet = b"not yet"
        while packet:
            try:
                packet = source.recv(_PACKET_BYTES)
            except OSError:
                packet = b""
            on_their_way.put((time.monotonic() + self._latency, packet))

    def _deliver(self, sink: socket.socket, on_their_way: queue.SimpleQueue) -> None:
        with contextlib.suppress(OSError):  # one of the two has hung up
            while True:
                due, packet = on_their_way.get()
                time.sleep(max(0, due - time.monotonic()))
                if not packet:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(packet)


class FarApartCluster(TFECluster):
    """A cluster on this machine whose parties' messages to each other travel for `latency` seconds."""

    def __init__(self, *workers, latency: float):
        super().__init__(*workers)
        self._latency = latency
        self._relays: list[Relay] = []

    def stop(self) -> None:
        """End the parties and the relays."""
        super().stop()
        while self._relays:
            self._relays.pop().close()

    def _join(self) -> None:
        """As the cluster's own, but each party is told the relays' ports as those of the other two."""
        with self.connect(OWNER) as owner, ThreadPoolExecutor(len(PARTIES)) as threads:
            ports = [answer.json()["link_port"] for answer in owner.fetch("/link-port")]
            self._relays = [Relay(port, self._latency) for port in ports]
            session, endpoints = secrets.token_hex(16), [address_of(host) for host in self.hosts]

            def join(rank: int) -> None:
                links = [f"{LOOPBACK}:{relay.port}" for relay in self._relays]
                links[rank] = f"{LOOPBACK}:{ports[rank]}"  # where it listens itself
                request = {"session": session, "endpoints": endpoints, "links": links}
                owner.ask_one(PARTIES[rank], "POST", "/join", json=request)

            list(threads.map(join, range(len(PARTIES))))
            owner.fetch("/join")
