"""Models as data: settings are hashable, inside their bounds, and the same for the same result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import is_classifier

from course_lib.visualize.datasets import load
from course_lib.visualize.models import (
    HYPERPARAMETERS,
    MODELS,
    ModelError,
    Range,
    Settings,
    estimator,
    ranges,
    settings_for,
    smallest_leaf,
)
from course_lib.visualize.processors import MANY_ROWS

IRIS = load("iris")
ANY_INT = st.none() | st.integers(-(10**30), 10**30)


@settings(deadline=None)
@given(model=st.sampled_from(sorted(MODELS)), trees=ANY_INT, depth=ANY_INT)
def test_whatever_an_address_holds_becomes_settings_inside_their_bounds(model, trees, depth):
    settings = settings_for(IRIS, model, n_estimators=trees, max_depth=depth)
    assert settings == settings_for(
        IRIS, model, n_estimators=settings.n_estimators, max_depth=settings.max_depth
    )
    assert len({settings, Settings(**vars(settings))}) == 1
    for name in HYPERPARAMETERS:
        value, bounds = getattr(settings, name), ranges(model, 150).get(name)
        if bounds is None:
            assert value is None
        else:
            assert bounds.low <= value <= bounds.high and (value - bounds.low) % bounds.step == 0


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_described_and_built(model):
    described = MODELS[model]
    assert described.name == model and described.label and described.description.endswith(".")
    assert set(described.hyperparameters) <= set(HYPERPARAMETERS)
    assert set(ranges(model, 150)) == set(described.hyperparameters)
    built = estimator(settings_for(IRIS, model, n_estimators=30, max_depth=4), rows=100)
    assert is_classifier(built) and not hasattr(built, "classes_")
    chosen = built.get_params()
    if "max_depth" in described.hyperparameters:
        assert chosen["max_depth"] == 4
    if "n_estimators" in described.hyperparameters:
        assert chosen.get("n_estimators", chosen.get("max_iter")) == 30


def test_an_unknown_model_is_refused_with_those_that_there_are():
    for refuse in (lambda: ranges("oracle", 10), lambda: settings_for(IRIS, "oracle")):
        with pytest.raises(ModelError, match="decision_tree, .* was expected, not 'oracle'"):
            refuse()


@settings(deadline=None)
@given(rows=st.integers(1, 10_000_000))
def test_a_tree_has_at_most_20_000_leaves(rows):
    assert rows // smallest_leaf(rows) <= 20_000


def test_a_forest_on_many_rows_takes_the_memory_that_is_promised():
    rows = 389_278
    assert estimator(Settings("covertype", "extra_trees", 10, 20), rows=rows).min_samples_leaf == 20
    most = ranges("random_forest", 581_012)["n_estimators"].high
    nodes = 2 * (rows // smallest_leaf(rows))
    assert most * nodes * (64 + 8 * 7) < 0.5e9


def test_sliders_on_many_rows_are_shorter():
    few, many = (ranges("random_forest", rows) for rows in (MANY_ROWS, MANY_ROWS + 1))
    assert many["n_estimators"].high < few["n_estimators"].high


@settings(deadline=None)
@given(low=st.integers(0, 50), steps=st.integers(0, 50), step=st.integers(1, 9), value=st.integers(-99, 999))
def test_nearest_is_nearest(low, steps, step, value):
    bounds = Range(low, low + steps * step, low, step)
    allowed = np.arange(low, bounds.high + 1, step)
    assert abs(bounds.nearest(value) - value) == np.abs(allowed - value).min()
