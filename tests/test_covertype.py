"""Covertype: read from a file of its size and format, never from a wrong one, and no download that hangs."""

import gzip
import hashlib
import http.server
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn.datasets import _covtype

from benchmarks.made_covertype import ROWS_BY_CLASS, write_covertype
from course_lib.data import DataError, covertype
from course_lib.i18n import use_language
from course_lib.visualize import datasets


@pytest.fixture(autouse=True)
def english(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))
    monkeypatch.delenv(covertype.VARIABLE, raising=False)
    with use_language("en"):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_covertype(tmp_path_factory.mktemp("covertype") / "covtype.data.gz")


@pytest.fixture(scope="module")
def lines(made):
    return gzip.decompress(made.read_bytes()).splitlines(keepends=True)


def test_names_and_archive_are_scikit_learns():
    assert list(covertype.FEATURE_NAMES) == _covtype.FEATURE_NAMES
    archive = _covtype.ARCHIVE
    assert (archive.url, archive.checksum) == (covertype.ARCHIVE_URL, covertype.ARCHIVE_SHA256)


def test_the_file_named_by_the_environment_is_read(made, lines, monkeypatch):
    monkeypatch.setenv(covertype.VARIABLE, str(made))
    features, covers = covertype.load_data()
    assert (features.shape, features.dtype, covers.dtype) == ((581_012, 54), np.float32, np.int32)
    for row in (0, 1, 50_000, 581_011):
        assert [*features[row], covers[row]] == list(map(int, lines[row].split(b",")))
    assert np.bincount(covers)[1:].tolist() == list(ROWS_BY_CLASS)

    data = datasets.load("covertype")
    parts = datasets.split(data)
    assert (len(parts.y_test), len(parts.y_train)) == (191_734, 389_278)
    assert np.bincount(data.target).tolist() == list(ROWS_BY_CLASS) and len(data.class_names) == 7


def test_an_unpacked_file_is_read_too(made, tmp_path):
    plain = tmp_path / "covtype.data"
    plain.write_bytes(gzip.decompress(made.read_bytes()))
    np.testing.assert_array_equal(covertype.read_file(plain)[1], covertype.read_file(made)[1])


def damaged(lines: list[bytes], wrong: str) -> bytes:
    first = lines[0].strip().split(b",")
    return {
        "a row less": b"".join(lines[:-1]),
        "a row more": b"".join([*lines, lines[0]]),
        "a column less": b"".join(line.rpartition(b",")[0] + b"\n" for line in lines),
        "text": b"".join([b",".join([b"tall", *first[1:]]) + b"\n", *lines[1:]]),
        "an empty cell": b"".join([b",".join([b"", *first[1:]]) + b"\n", *lines[1:]]),
        "a flag of 2": b"".join([b",".join([*first[:10], b"2", *first[11:]]) + b"\n", *lines[1:]]),
        "an eighth class": b"".join([b",".join([*first[:-1], b"8"]) + b"\n", *lines[1:]]),
        "nothing": b"",
        "a page": b"<html>not found</html>\n",
    }[wrong]


@pytest.mark.parametrize(
    "wrong",
    [
        "a row less",
        "a row more",
        "a column less",
        "text",
        "an empty cell",
        "a flag of 2",
        "an eighth class",
        "nothing",
        "a page",
    ],
)
def test_another_table_is_refused(lines, wrong, tmp_path):
    path = tmp_path / "wrong.data"
    path.write_bytes(damaged(lines, wrong))
    with pytest.raises(DataError, match="581012 rows of 55 whole numbers.*wrong.data") as refusal:
        covertype.read_file(path)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_cut_off_or_missing_is_refused(made, tmp_path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(made.read_bytes()[:1_000_000])
    for path in (cut, tmp_path / "missing.gz", tmp_path):
        with pytest.raises(DataError, match="581012 rows"):
            covertype.read_file(path)


def test_what_scikit_learn_has_kept_is_used_and_damage_is_told(made, tmp_path):
    folder = tmp_path / "scikit_learn_data" / "covertype"
    folder.mkdir(parents=True)
    features, covers = covertype.read_file(made)
    joblib.dump(features[::-1].astype(float), folder / "samples_py3", compress=0)
    joblib.dump(covers[::-1], folder / "targets_py3", compress=0)
    kept, kept_covers = covertype.load_data()
    assert (kept[0] == features[-1]).all() and (kept_covers == covers[::-1]).all()
    assert kept.dtype == np.float32
    (folder / "samples_py3").write_bytes(b"damaged")
    with pytest.raises(DataError, match="581012 rows"):
        covertype.load_data()


class Archive(http.server.BaseHTTPRequestHandler):
    """Serves bytes whole, cut off, or one now and then."""

    content = b"something" * 1_000

    def do_GET(self):
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        if self.path == "/whole":
            self.wfile.write(self.content)
        elif self.path == "/cut":
            self.wfile.write(self.content[:100])
        elif self.path == "/trickle":  # never silent, and never done
            while not self.server.over.wait(0.1):
                self.wfile.write(b".")
                self.wfile.flush()

    def log_message(self, *words):
        """Nothing."""


@pytest.fixture
def archive():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


SHA256 = hashlib.sha256(b"another file").hexdigest()


def test_a_whole_download_lies_in_its_folder(archive, tmp_path):
    sha256 = hashlib.sha256(Archive.content).hexdigest()
    path = covertype.download(tmp_path / "new", url=f"{archive}/whole", sha256=sha256)
    assert path.read_bytes() == Archive.content
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["covtype.data.gz"]


@pytest.mark.parametrize(
    "page, words", [("whole", "SHA256"), ("cut", "retrieval incomplete|100 out of"), ("missing", "404")]
)
def test_a_download_that_breaks_leaves_nothing(archive, page, words, tmp_path):
    with pytest.raises(DataError, match=words) as refusal:
        covertype.download(tmp_path, url=f"{archive}/{page}", sha256=SHA256)
    assert "the other data sets work" in str(refusal.value) and "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_never_ends_is_ended(archive, tmp_path):
    start = time.monotonic()
    with pytest.raises(DataError, match="not done after 4 seconds"):
        covertype.download(tmp_path, url=f"{archive}/trickle", sha256=SHA256, seconds=4)
    assert time.monotonic() - start < 60  # a hang, and no timing: without the limit it would never end
    assert list(tmp_path.iterdir()) == []


def test_offline_is_told(tmp_path):
    with pytest.raises(DataError, match=f"could not be downloaded.*{covertype.VARIABLE}"):
        covertype.download(tmp_path, url="http://127.0.0.1:9/nobody", sha256=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_kept_archive_that_was_altered_is_fetched_anew(made, monkeypatch, tmp_path):
    monkeypatch.setattr(covertype, "ARCHIVE_SHA256", hashlib.sha256(made.read_bytes()).hexdigest())
    fetched = []

    def fetch(folder):
        fetched.append(folder)
        folder.joinpath("covtype.data.gz").write_bytes(made.read_bytes())

    monkeypatch.setattr(covertype, "download", fetch)
    folder = tmp_path / "scikit_learn_data" / "covertype"
    folder.mkdir(parents=True)
    (folder / "covtype.data.gz").write_bytes(b"altered")
    assert len(covertype.load_data()[1]) == covertype.ROWS
    assert len(covertype.load_data()[1]) == covertype.ROWS
    assert fetched == [folder]
