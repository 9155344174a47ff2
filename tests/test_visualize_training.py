"""Training in steps ends in the same model as one plain fit, tells how far it is, and stops when asked."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from course_lib.i18n import use_language
from course_lib.visualize import training
from course_lib.visualize.datasets import Dataset, load, split
from course_lib.visualize.models import MODELS, estimator, settings_for
from course_lib.visualize.processors import suited_to
from course_lib.visualize.training import Stopped, train

TREES = ("random_forest", "extra_trees", "gradient_boosting")


@pytest.fixture(scope="module")
def wine():
    return split(load("wine"), seed=4)


def choose(rows, model, trees=60):
    return settings_for(rows.dataset, model, n_estimators=trees, max_depth=3, seed=rows.seed)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_training_in_steps_equals_one_plain_fit(wine, model, many, monkeypatch):
    if many:  # other steps: as many trees as processors, or five
        monkeypatch.setattr(training, "MANY_ROWS", 10)
    settings = choose(wine, model)
    plain = estimator(settings, rows=len(wine.y_train)).fit(wine.x_train, wine.y_train)
    seen = []
    trained = train(wine, settings, progress=seen.append)
    np.testing.assert_array_equal(
        trained.estimator.predict_proba(wine.x_test), plain.predict_proba(wine.x_test)
    )
    assert str(trained.estimator) == str(plain)
    assert seen[0] == 0 and seen[-1] == 1 and seen == sorted(set(seen))
    assert len(seen) > 3 or model == "decision_tree"
    assert (trained.rows, trained.settings, trained.notes) == (len(wine.y_train), settings, ())


@pytest.mark.parametrize("model", MODELS)
def test_the_same_settings_make_the_same_model_and_another_seed_another(wine, model):
    first, second = (train(wine, choose(wine, model)).estimator.predict_proba(wine.x_test) for _run in "ab")
    np.testing.assert_array_equal(first, second)
    if model in ("random_forest", "extra_trees"):
        other = split(load("wine"), seed=5)
        another = train(other, choose(other, model)).estimator.predict_proba(wine.x_test)
        assert (first != another).any()


@pytest.mark.parametrize("model", [*TREES, "logistic_regression"])
def test_training_stops_at_the_next_step(wine, model):
    stop, seen = threading.Event(), []

    def stop_after_two(share):
        seen.append(share)
        if len(seen) == 2:
            stop.set()

    with pytest.raises(Stopped):
        train(wine, choose(wine, model), progress=stop_after_two, stop=stop)
    assert len(seen) == 2


def test_training_that_was_stopped_before_it_began_fits_nothing(wine):
    stop, seen = threading.Event(), []
    stop.set()
    with pytest.raises(Stopped):
        train(wine, choose(wine, "decision_tree"), progress=seen.append, stop=stop)
    assert seen == []


def test_a_regressions_callback_does_not_outlive_its_training(wine):
    trained = train(wine, choose(wine, "logistic_regression"), progress=lambda share: None)
    assert not hasattr(trained.estimator[-1], "_skl_callbacks")


def test_a_regression_that_did_not_converge_says_so():
    random = np.random.default_rng(0)
    target = np.repeat([0, 1], 60)
    # Two features that are nearly one: the way to the best weights is long.
    one = random.normal(size=120) + target
    features = np.column_stack([one, one + 1e-3 * random.normal(size=120)]).astype(np.float32)
    rows = split(Dataset("made", "made", features, target, ("a", "b"), ("x", "y"), own=True))
    settings = settings_for(rows.dataset, "logistic_regression")
    with pytest.MonkeyPatch.context() as patch, use_language("en"):
        plain = estimator

        def hasty(settings, *, rows):
            return plain(settings, rows=rows).set_params(logisticregression__max_iter=2)

        patch.setattr(training, "estimator", hasty)
        with pytest.warns(Warning, match="lbfgs failed to converge"):
            (note,) = train(rows, settings).notes
    assert "before it had converged" in note
    assert train(rows, settings).notes == ()


def test_settings_for_other_rows_are_refused(wine):
    with pytest.raises(ValueError, match="expected settings for wine with seed 4"):
        train(wine, settings_for(load("iris"), "decision_tree"))


def test_two_trainings_at_once_leave_the_numbers_of_threads_as_they_were():
    def threads() -> list[tuple[str, int]]:
        return [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]

    def first():
        with suited_to(rows=100):
            first_in.set()
            assert second_in.wait(60)
        first_out.set()

    first_in, second_in, first_out = (threading.Event() for _each in range(3))
    before = threads()
    with threadpool_limits(2):
        while_two = threads()
        other = threading.Thread(target=first)
        other.start()
        assert first_in.wait(60) and threads() == while_two, "its own thread alone"
        with suited_to(rows=100):
            # One pool, or more where other tests have loaded a library with an OpenMP of its own.
            assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"} == {1}
            second_in.set()
            assert first_out.wait(60)
        other.join()
        assert threads() == while_two
    assert threads() == before
