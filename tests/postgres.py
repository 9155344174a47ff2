"""A PostgreSQL server on this machine, for tests alone: a cluster in a temporary folder."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from course_lib.processes import free_port
from system_parts import do_without

SECONDS_TO_START = 60


@contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL; yield the address of an empty database, with its password, as SQLAlchemy names it."""
    programs, user, port, password = _programs(), _user(), free_port(), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="course-postgres-") as folder:
        os.chmod(folder, 0o700)
        if user is not None:
            shutil.chown(folder, user)
        data, password_file = Path(folder, "data"), Path(folder, "password")
        password_file.write_text(password)
        if user is not None:
            shutil.chown(password_file, user)
        initdb = [programs / "initdb", "--pgdata", data, "--username=course", "--auth=scram-sha-256"]
        initdb += [f"--pwfile={password_file}", "--encoding=UTF8", "--no-sync", "--locale=C"]
        subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"],
            user=user,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_ready(server, port, password)
            yield f"postgresql://course:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # "fast shutdown": open connections are closed
            server.wait(timeout=20)


def _programs() -> Path:
    """Where PostgreSQL's programs lie; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else do_without("PostgreSQL, which is not installed here")


def _user() -> str | None:
    """Whom to be for PostgreSQL, which refuses to run as root; None to stay who we are."""
    if os.geteuid():
        return None
    import pwd  # Windows has none, and no root either

    return next(
        name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()}
    )


def _wait_until_ready(server: subprocess.Popen, port: int, password: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        assert server.poll() is None, "PostgreSQL ended before it answered"
        try:
            place = {"host": "127.0.0.1", "port": port, "dbname": "postgres"}
            psycopg2.connect(user="course", password=password, **place).close()
            return
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline, f"PostgreSQL did not answer in {SECONDS_TO_START} seconds"
            time.sleep(0.05)
