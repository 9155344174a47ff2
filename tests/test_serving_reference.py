"""The yardstick for drift: exact, kept whole, and honest about false alarms."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import serving_parts
from course_lib.serving.drift import SlidingWindow
from course_lib.serving.reference import FeatureReference, Reference
from serving_parts import WINES, X_TEST, X_TRAIN

reference = serving_parts.reference


def test_distances_are_scipys_kolmogorov_smirnov_statistic(reference):
    for seed in range(5):
        sample = WINES.sample(200, random_state=seed)
        for name, distance in reference.distances(sample.to_numpy()).items():
            expected = stats.ks_2samp(X_TRAIN[name], sample[name], method="asymp").statistic
            assert distance == pytest.approx(expected, abs=1e-12)


def test_a_distance_by_hand():
    feature = FeatureReference(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 1]))
    assert feature.distance(np.array([1.0, 2.0, 3.0, 4.0])) == 0
    assert feature.distance(np.array([3.0, 3.5, 4.0, 4.0])) == 0.5  # at 2: half of one, none of the other
    assert feature.distance(np.array([9.0])) == feature.distance(np.array([-9.0])) == 1


def test_one_absurd_value_moves_a_distance_by_no_more_than_its_share(reference):
    sample = WINES.sample(200, random_state=1).to_numpy()
    before = reference.distances(sample)
    sample[0] = 1e6
    after = reference.distances(sample)
    assert all(abs(after[name] - before[name]) <= 1 / 200 + 1e-12 for name in before)


def test_about_one_normal_window_in_a_hundred_raises_an_alarm(reference):
    random, alarms, windows = np.random.default_rng(seed=11), 0, 400
    for _window in range(windows):
        order = random.permutation(len(WINES))
        training, newest = WINES.iloc[order[:1000]], WINES.iloc[order[1000:1200]]
        gaps = [stats.ks_2samp(training[name], newest[name], method="asymp").statistic for name in WINES]
        alarms += max(gaps) > reference.threshold
    # 1 in 100 was asked for: of 400 windows 4, and more than 12 once in 5,000 such tests.
    assert 0 < alarms <= 12


def test_other_rates_have_other_thresholds():
    often, seldom = (
        Reference.from_frame(X_TRAIN.iloc[:, :3], false_alarm_rate=rate).threshold for rate in (0.2, 0.01)
    )
    assert often < seldom
    assert Reference.from_frame(X_TRAIN.iloc[:, :3], window=50).threshold > seldom


def test_the_same_rows_make_the_same_reference(reference):
    assert Reference.from_frame(X_TRAIN).to_json() == reference.to_json()


def test_json_keeps_all_of_it_in_few_bytes(reference):
    text = reference.to_json()
    assert len(text) < 30_000
    again = Reference.from_json(text)
    assert again.to_json() == text and again.threshold == reference.threshold
    sample = X_TEST.head(200).to_numpy()
    assert again.distances(sample) == reference.distances(sample)


def test_no_row_of_training_can_be_read_from_it(reference):
    kept = json.loads(reference.to_json())["features"]
    assert all(entry["values"] == sorted(set(entry["values"])) for entry in kept.values())
    assert set(json.loads(reference.to_json())) == {"window", "false_alarm_rate", "threshold", "features"}


@pytest.mark.parametrize(
    "change",
    [
        {"window": 0},
        {"window": 10**9},
        {"threshold": "x"},
        {"threshold": 2},
        {"features": {}},
        {"features": {"pH": {"values": [1, 1], "counts": [1, 1]}}},
        {"features": {"pH": {"values": [2, 1], "counts": [1, 1]}}},
        {"features": {"pH": {"values": [1], "counts": [0]}}},
        {"features": {"pH": {"values": [1, 2], "counts": [1]}}},
        {"features": {"pH": {"values": [], "counts": []}}},
        {"features": {"pH": {"values": ["x"], "counts": [1]}}},
        {"features": {"pH": {"values": [float("nan")], "counts": [1]}}},
        {"features": {"pH": 5}},
        {"features": [1]},
    ],
    ids=str,
)
def test_what_is_no_reference_is_refused(reference, change):
    broken = json.dumps(json.loads(reference.to_json()) | change)
    with pytest.raises(ValueError, match=r"A reference of training data.*was expected\."):
        Reference.from_json(broken)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "5", '"x"', "[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match="A reference of training data"):
        Reference.from_json(text)


@pytest.mark.parametrize("rows", [WINES.head(0), WINES.head(3).assign(pH=float("nan"))], ids=["none", "NaN"])
def test_rows_that_teach_nothing_are_refused(rows):
    with pytest.raises(ValueError, match="finite numbers"):
        Reference.from_frame(rows)


@pytest.mark.parametrize(
    "sizes", [[1] * 450, [7] * 70, [199, 1, 1, 1], [200, 3], [1000], [1, 350, 2]], ids=str
)
def test_the_window_holds_the_newest_rows_however_they_come(reference, sizes):
    window, random, everything = SlidingWindow(reference), np.random.default_rng(seed=2), []
    for size in sizes:
        rows = WINES.iloc[random.integers(len(WINES), size=size)].to_numpy()
        predictions = random.random(size)
        window.add(rows, predictions)
        everything += zip(rows, predictions, strict=True)
    newest = everything[-200:]
    assert len(window) == len(newest)
    assert sorted(window.predictions()) == sorted(prediction for _row, prediction in newest)
    expected = (
        reference.distances(np.array([row for row, _prediction in newest])) if len(newest) == 200 else {}
    )
    assert window.distances() == expected


def test_a_window_that_is_not_full_says_nothing(reference):
    window = SlidingWindow(reference)
    window.add(X_TEST.head(199).to_numpy(), np.zeros(199))
    assert window.distances() == {}
    window.add(X_TEST.head(1).to_numpy(), np.zeros(1))
    assert set(window.distances()) == set(WINES)


def test_columns_are_compared_with_their_own_reference():
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [10.0, 11.0]})
    reference = Reference.from_frame(frame, window=2)
    assert reference.distances(np.array([[0.0, 0.0], [1.0, 0.0]])) == {"a": 0, "b": 1}
