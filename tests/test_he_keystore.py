"""The key store: one file for each key id, and no file is touched for an id that is none."""

import hashlib
import os
import threading
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from course_lib.he.keystore import KeyStore, KeyStoreError, UnknownKeyId

KEYS = b"public keys" * 1000
KEY_ID = hashlib.sha256(KEYS).hexdigest()
OTHER_ID = hashlib.sha256(b"other").hexdigest()

MALFORMED_IDS = [
    "",
    "../secrets",
    "../" + KEY_ID,
    "a/../" + KEY_ID,
    "/" + KEY_ID[1:],
    "..%2f" + KEY_ID[5:],
    "/etc/passwd",
    "C:\\keys",
    KEY_ID[:-1],
    KEY_ID + "0",
    KEY_ID + "\n",
    " " + KEY_ID[1:],
    KEY_ID[:-1] + "\0",
    KEY_ID[:-1] + "g",
    KEY_ID[:-1] + "١",
    "A" * 64,
    "*" * 64,
    None,
    5,
    KEY_ID.encode(),
    Path(KEY_ID),
]


class SpyFileSystem(MemoryFileSystem):
    """A file system in memory that notes each use of it."""

    protocol = "spy"
    store, pseudo_dirs = {}, [""]
    touched = []

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if callable(value) and not name.startswith("_"):
            type(self).touched.append(name)
        return value


@pytest.fixture
def spied():
    fsspec.register_implementation("spy", SpyFileSystem, clobber=True)
    store = KeyStore("spy://keys")
    SpyFileSystem.touched.clear()
    return store


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    if request.param == "local":
        return KeyStore(str(tmp_path / "keys"))
    MemoryFileSystem.store.clear()
    return KeyStore("memory://keys")


def test_keys_come_back_as_they_were(store):
    assert store.key_ids() == []
    store.put(KEY_ID, KEYS)
    store.put(KEY_ID, KEYS)
    assert store.get(KEY_ID) == KEYS
    assert KEY_ID in store
    assert store.key_ids() == [KEY_ID]


def test_deleted_keys_are_gone(store):
    store.put(KEY_ID, KEYS)
    store.delete(KEY_ID)
    assert KEY_ID not in store
    assert store.key_ids() == []
    for ask in (store.get, store.delete):
        with pytest.raises(UnknownKeyId, match=f"^No public keys .* {KEY_ID}.$"):
            ask(KEY_ID)


def test_an_unknown_id_is_a_key_error(store):
    assert OTHER_ID not in store
    with pytest.raises(KeyError):
        store.get(OTHER_ID)


def test_keys_under_another_digest_are_refused(store):
    with pytest.raises(ValueError, match=f"{OTHER_ID}.*{KEY_ID}"):
        store.put(OTHER_ID, KEYS)
    assert store.key_ids() == []


@pytest.mark.parametrize("key_id", MALFORMED_IDS, ids=repr)
def test_a_malformed_id_touches_no_file(spied, key_id):
    uses = [spied.get, spied.delete, spied.__contains__, lambda key_id: spied.put(key_id, KEYS)]
    for use in uses:
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            use(key_id)
    assert SpyFileSystem.touched == []


def test_the_spy_sees_what_a_good_id_touches(spied):
    spied.put(KEY_ID, KEYS)
    assert "pipe_file" in SpyFileSystem.touched


def test_a_deletion_by_another_process_is_seen_at_once(tmp_path):
    ours, theirs = KeyStore(str(tmp_path)), KeyStore(str(tmp_path))
    ours.put(KEY_ID, KEYS)
    assert ours.key_ids() == [KEY_ID]
    theirs.delete(KEY_ID)
    assert KEY_ID not in ours


def test_the_folder_is_its_owners_alone(tmp_path):
    if os.name != "posix":
        pytest.skip("Permissions of this kind are POSIX's.")
    KeyStore(str(tmp_path / "keys")).put(KEY_ID, KEYS)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_what_could_not_be_written_whole_is_not_there(tmp_path, monkeypatch):
    store = KeyStore(str(tmp_path))

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(KeyStoreError):
        store.put(KEY_ID, KEYS)
    assert KEY_ID not in store
    assert list(tmp_path.iterdir()) == []


def test_readers_see_whole_files_while_others_write(tmp_path):
    store = KeyStore(str(tmp_path))
    keys = os.urandom(2 << 20)
    key_id = hashlib.sha256(keys).hexdigest()
    store.put(key_id, keys)
    writer = threading.Thread(target=lambda: [store.put(key_id, keys) for _round in range(30)])
    writer.start()
    while writer.is_alive():
        store.get(key_id)  # raises where the digest is not right
    writer.join()


def test_altered_keys_are_not_given_out(tmp_path):
    store = KeyStore(str(tmp_path))
    store.put(KEY_ID, KEYS)
    (tmp_path / KEY_ID).write_bytes(b"something else")
    with pytest.raises(KeyStoreError):
        store.get(KEY_ID)


def test_only_key_ids_are_listed(tmp_path):
    store = KeyStore(str(tmp_path))
    store.put(KEY_ID, KEYS)
    (tmp_path / "README").write_text("hello")
    assert store.key_ids() == [KEY_ID]


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "keys").write_text("no folder")
    store = KeyStore(str(tmp_path / "keys"))
    for use in (store.get, store.delete, store.__contains__, lambda key_id: store.put(key_id, KEYS)):
        with pytest.raises(KeyStoreError, match=r"^The key store can't be used \(\w+\)\.$"):
            use(KEY_ID)
    with pytest.raises(KeyStoreError, match="NotADirectoryError"):
        store.key_ids()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("nonsense://user:password@host", r"can't be used \(ValueError\)"), ("s3://bucket", "Install s3fs")],
)
def test_a_store_that_fsspec_can_not_open(url, sentence):
    with pytest.raises(KeyStoreError, match=sentence) as error:
        KeyStore(url)
    assert "password" not in str(error.value)


def test_a_path_with_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    KeyStore("~/keys").put(KEY_ID, KEYS)
    assert (tmp_path / "keys" / KEY_ID).read_bytes() == KEYS
