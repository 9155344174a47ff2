"""A storage account on this machine: Azurite, Microsoft's emulator of its blob store, for tests alone."""

import base64
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course_lib.processes import free_port
from system_parts import require

SECONDS_TO_START = 60


@contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """Run Azurite with its files in `folder`; yield how to reach its account ``course``."""
    program, port = require("azurite-blob"), free_port()
    account_key = base64.b64encode(secrets.token_bytes(32)).decode()
    process = subprocess.Popen(
        [
            *(program, "--blobHost", "127.0.0.1", "--blobPort", str(port)),
            *("--location", str(folder)),
            *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        ],
        env=os.environ | {"AZURITE_ACCOUNTS": f"course:{account_key}"},
    )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not _answers(port):
            assert process.poll() is None, "azurite-blob ended before it answered"
            assert time.monotonic() < deadline, f"azurite-blob did not answer in {SECONDS_TO_START} seconds"
            time.sleep(0.05)
        yield (
            f"DefaultEndpointsProtocol=http;AccountName=course;AccountKey={account_key};"
            f"BlobEndpoint=http://127.0.0.1:{port}/course;"
        )
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
