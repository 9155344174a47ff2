"""ASGI middleware of the course's web services: the caller's language, and the path behind a proxy.

Promises that a header which can't be read changes nothing. Leaves out logins and TLS, which a reverse
proxy adds.
"""

import re

from course_lib.i18n import best_language, use_language


class InTheCallersLanguage:
    """ASGI middleware: what is said while a request is answered is said in its caller's language."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        headers = dict(scope.get("headers", ()))
        with use_language(best_language(headers.get(b"accept-language", b"").decode("latin-1"))):
            await self._app(scope, receive, send)


class UnderAPrefix:
    """ASGI middleware: behind JupyterHub the service lies below a path, which the proxy names in a header."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        headers = dict(scope.get("headers", ()))
        prefix = headers.get(b"x-forwarded-prefix", b"").decode("latin-1").rstrip("/")
        if re.fullmatch(r"(/[\w.~%@-]+)+", prefix, re.ASCII):  # it will stand in the page
            scope = scope | {"root_path": prefix, "path": prefix + scope["path"]}
        await self._app(scope, receive, send)
