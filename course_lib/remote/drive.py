"""The store between the parties: a stand-in for Google Drive, in a process of its own.

    COURSE_DRIVE_ACCOUNTS='{"TOKEN": "ada@university.example"}' python -m course_lib.remote.drive --port 8000

PySyft 0.10 keeps its mailboxes in Google Drive, and brings a mock of that for its own tests. This serves
the mock over HTTP, so that parties in different processes share it. Whoever calls shows the token of an
account and gets at what this account owns or was given; PySyft's mock leaves these checks out for single
files. The operator's token opens `/everything`: as with a real store, whoever runs it sees all that lies
there.

Everything is in memory and gone when the process ends. Leaves out TLS: it listens on this machine's loopback
address alone.
"""

import argparse
import base64
import json
import os
import secrets
import threading
from collections.abc import Mapping

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from syft.sync.connections.drive.mock_drive_service import (
    MockDriveBackingStore,
    MockDriveService,
    _check_file_access,
)

from course_lib.processes import HOST, ServerProcess, exit_with_parent, require_free, start_server

ACCOUNTS = "COURSE_DRIVE_ACCOUNTS"
OPERATOR = "operator"
MAX_REQUEST_BYTES = 8 * 1024 * 1024
MAX_STORE_BYTES = 256 * 1024 * 1024
_READING = {("files", "get"), ("files", "get_media"), ("permissions", "list")}
_WRITING = {("files", "update"), ("files", "delete"), ("permissions", "create")}
_CALLS = _READING | _WRITING | {("files", "list"), ("files", "create"), ("about", "get")}


class Refused(Exception):
    """A call that the drive does not answer: an HTTP status and a reason."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


class Drive:
    """Files and folders of several accounts; an account reaches its own and what it was given."""

    def __init__(self):
        self.store = MockDriveBackingStore()
        self._lock = threading.Lock()

    def call(self, account: str, resource: str, method: str, arguments: dict, media: bytes | None):
        """One call of Google Drive's API as `account`; what the API would answer. Raises Refused."""
        with self._lock:
            self._check(account, (resource, method), arguments, media)
            service = getattr(MockDriveService(self.store, account), resource)()
            if media is not None:
                arguments = {**arguments, "media_body": _Media(media)}
            return getattr(service, method)(**arguments).execute()

    def everything(self) -> list[dict]:
        """Id, name, owner and bytes (base64) of every file: what the operator sees."""
        with self._lock:
            return [
                {
                    "id": file.id,
                    "name": file.name,
                    "owner": file.owners[0]["emailAddress"],
                    "content": base64.b64encode(file.content).decode(),
                }
                for file in self.store.files.values()
            ]

    def _check(self, account: str, call: tuple[str, str], arguments: dict, media: bytes | None) -> None:
        if call not in _CALLS:
            raise Refused(400, "badRequest: unknown call")
        if call in _READING | _WRITING:
            file_id = arguments.get("fileId", "")
            if self.store.get_file(file_id) is None or not self._reaches(account, file_id):
                raise Refused(404, "notFound: no such file for this account")
            if call in _WRITING and not self._reaches(account, file_id, writing=True):
                raise Refused(403, "insufficientFilePermissions")
        if call == ("files", "create"):
            for parent in arguments.get("body", {}).get("parents", []):
                if parent != "root" and not self._reaches(account, parent, writing=True):
                    raise Refused(404, "notFound: no such folder for this account")
        held = sum(len(file.content) for file in self.store.files.values())
        if held + len(media or b"") > MAX_STORE_BYTES:
            raise Refused(403, "storageQuotaExceeded")

    def _reaches(self, account: str, file_id: str, *, writing: bool = False) -> bool:
        """Whether `account` owns the file or one of its folders, or was given it (to write)."""
        if not writing:
            return _check_file_access(self.store, file_id, account)
        file = self.store.get_file(file_id)
        if file is None:
            return False
        given = any(
            permission.emailAddress == account and permission.role in ("owner", "writer")
            for permission in self.store.get_permissions(file_id)
        )
        return given or any(self._reaches(account, parent, writing=True) for parent in file.parents)


def create_app(accounts: Mapping[str, str]) -> FastAPI:
    """The drive as a web service; `accounts` maps a token to an account's e-mail address."""
    drive = Drive()
    app = FastAPI(title="drive", docs_url=None, redoc_url=None, openapi_url=None)

    def account_of(request: Request) -> str:
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        for token, account in accounts.items():
            if secrets.compare_digest(shown.encode(), token.encode()):
                return account
        raise Refused(401, "authError: unknown token")

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"error": error.reason}, status_code=error.status)

    @app.get("/ready")
    def ready() -> dict:
        return {}

    @app.get("/everything")
    def everything(request: Request) -> list[dict]:
        if account_of(request) != OPERATOR:
            raise Refused(403, "insufficientFilePermissions")
        return drive.everything()

    @app.post("/call")
    async def call(request: Request) -> JSONResponse:
        account = account_of(request)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_REQUEST_BYTES:
                raise Refused(413, "tooLarge")
        try:
            asked = json.loads(body)
            media = None if asked["media"] is None else base64.b64decode(asked["media"], validate=True)
            answer = drive.call(account, asked["resource"], asked["method"], dict(asked["arguments"]), media)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Refused(400, "badRequest: a call, its arguments and media were expected") from error
        if isinstance(answer, bytes):
            answer = {"media": base64.b64encode(answer).decode()}
        return JSONResponse(answer)

    return app


def start_drive(accounts: Mapping[str, str]) -> ServerProcess:
    """Start the drive as a process; `accounts` maps a token to an e-mail address (or to `OPERATOR`)."""
    return start_server(
        ["-m", "course_lib.remote.drive"],
        name="drive",
        ready_path="/ready",
        env={ACCOUNTS: json.dumps(dict(accounts))},
    )


class _Media:
    """An upload, in the form that PySyft's mock reads."""

    def __init__(self, content: bytes):
        self._content = content

    def size(self) -> int:
        return len(self._content)

    def getbytes(self, start: int, length: int) -> bytes:
        return self._content[start : start + length]


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    exit_with_parent()
    parser = argparse.ArgumentParser(prog="python -m course_lib.remote.drive")
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    try:
        accounts = json.loads(os.environ.pop(ACCOUNTS, "{}"))
        require_free(port, "drive")
    except (ValueError, RuntimeError) as error:
        parser.error(str(error))
    uvicorn.run(create_app(accounts), host=HOST, port=port, server_header=False, log_level="warning")


if __name__ == "__main__":
    main()
