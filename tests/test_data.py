"""The data sets are what their cards say, and a damaged file is told in a sentence that helps."""

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from course_lib import data
from course_lib.data import integrity, mnist, pate_votes, wine_quality
from course_lib.i18n import use_language

IMAGES = "mnist/t10k-images-idx3-ubyte.gz"
WINE = "wine-quality/winequality-red.csv"

# Published by LeCun, Cortes and Burges, and by everyone who mirrored the four files since.
MD5_OF_THE_ORIGINALS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.fixture(autouse=True)
def english():
    with use_language("en"):
        yield


@pytest.fixture
def copied(monkeypatch, tmp_path):
    """A copy of the data folder that a test may damage, inside a copy of the repository."""
    folder = tmp_path / "data"
    shutil.copytree(data.DATA_FOLDER, folder)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(integrity, "DATA_FOLDER", folder)
    return folder


def card(dataset):
    return (data.DATA_FOLDER / dataset / "CARD.md").read_text(encoding="utf-8")


def test_mnist_is_what_keras_returns():
    train, test = mnist.load_data("mnist.npz")
    for (images, labels), count in ((train, 60_000), (test, 10_000)):
        assert (images.shape, images.dtype) == ((count, 28, 28), np.uint8)
        assert (labels.shape, labels.dtype) == ((count,), np.uint8)
        assert images.flags.writeable and labels.flags.writeable and images.flags.c_contiguous
    assert isinstance((train, test), tuple) and isinstance(train, tuple)
    assert train[1][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test[1][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert train[0].max() == 255 and train[0].min() == 0


def test_two_calls_share_no_array():
    (first, _labels), _test = mnist.load_data()
    first[:] = 7
    (second, _labels), _test = mnist.load_data()
    assert second[0, 0, 0] == 0


@pytest.mark.parametrize(("name", "digest"), MD5_OF_THE_ORIGINALS.items())
def test_mnist_files_are_the_original_ones(name, digest):
    content = gzip.decompress((data.DATA_FOLDER / "mnist" / f"{name}.gz").read_bytes())
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == digest
    assert digest in card("mnist")


def test_wine_has_ucis_rows_names_and_order():
    wine = wine_quality.load_data()
    assert wine.shape == (1599, 12)
    assert wine.columns.tolist() == [
        "fixed acidity",
        "volatile acidity",
        "citric acid",
        "residual sugar",
        "chlorides",
        "free sulfur dioxide",
        "total sulfur dioxide",
        "density",
        "pH",
        "sulphates",
        "alcohol",
        "quality",
    ]
    assert set(wine.dtypes[:-1].astype(str)) == {"float64"} and str(wine.dtypes["quality"]) == "int64"
    assert wine.iloc[0].tolist() == [7.4, 0.7, 0.0, 1.9, 0.076, 11.0, 34.0, 0.9978, 3.51, 0.56, 9.4, 5]
    assert wine.iloc[-1].tolist() == [6.0, 0.31, 0.47, 3.6, 0.067, 18.0, 42.0, 0.99549, 3.39, 0.66, 11.0, 6]


def test_the_wine_card_counts_right():
    wine, text = wine_quality.load_data(), card("wine-quality")
    assert f"{wine.duplicated().sum()} rows repeat an earlier one" in text
    assert f"{len(wine.drop_duplicates()):,} different rows" in text
    for quality, count in wine["quality"].value_counts().items():
        assert re.search(rf"^\| {quality} \| {count} \|$", text, flags=re.M), quality
    assert wine.isna().sum().sum() == 0


def test_the_mnist_card_counts_right():
    (_, y_train), (_, y_test) = mnist.load_data()
    for digit, (train, test) in enumerate(zip(np.bincount(y_train), np.bincount(y_test), strict=True)):
        assert f"| {digit} | {train:,} | {test:,} |" in card("mnist")


@pytest.mark.parametrize("teachers", [100, 250])
def test_the_card_of_votes_counts_right(teachers):
    (_, _), (_, y_test) = mnist.load_data()
    votes = pate_votes.load_data(teachers=teachers)
    assert votes.shape == (10000, 10) and (votes.sum(axis=1) == teachers).all()
    right, most = votes[np.arange(10000), y_test].mean() / teachers, (votes.argmax(axis=1) == y_test).mean()
    agree = (votes.max(axis=1) >= 0.8 * teachers).mean()
    assert f"| {teachers} | {right:.1%} | {most:.1%} | {agree:.0%} |" in card("pate-votes")


def test_votes_of_another_ensemble_are_refused():
    with pytest.raises(ValueError, match="these numbers of teachers: 100, 250; those of 50 were asked for"):
        pate_votes.load_data(teachers=50)


@pytest.mark.parametrize("name", integrity._FILES)
def test_cards_and_list_agree_on_every_checksum(name):
    content = (data.DATA_FOLDER / name).read_bytes()
    expected = integrity._FILES[name]
    assert (len(content), hashlib.sha256(content).hexdigest()) == (expected["bytes"], expected["sha256"])
    assert expected["sha256"] in card(name.split("/")[0]) and Path(name).name in card(name.split("/")[0])


def test_every_file_in_the_data_folder_has_a_checksum_or_is_its_description():
    for path in data.DATA_FOLDER.rglob("*"):
        name = path.relative_to(data.DATA_FOLDER).as_posix()
        assert path.is_dir() or path.name in ("README.md", "CARD.md") or name in integrity._FILES, name


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def turn_into_a_folder(path):
    """Make the file unreadable, even by root, with nothing but its size left as expected."""
    path.unlink()
    path.mkdir()
    integrity._FILES[path.relative_to(integrity.DATA_FOLDER).as_posix()]["bytes"] = path.stat().st_size


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "has 1000 bytes where .* were expected"),
        (lambda path: path.write_bytes(b""), "has 0 bytes where .* were expected"),
        (flip_a_bit, "was altered, its SHA-256"),
        (turn_into_a_folder, "cannot be read"),
    ],
)
@pytest.mark.parametrize(("name", "load"), [(IMAGES, mnist.load_data), (WINE, wine_quality.load_data)])
def test_a_damaged_file_is_named_with_what_mends_it(monkeypatch, copied, name, load, damage, told):
    monkeypatch.setattr(integrity, "_FILES", json.loads(json.dumps(integrity._FILES)))
    damage(copied / name)
    with pytest.raises(data.DataError) as raised:
        load()
    sentence = str(raised.value)
    assert re.search(told, sentence) and str(copied / name) in sentence
    assert f"`git restore data/{name}`" in sentence and "\n" not in sentence
    dataset = name.split("/")[0]
    assert data.verify(dataset) == [sentence]
    assert not any(data.verify(other) for other in data.DATASETS if other != dataset)


def test_without_the_repository_the_message_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(integrity, "DATA_FOLDER", tmp_path / "data")
    with pytest.raises(data.DataError, match="not with the installed package, so clone"):
        wine_quality.load_data()


def test_an_unknown_data_set_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="mnist, pate-votes, wine-quality was expected, not '../mnist'"):
        data.verify("../mnist")
