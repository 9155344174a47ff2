"""The web server in front of a party: HTTP/1.1, TLS 1.3 where there are certificates, and bounded patience.

Promises that a caller who says nothing, or says it slowly, is hung up on, and that a request's head is
bounded before anybody is known to be admitted. Leaves out floods of connections: they are a firewall's work.
"""

import contextlib
import ssl

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from course_lib.mpc.membership import Setting

SECONDS_FOR_A_HEAD = 10
_MOST_HEAD_BYTES = 1 << 14
_SECONDS_TO_FINISH = 1  # for answers that are on their way when the party ends


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 that hangs up where a request's head is not complete within `SECONDS_FOR_A_HEAD`."""

    def connection_made(self, transport) -> None:
        """Wait for the first head from now on."""
        super().connection_made(transport)
        self._before_a_head = self.conn.their_state
        self._hanging_up = self.loop.call_later(SECONDS_FOR_A_HEAD, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Go on waiting while a head is not complete, and begin to with the first byte of the next one."""
        super().data_received(data)
        if self.conn.their_state is not self._before_a_head:
            self._hanging_up.cancel()
        elif self._hanging_up.cancelled():
            self._hanging_up = self.loop.call_later(SECONDS_FOR_A_HEAD, self.transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        """Wait no longer."""
        self._hanging_up.cancel()
        super().connection_lost(error)


def create_server(app: Starlette, setting: Setting, port: int) -> uvicorn.Server:
    """A server for a party's `app`, which leaves the signals to the party."""
    config = uvicorn.Config(
        app,
        host=setting.listen,
        port=port,
        http=BoundedProtocol,
        ws="none",
        h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        timeout_keep_alive=75,  # longer than a caller keeps a connection: it never meets one just closing
        **_tls_options(setting),
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    return server


def _tls_options(setting: Setting) -> dict:
    if not setting.tls:
        return {}
    return {
        "ssl_certfile": setting.identity.path("certificate"),
        "ssl_keyfile": setting.identity.path("key"),
        "ssl_ca_certs": setting.identity.path("authority"),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }
