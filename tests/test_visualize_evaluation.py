"""What is said about a model: scikit-learn's numbers, intervals that hold, curves that keep their area."""

import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report, roc_auc_score, roc_curve
from sklearn.metrics import auc as area

from course_lib.i18n import use_language
from course_lib.visualize import evaluation as ev
from course_lib.visualize.datasets import Dataset, load, split
from course_lib.visualize.importance import permutation_importance
from course_lib.visualize.models import MODELS, Settings, settings_for
from course_lib.visualize.samples import PREDICTED, PROBABILITY, ROW, TRUE, WRONG, sample_rows, stratified
from course_lib.visualize.training import Stopped, train

SETTINGS = Settings("made", "decision_tree", None, 5)


def scores(classes: int, rows: int, seed: int, digits: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Classes and probabilities that know something about them; few `digits` make ties."""
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), random.integers(0, classes, rows - classes)])
    raw = random.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[y]
    probabilities = np.exp(raw).round(digits) + 10.0**-digits
    return y, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def wine():
    rows = split(load("wine"))
    trained = train(rows, settings_for(rows.dataset, "decision_tree", max_depth=2))
    return rows, trained, ev.evaluate(trained, rows)


@settings(deadline=None)
@given(
    classes=st.integers(2, 6), rows=st.integers(12, 200), seed=st.integers(0, 9999), digits=st.integers(1, 9)
)
def test_auc_is_scikit_learns(classes, rows, seed, digits):
    y, probabilities = scores(classes, rows, seed, digits)
    theirs = roc_auc_score(y, probabilities[:, 1] if classes == 2 else probabilities, multi_class="ovo")
    assert ev.auc(y, probabilities) == pytest.approx(theirs, abs=1e-12)
    each = [roc_auc_score(y == place, probabilities[:, place]) for place in range(classes)]
    np.testing.assert_allclose(ev.class_auc(y, probabilities), each, atol=1e-12)


def test_interval_is_delongs_where_that_one_is_known():
    """DeLong's variance, written out from the paper; there are many errors, so that no bound acts."""
    y, probabilities = scores(2, 60, seed=3)
    mine = ev.auc_interval(y, probabilities)
    won = (probabilities[y == 1, 1][:, None] > probabilities[y == 0, 1][None, :]).astype(float)
    positives, negatives = won.mean(axis=1), won.mean(axis=0)
    variance = positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives)
    worth, z = mine.value * (1 - mine.value) / variance, norm.ppf(0.975)
    assert mine.value == pytest.approx(won.mean())
    for end in (mine.low, mine.high):  # Wilson: the shares at a distance of z of their own standard errors
        assert abs(mine.value - end) == pytest.approx(z * np.sqrt(end * (1 - end) / worth))


@pytest.mark.parametrize(
    "true, positive, negative",
    [(0.75, 30, 60), (0.9, 10, 10), (0.95, 16, 34), (0.98, 10, 100), (0.9, 100, 200)],
)
def test_interval_covers_the_known_auc_of_two_normal_distributions(true, positive, negative):
    random, runs = np.random.default_rng(1), 500
    distance = np.sqrt(2) * norm.ppf(true)
    y = np.repeat([1, 0], [positive, negative])
    covered = 0
    for _run in range(runs):
        shares = norm.cdf(random.normal(distance * y, 1))
        interval = ev.auc_interval(y, np.column_stack([1 - shares, shares]))
        covered += interval.low <= true <= interval.high
    # 500 runs at 0.95 stray by 0.01.
    assert 0.925 <= covered / runs <= 0.99


def test_interval_covers_for_three_classes_and_is_not_far_too_wide():
    random, runs = np.random.default_rng(2), 400
    sizes = (25, 40, 60)
    y = np.repeat(np.arange(3), sizes)

    def draw(y):
        return np.exp(random.normal(size=(len(y), 3)) + 1.1 * np.eye(3)[y])

    many = np.repeat(np.arange(3), 60_000)
    true = ev.auc(many, draw(many))
    intervals = [ev.auc_interval(y, draw(y)) for _run in range(runs)]
    covered = np.mean([interval.low <= true <= interval.high for interval in intervals])
    assert 0.925 <= covered <= 0.98


def test_interval_of_a_perfect_ranking_does_not_promise_certainty():
    few, many = (np.repeat([0, 1], [34 * times, 16 * times]) for times in (1, 100))
    few, many = (ev.auc_interval(y, np.column_stack([1 - y, y])) for y in (few, many))
    assert few.value == 1 and few.high == 1 and 0.8 < few.low < 0.97
    assert many.low > few.low


