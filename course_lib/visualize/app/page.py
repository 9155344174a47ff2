"""The page from top to bottom: what was chosen, the model's work, and what came of it.

Promises: in the visitor's language throughout; a sentence, never a traceback, for what cannot be had; work
that takes long shows how far it is and can be stopped, while everybody else's page goes on.
"""

import pandas as pd
import streamlit as st

from course_lib.i18n import _, number, use_language
from course_lib.visualize.app.choices import OWN_TABLE, Choices
from course_lib.visualize.app.downloads import show_downloads
from course_lib.visualize.app.failures import tell_failure
from course_lib.visualize.app.jobs import Job
from course_lib.visualize.app.literal import literal
from course_lib.visualize.app.results import Figures, Shown, model_in_words, show_models
from course_lib.visualize.app.rows import show_distributions, show_table
from course_lib.visualize.app.sidebar import (
    choose_data,
    choose_language,
    choose_models,
    choose_target,
    upload,
)
from course_lib.visualize.app.state import keep, key, open_choices, refused, widget_value
from course_lib.visualize.app.waiting import Unavailable, Wish, leave_the_rest, obtain
from course_lib.visualize.app.work import (
    EVALUATION,
    ROWS,
    TABLE,
    own_rows_job,
    own_table_job,
    own_training_job,
    rows_job,
    training_job,
)
from course_lib.visualize.charts import comparison_chart
from course_lib.visualize.datasets import DATASETS, Split
from course_lib.visualize.models import MODELS, Settings

#: A page that can be read from the back of a room, and on a phone; nothing wider than its place.
_STYLE = """<style>
.stMainBlockContainer { padding-top: 3rem; max-width: 1500px; }
.stMain h1 { font-size: clamp(1.6rem, 2.4vw, 2.4rem); }
.stMain h2 { font-size: 1.6rem; }
.stVegaLiteChart { overflow-x: auto; }
[data-testid="stCaptionContainer"] { opacity: 1; }
[data-testid="stCaptionContainer"] p { color: #595959; }
</style>"""


def show_page() -> None:
    """Draw the whole page, for one visitor, once."""
    choices = open_choices()
    lang = widget_value("lang", choices.lang)
    with use_language(lang):
        st.set_page_config(page_title=_("What a model does"), layout="wide")
        st.html(_STYLE)
        # For screen readers, and for the browser: many a character looks different in Japanese and Chinese.
        st.html(f"<script>document.documentElement.lang = '{lang}'</script>", unsafe_allow_javascript=True)
        with st.sidebar:
            choices = choose_data(choose_language(choices))
        notes = st.container()
        keep(choices)
        try:
            keep(_show(choices))
        except Unavailable:
            pass  # the page says why, or how far it is
        except Exception as error:  # of which no word may reach a log or a page, see `failures`
            tell_failure(error)
        for wish in refused():
            words = _("The address asks for {wish}, which there is not. You see something else instead.")
            notes.warning(literal(words.format(wish=wish)))
        leave_the_rest()


def _show(choices: Choices) -> Choices:
    """Everything that depends on the data; raises Unavailable where the page ends early."""
    if choices.data == OWN_TABLE:
        rows, target = _own_rows()
    else:
        rows, target = _rows(choices.data), None
    with st.sidebar:
        choices, settings = choose_models(choices, rows)
    keep(choices)  # so that the address also tells what is still waited for
    _show_title(rows, settings)
    jobs = obtain(*(_training(each, rows, target) for each in settings))
    figures = Figures()
    names = [""]
    if len(jobs) > 1:
        _show_comparison(jobs, settings, figures)
        names = ["-1", "-2"]
    shown = [Shown(job, rows.dataset, figures, name) for job, name in zip(jobs, names, strict=True)]
    choices = show_models(shown, choices)
    found = jobs[0].result(EVALUATION)
    st.divider()
    if len(settings) > 1:
        st.markdown(_("Test rows of the first model: {model}").format(model=model_in_words(settings[0])))
    table = st.toggle(_("Show test data"), value=choices.rows, key=key("rows"))
    choices = choices.with_(rows=table)
    if table:
        choices = show_table(found, rows, choices)
    distributions = st.toggle(
        _("Show test distributions"), value=choices.distributions, key=key("distributions")
    )
    choices = choices.with_(distributions=distributions)
    if distributions:
        choices = show_distributions(found, rows, choices, figures)
    show_downloads(figures, key=choices.lang)
    return choices


def _rows(name: str) -> Split:
    what = _("{data} is being loaded …").format(data=_(DATASETS[name]))
    (job,) = obtain(Wish(rows_job, (name,), ROWS, what))
    return job.result(ROWS)


def _own_rows() -> tuple[Split, str]:
    """The rows of a visitor's own table, and the column that they chose as the classes."""
    lang = st.session_state.get(key("lang"))
    with st.sidebar:
        file = upload()
    if file is None:
        st.title(_("A CSV file of your own"))
        st.info(_("Choose a file in the sidebar."))
        raise Unavailable
    what = _("{file} is being read …").format(file=file.name)
    (job,) = obtain(Wish(own_table_job, (file.file_id, lang, file), TABLE, what))
    table = job.result(TABLE)
    with st.sidebar:
        target = choose_target(table.columns, table.suggested_target)
    (job,) = obtain(Wish(own_rows_job, (table.key, table.name, target, lang, table), ROWS, what))
    return job.result(ROWS), target


def _training(settings: Settings, rows: Split, target: str | None) -> Wish:
    what = _("Training: {model}").format(model=model_in_words(settings))
    if target is None:
        return Wish(training_job, (settings, rows), EVALUATION, what)
    return Wish(own_training_job, (settings, target, rows), EVALUATION, what)


def _show_title(rows: Split, settings: list[Settings]) -> None:
    models, data = [_(MODELS[each.model].label) for each in settings], rows.dataset.shown_label()
    if len(models) == 1:
        st.title(literal(_("{model} on {data}").format(model=models[0], data=data)))
    else:
        title = _("{model} and {other} on {data}").format(model=models[0], other=models[1], data=data)
        st.title(literal(title))
    st.markdown(
        _("{train} training rows, {test} test rows, {features} features, {classes} classes").format(
            train=number(len(rows.y_train)),
            test=number(len(rows.y_test)),
            features=number(len(rows.dataset.feature_names)),
            classes=number(len(rows.dataset.class_names)),
        )
    )
    for note in rows.dataset.notes:
        st.info(literal(note))


def _show_comparison(jobs: list[Job], settings: list[Settings], figures: Figures) -> None:
    scores = [job.result(EVALUATION).auc for job in jobs]
    table = {
        "model": _distinct([model_in_words(each) for each in settings]),
        "auc": [score.value for score in scores],
        "low": [score.low for score in scores],
        "high": [score.high for score in scores],
    }
    figures.show(_("AUC side by side"), comparison_chart(pd.DataFrame(table)), name="comparison")


def _distinct(names: list[str]) -> list[str]:
    """The `names`, numbered where a model is compared with itself."""
    if len(set(names)) == len(names):
        return names
    return [
        _("{number}. {name}").format(number=place, name=name) for place, name in enumerate(names, start=1)
    ]
