"""The checks of the exercises on showing results tell right answers from likely wrong ones, and say why."""

import sys

import altair as alt
import numpy as np
import pytest
import streamlit as st

from course_lib.exercises import check

forgotten = {"presses": 0}


def presses(pressed, state):
    state["presses"] = state.get("presses", 0) + pressed
    return state["presses"]


def presses_of_this_run(pressed, state):
    return int(pressed)


def runs(pressed, state):
    state["runs"] = state.get("runs", -1) + 1
    return state["runs"]


def presses_of_everybody(pressed, state):
    forgotten["presses"] += pressed
    return forgotten["presses"]


def a_state_that_is_not_there_yet(pressed, state):
    return state["presses"] + pressed


def cached_by(key):
    """An answer to `mean_of` whose cache has no more in its key than `key` names."""

    def mean_of(load, name, column):
        @st.cache_data
        def of_both(_load, name, column):
            return _load(name)[column].mean()

        @st.cache_data
        def of_column(_load, _name, column):
            return _load(_name)[column].mean()

        @st.cache_data
        def of_name(_load, name, _column):
            return _load(name)[_column].mean()

        return {"both": of_both, "column": of_column, "name": of_name}[key](load, name, column)

    return mean_of


def pairs(labels, scores):
    good, others = scores[labels == 1], scores[labels == 0]
    return good[:, None] - others


def cells(table):
    return alt.Chart(table).mark_rect()


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("count_presses", presses, None),
        ("count_presses", presses_of_this_run, "After three presses 3 was expected"),
        ("count_presses", lambda pressed, state: 1 + pressed, "Before the first press 0 was expected"),
        ("count_presses", runs, "Another widget was moved"),
        ("count_presses", presses_of_everybody, "Another visitor should begin at 0, but begins at 3"),
        ("count_presses", a_state_that_is_not_there_yet, "KeyError"),
        ("count_presses", lambda pressed, state: None, "Keep the number in `state`"),
        ("mean_of", cached_by("both"), None),
        ("mean_of", cached_by("column"), "the key needs `name`"),
        ("mean_of", cached_by("name"), "the key needs `column`"),
        ("mean_of", lambda load, name, column: load(name)[column].mean(), "loaded again"),
        ("mean_of", lambda load, name, column: load(name)[column].sum(), "not the mean of the column"),
        ("mean_of", lambda load, name, column: None, "Write a function inside yours"),
        ("auc", lambda labels, scores: np.mean((p := pairs(labels, scores)) > 0) + np.mean(p == 0) / 2, None),
        ("auc", lambda labels, scores: np.mean(pairs(labels, scores) > 0), "0.875 was expected, not 0.750"),
        ("auc", lambda labels, scores: np.mean(pairs(labels, scores) >= 0), "0.875 was expected, not 1.000"),
        ("auc", lambda labels, scores: np.sum(pairs(labels, scores) > 0), "divide by the number of pairs"),
        ("auc", lambda labels, scores: np.mean(pairs(labels, scores) < 0), "pairs ranked wrong"),
        ("auc", lambda labels, scores: 0.5, "0.778 was expected, but the result is 0.500"),
        ("confusion_chart", lambda t: cells(t).encode(x="said", y="truth", color="count"), None),
        ("confusion_chart", lambda t: cells(t).encode(x="truth", y="said", color="count"), "column `said`"),
        ("confusion_chart", lambda t: cells(t).encode(x="said", y="truth"), "channel `color` is missing"),
        ("confusion_chart", lambda t: cells(t).encode(x="said", y="truth", color="count:N"), "count:Q"),
        ("confusion_chart", lambda t: alt.Chart(t).mark_point().encode(x="said"), "mark *rect*"),
        ("confusion_chart", lambda t: t, "An Altair chart was expected, not DataFrame"),
        (
            "confusion_chart",
            lambda t: (
                (base := alt.Chart(t).encode(x="said", y="truth")).mark_rect().encode(color="count")
                + base.mark_text().encode(text="count")
            ),
            None,
        ),
        ("promised_too_much", lambda y, p, sure: p[p >= sure].mean() - y[p >= sure].mean(), None),
        ("promised_too_much", lambda y, p, sure: y[p >= sure].mean() - p[p >= sure].mean(), "The sign"),
        ("promised_too_much", lambda y, p, sure: p.mean() - y.mean(), "the gap over all examples"),
        (
            "promised_too_much",
            lambda y, p, sure: p[p > sure].mean() - y[p > sure].mean(),
            "*At least* `sure`",
        ),
        ("promised_too_much", lambda y, p, sure: 0.0, "0.4 was expected, not 0"),
    ],
)
def test_an_answer_gets_the_hint_that_fits(monkeypatch, tmp_path, name, answer, hint):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    outcome = check(f"visualize_results.{name}", answer)
    assert outcome.right == (hint is None) and (hint is None or hint in outcome.hint), outcome


def test_a_page_that_a_check_runs_leaves_the_main_module_alone():
    own = sys.modules["__main__"]
    assert check("visualize_results.count_presses", presses)
    assert sys.modules["__main__"] is own
