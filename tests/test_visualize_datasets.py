"""Data sets under one form, and splits that are stratified, the same for the same seed, and leak nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data import DataError, covertype
from course_lib.i18n import use_language
from course_lib.visualize.datasets import DATASETS, Dataset, DatasetError, load, split
from course_lib.visualize.names import shown


def made(target, features=None) -> Dataset:
    target = np.asarray(target)
    if features is None:
        features = np.arange(2 * len(target), dtype=np.float32).reshape(-1, 2)
    names = tuple(f"class {place}" for place in range(target.max() + 1))
    return Dataset("made", "made", features, target, ("a", "b"), names, own=True)


@pytest.mark.parametrize("name, rows, features, classes", [("iris", 150, 4, 3), ("wine", 178, 13, 3)])
def test_bundled_data_sets(name, rows, features, classes):
    found = load(name)
    assert found.key == name and found.features.shape == (rows, features)
    assert found.features.dtype == np.float32 and found.target.dtype == np.int64
    assert len(set(found.feature_names)) == features
    assert sorted(set(found.target)) == list(range(classes)) and len(found.class_names) == classes
    with use_language("en"):
        assert found.shown_label() == DATASETS[name]
        assert len(set(found.shown_features())) == features and len(set(found.shown_classes())) == classes


def test_names_of_every_course_data_set_are_told_apart_in_english():
    with use_language("en"):
        names = [shown(name) for name in (*covertype.FEATURE_NAMES, *covertype.CLASS_NAMES)]
    assert len(set(names)) == 54 + 7
    assert "_" not in "".join(names)


def test_an_own_files_names_are_not_translated():
    own = Dataset("csv-1", "alcohol", np.zeros((2, 1)), np.array([0, 1]), ("hue",), ("setosa", "b"), own=True)
    assert (own.shown_label(), own.shown_features(), own.shown_classes()) == (
        "alcohol",
        ["hue"],
        ["setosa", "b"],
    )


def test_an_unknown_data_set_is_refused_with_those_that_there_are():
    with pytest.raises(DatasetError, match="iris, wine, covertype was expected, not 'mars'"):
        load("mars")


def test_without_covertype_the_others_work(monkeypatch, tmp_path):
    monkeypatch.setenv(covertype.VARIABLE, str(tmp_path / "nothing.gz"))
    with pytest.raises(DataError, match="nothing.gz"):
        load("covertype")
    assert len(load("iris").target) == 150


@settings(deadline=None)
@given(sizes=st.lists(st.integers(4, 60), min_size=2, max_size=12), seed=st.integers(0, 50))
def test_a_split_is_stratified_complete_and_repeatable(sizes, seed):
    dataset = made(np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes)))
    parts = split(dataset, seed=seed)
    rows = np.concatenate([parts.train_rows, parts.test_rows])
    assert sorted(rows) == list(range(sum(sizes)))
    assert len(parts.test_rows) == int(np.ceil(0.33 * sum(sizes)))
    for codes in (parts.y_train, parts.y_test):
        assert np.bincount(codes, minlength=len(sizes)).min() >= 1
    assert np.abs(np.bincount(parts.y_test) - 0.33 * np.array(sizes)).max() < 2
    np.testing.assert_array_equal(parts.x_test, dataset.features[parts.test_rows])
    np.testing.assert_array_equal(parts.test_rows, split(dataset, seed=seed).test_rows)


def test_another_seed_is_another_split():
    assert (split(load("iris"), seed=0).test_rows != split(load("iris"), seed=1).test_rows).any()


def test_missing_values_are_filled_from_training_rows_alone():
    features = np.ones((40, 2), np.float32)
    target = np.tile([0, 1], 20)
    plain = split(made(target, features))
    features[plain.test_rows, 0] = 1000  # if these were looked at, the median would move
    features[plain.train_rows[:3], 0] = np.nan
    features[plain.test_rows[:3], 0] = np.nan
    filled = split(made(target, features))
    assert not np.isnan(filled.x_train).any() and not np.isnan(filled.x_test).any()
    assert (filled.x_test[:3, 0] == 1).all() and (filled.x_train[:, 0] == 1).all()
    assert filled.x_train.dtype == np.float32


@pytest.mark.parametrize("target", [[0, 1], [0, 0, 0, 0, 0, 1], list(range(10)) * 2, [0, 1, 2]])
def test_too_few_rows_are_refused_in_a_sentence(target):
    with pytest.raises(DatasetError, match="too few"):
        split(made(target))


def test_shared_arrays_cannot_be_written_to():
    parts = split(load("iris"))
    for array in (parts.dataset.features, parts.dataset.target, parts.x_train, parts.y_test):
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0
