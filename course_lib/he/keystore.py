"""Where public keys lie: one file for each key id, on any file system that fsspec knows.

Promises that a key id is 64 hexadecimal digits before any file is touched, that what lies under it
has that SHA-256, and that a half-written file is never read. Public keys open nothing, yet whoever
knows a key id may delete its keys: put a login in front where strangers can reach the service.
Leaves out quotas and expiry.

Passwords of a remote store never stand in its URL: fsspec takes them from its configuration files or
from the environment, for example FSSPEC_ABFS_CONNECTION_STRING for abfs://.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec.core
from fsspec.implementations.local import LocalFileSystem

from course_lib.i18n import _

_KEY_ID = re.compile("[0-9a-f]{64}")


class UnknownKeyId(KeyError):
    """No keys lie under this key id: they were never uploaded, or were deleted."""

    def __init__(self, key_id: str):
        super().__init__(_("No public keys are stored under the key id {key_id}.").format(key_id=key_id))

    def __str__(self) -> str:
        return self.args[0]  # KeyError would show it in quotes


class KeyStoreError(OSError):
    """The file system behind the key store does not do what it should; its cause says why."""


def check_key_id(key_id: str) -> None:
    """Raise ValueError unless `key_id` is 64 hexadecimal digits in lower case.

    >>> check_key_id("../secrets")
    Traceback (most recent call last):
    ValueError: A key id of 64 hexadecimal digits (0-9, a-f) was expected, but 10 other characters came.
    """
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise ValueError(
            _(
                "A key id of 64 hexadecimal digits (0-9, a-f) was expected, but {size} other characters came."
            ).format(size=len(str(key_id)))
        )


class KeyStore:
    """Public keys in the folder `url`: a path, or any fsspec URL, such as abfs://container/folder.

    A local folder that is not there yet is made, readable by its owner alone; a cloud's container or
    bucket has to be there. Every method raises ValueError for a malformed key id, and KeyStoreError
    where the file system can't be used.

    >>> store = KeyStore("memory://example")
    >>> key_id = hashlib.sha256(b"keys").hexdigest()
    >>> store.put(key_id, b"keys")
    >>> store.get(key_id), key_id in store, store.key_ids() == [key_id]
    (b'keys', True, True)
    >>> store.delete(key_id)
    >>> key_id in store
    False
    """

    def __init__(self, url: str):
        try:
            self._files, folder = fsspec.core.url_to_fs(os.fspath(url))
        except ImportError as error:
            raise KeyStoreError(
                _("The key store needs a package that is not installed: {reason}").format(reason=error)
            ) from error
        except Exception as error:  # each fsspec driver has its own kinds of errors
            raise KeyStoreError(_reason(error)) from error
        self._folder = folder.rstrip("/")

    def put(self, key_id: str, public_keys: bytes) -> None:
        """Store keys under their SHA-256; ValueError where that is not `key_id`."""
        check_key_id(key_id)
        check_digest(key_id, public_keys)
        with self._reaching(key_id):
            if isinstance(self._files, LocalFileSystem):
                _write_atomically(Path(self._folder), key_id, public_keys)
            else:
                self._files.makedirs(self._folder, exist_ok=True)
                self._files.pipe_file(self._path(key_id), public_keys)  # object stores show whole files only

    def get(self, key_id: str) -> bytes:
        """The keys; UnknownKeyId where there are none."""
        check_key_id(key_id)
        with self._reaching(key_id):
            public_keys = self._files.cat_file(self._path(key_id))
        try:
            check_digest(key_id, public_keys)
        except ValueError as error:
            raise KeyStoreError(_reason(error)) from error
        return public_keys

    def delete(self, key_id: str) -> None:
        """Remove the keys; UnknownKeyId where there are none."""
        check_key_id(key_id)
        with self._reaching(key_id):
            self._files.rm_file(self._path(key_id))

    def __contains__(self, key_id: str) -> bool:
        check_key_id(key_id)
        try:
            with self._reaching(key_id):
                self._files.invalidate_cache()  # another process may have deleted them a moment ago
                return self._files.info(self._path(key_id))["type"] == "file"
        except UnknownKeyId:
            return False

    def key_ids(self) -> list[str]:
        """The ids of all stored keys, sorted."""
        try:
            with self._reaching(""):
                self._files.invalidate_cache()
                if self._files.isfile(self._folder):
                    raise NotADirectoryError(self._folder)
                paths = self._files.ls(self._folder, detail=False)
        except UnknownKeyId:  # the folder is made by the first `put`
            return []
        names = (path.rstrip("/").rsplit("/", 1)[-1] for path in paths)
        return sorted(name for name in names if _KEY_ID.fullmatch(name))

    def _path(self, key_id: str) -> str:
        return f"{self._folder}/{key_id}"

    @contextlib.contextmanager
    def _reaching(self, key_id: str) -> Iterator[None]:
        """Turn what a driver raises into one of our two errors."""
        try:
            yield
        except FileNotFoundError as error:
            raise UnknownKeyId(key_id) from error
        except Exception as error:  # each fsspec driver has its own kinds of errors
            raise KeyStoreError(_reason(error)) from error


def check_digest(key_id: str, public_keys: bytes) -> None:
    """Raise ValueError unless `key_id` is the SHA-256 of the keys."""
    digest = hashlib.sha256(public_keys).hexdigest()
    if digest != key_id:
        raise ValueError(
            _(
                "The key id {key_id} is not the SHA-256 of the {size} bytes that came: that is {digest}."
            ).format(key_id=key_id, size=len(public_keys), digest=digest)
        )


def _reason(error: Exception) -> str:
    # Only the kind of error: a driver's own words may hold an address with a password in it.
    return _("The key store can't be used ({kind}).").format(kind=type(error).__name__)


def _write_atomically(folder: Path, name: str, content: bytes) -> None:
    """Write `folder/name` so that a reader finds all of it or nothing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as incoming:
        written = Path(incoming, name)
        written.write_bytes(content)
        written.replace(folder / name)