def test_interval_is_wider_for_more_confidence_and_for_a_class_of_one_row():
    y, probabilities = scores(3, 90, seed=0)
    wide, narrow = (ev.auc_interval(y, probabilities, confidence=share) for share in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    one = np.flatnonzero(y == 2)[:1]
    few = np.concatenate([np.flatnonzero(y < 2), one])
    lonely = ev.auc_interval(y[few], probabilities[few])
    assert lonely.high - lonely.low > narrow.high - narrow.low


@pytest.mark.parametrize(
    "y, probabilities, words",
    [
        ([0, 0, 1], np.ones((3, 3)) / 3, "class number 3 has 0"),
        ([0, 0, 0], np.ones((3, 1)), "two classes or more"),
        ([0, 1, 2], np.ones((3, 2)) / 2, "class number 3 has 1"),
        ([0, 1], np.ones((3, 2)) / 2, "for each of 2 rows"),
        ([0, 1], np.array([[0.5, np.nan], [0.5, 0.5]]), "finite"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(y, probabilities, words):
    for measure in (ev.auc, ev.auc_interval, ev.class_auc):
        with pytest.raises(ev.EvaluationError, match=words):
            measure(np.array(y), probabilities)


@settings(deadline=None)
@given(rows=st.integers(4, 4000), seed=st.integers(0, 999), digits=st.integers(1, 9))
def test_thinned_roc_keeps_its_ends_and_its_area(rows, seed, digits):
    y, probabilities = scores(2, rows, seed, digits)
    points = ev.roc_points(y == 1, probabilities[:, 1], most=100)
    whole = roc_curve(y == 1, probabilities[:, 1])
    columns = points["false_positive_rate"], points["true_positive_rate"]
    assert [(column.iloc[0], column.iloc[-1]) for column in columns] == [(0, 1), (0, 1)]
    assert all(column.is_monotonic_increasing for column in columns)
    assert area(*columns) == pytest.approx(area(whole[0], whole[1]), abs=1e-3)
    assert len(points) <= 400


def test_a_roc_that_needs_more_points_gets_them():
    y, probabilities = scores(2, 4_000, seed=0)
    points = ev.roc_points(y == 1, probabilities[:, 1], most=6)
    whole = roc_curve(y == 1, probabilities[:, 1])
    assert 6 < len(points) < len(whole[0]) / 10
    drawn = area(points["false_positive_rate"], points["true_positive_rate"])
    assert drawn == pytest.approx(area(whole[0], whole[1]), abs=1e-3)


def test_calibration_counts_each_row_once_and_finds_a_liar():
    random = np.random.default_rng(0)
    honest = random.random(50_000)
    came_true = random.random(50_000) < honest
    points = ev.calibration_points(came_true, honest)
    assert points["rows"].sum() == 50_000 and len(points) == 10
    np.testing.assert_allclose(points["predicted"], points["observed"], atol=0.03)
    liar = ev.calibration_points(came_true, honest**3)
    assert (liar["predicted"] - liar["observed"]).abs().max() > 0.2
    assert ev.calibration_points(np.array([True]), np.array([1.0]))["rows"].tolist() == [1]


def test_evaluation_says_what_scikit_learn_says(wine):
    rows, trained, found = wine
    predicted = trained.estimator.predict(rows.x_test)
    theirs = classification_report(rows.y_test, predicted, output_dict=True)
    assert found.accuracy == accuracy_score(rows.y_test, predicted)
    assert (found.predicted == predicted).all()
    keys = [*"012", "macro avg", "weighted avg"]
    for line, key in zip(found.report.itertuples(index=False), keys, strict=True):
        expected = [theirs[key][name] for name in ("precision", "recall", "f1-score", "support")]
        assert list(line)[1:] == pytest.approx(expected)
    assert found.report["class"].tolist() == [*rows.dataset.class_names, "macro avg", "weighted avg"]
    assert found.confusion.sum() == found.rows == len(rows.y_test)
    assert np.trace(found.confusion) == pytest.approx(found.accuracy * found.rows)
    assert ev.shares(found.confusion).sum(axis=1) == pytest.approx(np.ones(3))
    assert set(found.roc["class"]) == set(found.calibration["class"]) == set(found.class_auc)
    with use_language("en"):
        assert "95 %" in ev.method_of_interval(found)


def test_of_two_classes_the_second_alone_is_drawn():
    y, probabilities = scores(2, 80, seed=5)
    found = ev.assess(y, probabilities, ("no", "yes"), SETTINGS)
    assert found.auc_kind == "binary"
    assert set(found.roc["class"]) == set(found.calibration["class"]) == set(found.class_auc) == {"yes"}
    assert found.class_auc["yes"] == pytest.approx(found.auc.value)


def test_probabilities_follow_the_models_own_classes():
    """A model that never saw class 1: its two columns are classes 0 and 2."""
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    model = LogisticRegression().fit(features, [0, 0, 2, 2])
    probabilities = ev.class_probabilities(model, features, classes=3)
    np.testing.assert_array_equal(probabilities[:, 1], 0)
    np.testing.assert_array_equal(probabilities[:, [0, 2]], model.predict_proba(features))


def test_class_named_like_an_average_is_no_trouble():
    y, probabilities = scores(2, 50, seed=1)
    report = ev.assess(y, probabilities, ("macro avg", "accuracy"), SETTINGS).report
    assert report["support"].tolist() == [*np.bincount(y), 50, 50]


@pytest.mark.parametrize("model", MODELS)
def test_importance_finds_the_one_feature_that_matters(model, made_rows):
    trained = train(made_rows, settings_for(made_rows.dataset, model, n_estimators=10))
    seen = []
    found = permutation_importance(trained, made_rows, rows=150, repeats=3, progress=seen.append)
    assert found.table["feature"][0] == "useful"
    assert found.table["mean"][0] > 0.2 > found.table["mean"][1:].max()
    assert (found.rows, found.of, found.repeats) == (150, len(made_rows.y_test), 3)
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 1 and len(seen) == 11
    again = permutation_importance(trained, made_rows, rows=150, repeats=3)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_importance_can_be_stopped(wine):
    rows, trained, _found = wine
    stop = threading.Event()
    seen = []

    def stop_soon(share):
        seen.append(share)
        if share > 0.2:
            stop.set()

    with pytest.raises(Stopped):
        permutation_importance(trained, rows, progress=stop_soon, stop=stop)
    assert seen[-1] < 0.3


def test_all_rows_are_shown_where_there_are_few(wine):
    rows, _trained, found = wine
    sample = sample_rows(rows, found)
    table = sample.table
    assert list(table) == [ROW, *rows.dataset.feature_names, TRUE, PREDICTED, PROBABILITY, WRONG]
    assert sample.shown == sample.of == len(table) == len(rows.y_test)
    assert sample.errors_shown == sample.errors_of == table[WRONG].sum() > 0
    assert table[ROW].is_monotonic_increasing
    originals = rows.dataset.features[table[ROW] - 1]
    np.testing.assert_allclose(table[list(rows.dataset.feature_names)], originals, rtol=1e-6)
    names = np.array(rows.dataset.class_names)
    assert (table[TRUE] == names[rows.dataset.target[table[ROW] - 1]]).all()
    assert ((table[TRUE] != table[PREDICTED]) == table[WRONG]).all()


def test_a_sample_keeps_classes_and_errors_visible_and_says_so(made_rows):
    trained = train(made_rows, settings_for(made_rows.dataset, "decision_tree"))
    found = ev.evaluate(trained, made_rows)
    sample = sample_rows(made_rows, found, most=60)
    assert sample.shown == len(sample.table) <= 60 < sample.of
    assert sample.table[TRUE].nunique() == 2
    assert sample.errors_shown / sample.shown > sample.errors_of / sample.of > 0
    with use_language("en"):
        sentence = sample.sentence()
    for count in (sample.shown, sample.of, sample.errors_shown, sample.errors_of):
        assert str(count) in sentence
    pd.testing.assert_frame_equal(sample.table, sample_rows(made_rows, found, most=60).table)
    only = sample_rows(made_rows, found, most=60, only_errors=True)
    assert only.table[WRONG].all() and only.shown == min(60, sample.errors_of)


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 500), min_size=1, max_size=20).filter(any),
    most=st.integers(40, 300),
    seed=st.integers(0, 9),
)
def test_stratified_never_exceeds_its_bound_and_leaves_no_kind_out(sizes, most, seed):
    kinds = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    chosen = stratified(kinds, most=most, random=np.random.default_rng(seed))
    assert len(chosen) == min(most, len(kinds)) and (np.diff(chosen) > 0).all()
    assert set(kinds[chosen]) == set(kinds)


def test_an_evaluation_of_other_rows_is_refused(wine):
    _rows, _trained, found = wine
    with pytest.raises(ValueError, match="expected an evaluation of iris"):
        sample_rows(split(load("iris")), found)


@pytest.fixture(scope="module")
def made_rows():
    """1,200 rows of two classes: one feature tells them apart, not always; two tell nothing."""
    random = np.random.default_rng(0)
    target = np.repeat([0, 1], [900, 300])
    features = random.normal(size=(1_200, 3)).astype(np.float32)
    features[:, 1] += 2.5 * target
    names = ("noise", "useful", "more noise")
    return split(Dataset("made", "made", features, target, names, ("a", "b"), own=True))


def test_each_sample_has_some_of_the_few_errors():
    parts = split(load("iris"))
    trained = train(parts, settings_for(parts.dataset, "decision_tree", max_depth=2))
    found = ev.evaluate(trained, parts)
    for seed in range(20):
        sample = sample_rows(parts, found, most=10, seed=seed)
        assert sample.shown == 10 and 0 < sample.errors_shown <= sample.errors_of < 10
