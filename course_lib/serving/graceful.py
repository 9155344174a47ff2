"""A web server that stops without losing a request that can be answered within about three seconds.

Uvicorn alone, asked to stop, closes its listener and every connection that is quiet: a request that was on
its way on one of them is lost. This server first lets callers go: for a moment it goes on as before, but
each answer says ``Connection: close`` and /ready says no. Then it takes in who waits at the listener,
closes that, and lets everybody who has come in finish. Leaves out who never finishes: after
`SECONDS_TO_FINISH` the connection is cut.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import uvicorn

SECONDS_TO_LEAVE = 0.5
SECONDS_TO_FINISH = 2


class GracefulServer(uvicorn.Server):
    """Uvicorn's server, on `listener`; `on_stop` is called when it is asked to stop."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, on_stop: Callable[[], None]):
        super().__init__(config)
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
