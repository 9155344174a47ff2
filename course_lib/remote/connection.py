"""A party's way to the drive: PySyft's own connection, with its calls sent over HTTP.

`join` makes the PySyft client of one party. PySyft 0.10 has no public function for a client without
Google's servers, so this uses what it prepares its own tests with (names that begin with an underscore):
the version in `requirements.txt` is the one it was written for.
"""

import base64
from pathlib import Path

import httpx
from googleapiclient.errors import HttpError
from syft.sync.connections.drive.gdrive_transport import GDriveConnection
from syft.sync.connections.drive.mock_drive_service import MockBatchHttpRequest, MockDriveService
from syft_rds import SyftRDSClient
from syft_rds.config import SyftRDSClientConfig

SECONDS_TO_ANSWER = 30


def join(email: str, *, owner: bool, url: str, token: str, folder: Path, encryption: bool) -> SyftRDSClient:
    """The PySyft client of `email` on the drive at `url`; its files lie in `folder`.

    `owner` says whether this party owns data (a hospital) or asks about them (a researcher). With
    `encryption`, what the two send each other is encrypted and signed from end to end.
    """
    config = SyftRDSClientConfig._base_config_for_testing(
        email=email,
        syftbox_folder=folder,
        write_files=True,
        has_do_role=owner,
        has_ds_role=not owner,
        use_in_memory_cache=False,
    )
    config.sync.peer_manager_config.use_encryption = encryption
    client = SyftRDSClient.from_config(config)
    engine = client.sync_engine
    engine._add_connection(DriveConnection.open(email, DriveService(url, token)))
    if owner:
        engine.datasite_owner_syncer.event_cache.add_callback(
            "on_event_local_write", engine.job_file_change_handler._handle_file_change
        )
    else:
        engine.file_writer.add_callback("write_file", engine.datasite_watcher_syncer.on_file_change)
    engine.peer_manager.write_own_version()
    return client


class DriveService(MockDriveService):
    """The part of Google Drive's client that PySyft calls; each call goes to the drive's process."""

    def __init__(self, url: str, token: str):
        self._url = url
        # A proxy that the environment names has no business between us and our own machine.
        self._http = httpx.Client(
            base_url=url,
            timeout=SECONDS_TO_ANSWER,
            trust_env=False,
            headers={"Authorization": f"Bearer {token}"},
        )

    def files(self) -> "_Resource":
        return _Resource(self, "files", ("list", "create", "update", "delete", "get", "get_media"))

    def permissions(self) -> "_Resource":
        return _Resource(self, "permissions", ("create", "list"))

    def about(self) -> "_Resource":
        return _Resource(self, "about", ("get",))

    def new_batch_http_request(self, callback=None) -> MockBatchHttpRequest:
        return MockBatchHttpRequest(callback=callback)

    def post(self, call: dict):
        """The drive's answer to one call; HttpError, as Google's own client raises, where it refuses."""
        answer = self._http.post("/call", json=call)
        if answer.is_error:
            status = {"status": str(answer.status_code), "reason": answer.reason_phrase}
            raise HttpError(_Response(status, status=answer.status_code), answer.content, uri=self._url)
        return answer.json()


class DriveConnection(GDriveConnection):
    """PySyft's connection to Google Drive, on our drive."""

    @classmethod
    def open(cls, email: str, service: DriveService) -> "DriveConnection":
        connection = cls(email=email, token_path=None)
        connection.setup(drive_service=service)
        return connection

    def copy(self) -> "DriveConnection":
        """Another connection for another thread; httpx's client serves several threads at once."""
        connection = type(self)(email=self.email, token_path=None)
        connection.setup(drive_service=self.drive_service, warm_syftbox_folder_id_cache=False)
        self._copy_caches_to(connection)
        return connection


class _Resource:
    def __init__(self, service: DriveService, name: str, methods: tuple[str, ...]):
        for method in methods:
            setattr(self, method, _Method(service, name, method))


class _Method:
    def __init__(self, service: DriveService, resource: str, method: str):
        self._service, self._resource, self._method = service, resource, method

    def __call__(self, *, media_body=None, **arguments) -> "_Request":
        media = None if media_body is None else media_body.getbytes(0, media_body.size())
        return _Request(
            self._service,
            {
                "resource": self._resource,
                "method": self._method,
                "arguments": arguments,
                "media": None if media is None else base64.b64encode(media).decode(),
            },
        )


class _Request:
    """A call that was not made yet; Google's downloader asks it for `http`, `uri` and `headers`."""

    def __init__(self, service: DriveService, call: dict):
        self._service, self._call = service, call
        self.http, self.uri, self.headers = self, "drive:", {}

    def execute(self):
        answer = self._service.post(self._call)
        if self._call["method"] == "get_media":
            return base64.b64decode(answer["media"])
        return answer

    def request(self, _uri: str, method: str = "GET", **_settings) -> tuple["_Response", bytes]:
        content = self.execute()
        length = len(content)
        return _Response({"content-range": f"bytes 0-{max(length - 1, 0)}/{length}"}, status=200), content


class _Response(dict):
    """What httplib2 calls a response: a dict of headers with a status."""

    def __init__(self, headers: dict, *, status: int):
        super().__init__(headers)
        self.status, self.reason = status, headers.get("reason", "")
