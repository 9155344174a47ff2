"""The exercises of the lesson 01_visualize_results."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "visualize_results.count_presses",
    title=N_("Count in spite of reruns"),
    hint=N_("Keep the number in `state`, which is still there in the next run."),
)
def count_presses(answer):
    """The answer takes `pressed` and the session's state; it returns the presses so far."""
    from course_lib.visualize.stages import main_module_kept

    with main_module_kept():
        return _presses_counted(answer)


def _presses_counted(answer):
    """The hint for `answer`, or None where it counts right, as Streamlit runs it."""
    raised = []

    def guarded(pressed, state):
        try:
            return answer(pressed, state)
        except Exception as error:  # Streamlit would show it on a page that nobody looks at
            raised.append(error)
            return -1

    def shown(page):
        if raised:
            raise raised[0]
        return page.session_state["shown by the check"]

    page = _page(guarded).run()
    if shown(page) != 0:
        return _("Before the first press 0 was expected, but your function returns {value}.").format(
            value=shown(page)
        )
    for _press in range(3):
        page.button[0].click().run()
    if shown(page) != 3:
        return _("After three presses 3 was expected, but your function returns {value}.").format(
            value=shown(page)
        )
    page.checkbox[0].check().run()
    if shown(page) != 3:
        return _(
            "Another widget was moved, and the button was not pressed, but {value} was returned instead of 3."
        ).format(value=shown(page))
    other = _page(guarded).run()
    if shown(other) != 0:
        return _(
            "Another visitor should begin at 0, but begins at {value}: keep the number in `state`."
        ).format(value=shown(other))
    return None


@exercise(
    "visualize_results.mean_of",
    title=N_("Give a cache the right key"),
    hint=N_("Write a function inside yours, with `@st.cache_data` above it, and call it."),
)
def mean_of(answer):
    """The answer takes `load`, a table's name and a column; it returns the mean of the column."""
    import pandas as pd

    from course_lib.visualize.stages import without_warnings

    without_warnings()
    loaded = []
    random = np.random.default_rng()  # new tables each time: a cache of earlier tries should not know them
    tables = {
        f"{name} {random.integers(10**12)}": pd.DataFrame(
            {"alcohol": random.random(4), "ash": random.random(4)}
        )
        for name in ("iris", "wine")
    }

    def load(name):
        loaded.append(name)
        return tables[name]

    (iris, first), (wine, second) = tables.items()
    if not np.isclose(answer(load, iris, "alcohol"), first["alcohol"].mean()):
        return _("The first answer is not the mean of the column yet.")
    if not np.isclose(answer(load, iris, "ash"), first["ash"].mean()):
        return _("Another column got the answer of the first one: the key needs `column`.")
    if not np.isclose(answer(load, wine, "ash"), second["ash"].mean()):
        return _(
            "Another table got the answer of the first one: the key needs `name`, without an underscore."
        )
    asked = len(loaded)
    if not np.isclose(answer(load, wine, "ash"), second["ash"].mean()):
        return _("The same question got another answer the second time.")
    if len(loaded) > asked:
        return _("The table was loaded again for a question that was asked before: is the work in the cache?")
    return None


@exercise(
    "visualize_results.auc",
    title=N_("Compute the AUC by counting pairs"),
    hint=N_("Compare the score of each example labelled 1 with the score of each labelled 0."),
)
def auc(answer):
    """The answer takes labels and scores, arrays of shape (count,); it returns the AUC."""
    labels, scores = np.array([1, 0, 1, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.2])
    found = float(answer(labels, scores))
    if np.isclose(found, 7):
        return _("7 pairs are ranked right; divide by the number of pairs, which is 9.")
    if np.isclose(found, 2 / 9):
        return _("You counted the pairs ranked wrong: the score of the example labelled 1 should be higher.")
    if not np.isclose(found, 7 / 9):
        return _("For the six wines of the lesson 0.778 was expected, but the result is {value:.3f}.").format(
            value=found
        )
    found = float(answer(np.array([1, 1, 0, 0]), np.array([0.5, 0.9, 0.5, 0.1])))
    if not np.isclose(found, 0.875):
        return _(
            "Of four pairs three are ranked right and one is equal: 0.875 was expected, not {value:.3f}."
        ).format(value=found)
    return None


@exercise(
    "visualize_results.confusion_chart",
    title=N_("Draw a confusion matrix with Altair"),
    hint=N_("Begin with `alt.Chart(table).mark_rect()` and give it an encoding of three channels."),
)
def confusion_chart(answer):
    """The answer takes a table with truth, said and count; it returns an Altair chart."""
    import altair as alt
    import pandas as pd

    cells = [("no", "no", 565), ("no", "yes", 23), ("yes", "no", 63), ("yes", "yes", 29)]
    chart = answer(pd.DataFrame(cells, columns=["truth", "said", "count"]))
    if not isinstance(chart, alt.TopLevelMixin):
        return _("An Altair chart was expected, not {kind}.").format(kind=type(chart).__name__)
    written = chart.to_dict()
    layer = written["layer"][0] if "layer" in written else written
    mark, encoding = layer["mark"], written.get("encoding", {}) | layer.get("encoding", {})
    if (mark["type"] if isinstance(mark, dict) else mark) != "rect":
        return _("The mark *rect* was expected: `mark_rect()`.")
    for channel, column in (("x", "said"), ("y", "truth"), ("color", "count")):
        if channel not in encoding:
            return _("The channel `{channel}` is missing in `encode(…)`.").format(channel=channel)
        if encoding[channel].get("field") != column:
            return _("The channel `{channel}` should show the column `{column}`, not {found}.").format(
                channel=channel, column=column, found=repr(encoding[channel].get("field"))
            )
    if encoding["color"].get("type") != "quantitative":
        return _("A count is a quantity: write `count:Q`, so that the colour grows with it.")
    return None


@exercise(
    "visualize_results.promised_too_much",
    title=N_("Read a calibration curve"),
    hint=N_("Choose with `chance >= sure`, and take two means of the same examples."),
)
def promised_too_much(answer):
    """The answer takes truth, chance and a limit; it returns by how much the mean chance is too high."""
    truth, chance = np.array([1, 0, 1, 0, 0, 1]), np.array([0.95, 0.95, 0.8, 0.9, 0.1, 0.2])
    found = float(answer(truth, chance, 0.8))
    if np.isclose(found, chance.mean() - truth.mean()):
        return _("This is the gap over all examples: choose those whose `chance` is at least `sure`.")
    if np.isclose(found, -0.4):
        return _("The sign is the other way round: what was said minus what came true.")
    if np.isclose(found, chance[chance > 0.8].mean() - truth[chance > 0.8].mean()):
        return _("*At least* `sure`: an example with exactly this chance belongs to them.")
    if not np.isclose(found, 0.4):
        return _(
            "Four examples have a chance of 0.8 or more, 0.9 on average, and two of them came true: "
            "0.4 was expected, not {value:.3g}."
        ).format(value=found)
    return None


def _page(count):
    """A page with the button that `count` hears of, and a checkbox that has nothing to do with it."""
    from streamlit.testing.v1 import AppTest

    from course_lib.visualize.stages import without_warnings

    without_warnings()
    return AppTest.from_function(_counting_page, args=(count,), default_timeout=60)


def _counting_page(count):
    # Streamlit runs this function's text as a script: what it needs, it imports itself.
    import streamlit as st

    st.checkbox("something else")
    st.session_state["shown by the check"] = count(st.button("press"), st.session_state)
