"""A web server that stops without losing a request that can be answered within about three seconds.

Uvicorn alone, asked to stop, closes its listener and every connection that is quiet: a request that was on
its way on one of them is lost. This server first lets callers go: for a moment it goes on as before, but
each answer says ``Connection: close`` and /ready says no. Then it turns away who still comes, takes in who
waits at the listener, closes that, and lets everybody who has come in finish. Leaves out who never finishes:
after `SECONDS_TO_FINISH` the connection is cut; and systems other than Linux, where nobody can be turned
away: there, a caller who connects between the last look and the close is reset.
"""

import asyncio
import contextlib
import ctypes
import socket
import struct
import sys
from collections.abc import Callable

import uvicorn

SECONDS_TO_LEAVE = 0.5
SECONDS_TO_FINISH = 2
_SECONDS_TO_CONNECT = 0.01  # for one who had begun to when others were turned away
_SO_ATTACH_FILTER = 26  # of Linux; the module socket has no name for it
#: For Linux's packet filter: load the flags of TCP's head; if SYN is among them, drop the packet, else not.
_DROP_WHO_CALLS = ((0x30, 0, 0, 13), (0x54, 0, 0, 2), (0x15, 1, 0, 0), (6, 0, 0, 0), (6, 0, 0, 0xFFFFFFFF))


def turn_away(listener: socket.socket) -> None:
    """Let nobody else connect to `listener`, in any process: who tries hears nothing, and tries again later.

    Its connections, and who waits there already, stay. Does nothing on systems other than Linux.
    """
    if sys.platform == "linux":
        code = b"".join(struct.pack("HBBI", *step) for step in _DROP_WHO_CALLS)
        held = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HL", len(_DROP_WHO_CALLS), ctypes.addressof(held))
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


class GracefulServer(uvicorn.Server):
    """Uvicorn's server, on `listener`; `on_stop` is called when it is asked to stop.

    `alone` says that no other process listens there, which would turn deaf with this one.
    """

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, on_stop: Callable[[], None], *, alone: bool
    ):
        super().__init__(config)
        self._alone = alone
        self._listener = listener
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let callers go, take in who waits, answer them, and stop."""
        self._on_stop()
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        await asyncio.sleep(SECONDS_TO_LEAVE)
        await self._close_listener()
        with contextlib.suppress(TimeoutError):  # who says nothing now never asked anything
            async with asyncio.timeout(SECONDS_TO_LEAVE):
                while state.connections:
                    await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    async def _close_listener(self) -> None:
        """Stop listening; who has connected but wasn't taken in by then is taken in first."""
        waiting = self._listener.dup()  # closing the server closes its own listener with all who wait there
        waiting.setblocking(False)
        for server in self.servers:
            server.close()
        if self._alone:
            turn_away(waiting)
            await asyncio.sleep(_SECONDS_TO_CONNECT)
        taken = []
        with contextlib.suppress(BlockingIOError):
            while True:
                taken.append(waiting.accept()[0])
        waiting.close()
        loop = asyncio.get_running_loop()
        for connection in taken:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
