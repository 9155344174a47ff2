"""How good one model is: AUC, report, confusion matrix, curves, importance. Two can stand side by side."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import streamlit as st

from course_lib.i18n import _, number, use_language
from course_lib.visualize.app.choices import Choices
from course_lib.visualize.app.jobs import Job
from course_lib.visualize.app.literal import literal
from course_lib.visualize.app.state import key
from course_lib.visualize.app.work import EVALUATION, IMPORTANCE, TRAINING
from course_lib.visualize.charts import calibration_chart, confusion_chart, importance_chart, roc_chart
from course_lib.visualize.charts_style import MOST_CLASSES
from course_lib.visualize.datasets import Dataset
from course_lib.visualize.evaluation import Evaluation, method_of_interval
from course_lib.visualize.models import HYPERPARAMETERS, MODELS, Settings


class Figures:
    """The charts that the page shows, by title, so that they can be downloaded."""

    def __init__(self):
        self.charts = {}

    def show(self, title: str, chart, *, name: str, width: str = "stretch") -> None:
        """Show `chart` under a heading; `name` is its file's."""
        st.header(title)
        st.altair_chart(chart, theme=None, width=width)  # its accessible name is its description
        self.charts[name] = (title, chart)


def model_in_words(settings: Settings) -> str:
    """The model with its hyperparameters, in one line."""
    values = [
        _("{name} {value}").format(name=_(label), value=number(getattr(settings, name)))
        for name, label in HYPERPARAMETERS.items()
        if getattr(settings, name) is not None
    ]
    label = _(MODELS[settings.model].label)
    if not values:
        return label
    return _("{model} ({settings})").format(model=label, settings=", ".join(values))


class Shown(NamedTuple):
    """One model's results, where they are shown; `name` sets its files apart from the other model's."""

    job: Job
    dataset: Dataset
    figures: Figures
    name: str = ""

    @property
    def found(self) -> Evaluation:
        """What is known of the model's results."""
        return self.job.result(EVALUATION)


def show_models(models: list[Shown], choices: Choices) -> Choices:
    """One model on the page's width; of two, each part beside the other's."""
    _beside(models, show_score)
    shares = st.radio(
        _("Confusion matrix in"),
        [False, True],
        index=int(choices.shares),
        format_func=lambda shares: _("shares of the true class") if shares else _("counts"),
        horizontal=True,
        key=key("shares"),
    )

    def show_matrix(shown: Shown) -> None:
        show_confusion(shown, shares=shares)

    if len(models) == 1:
        for pair in ((show_matrix, show_report), (show_roc, show_calibration)):
            for place, part in zip(st.columns(2, gap="large"), pair, strict=True):
                with place:
                    part(models[0])
    else:
        for part in (show_matrix, show_report, show_roc, show_calibration):
            _beside(models, part)
    _beside(models, lambda shown: show_importance(shown, lang=choices.lang))
    return choices.with_(shares=shares)


def _beside(models: list[Shown], part: Callable[[Shown], None]) -> None:
    for place, shown in zip(st.columns(len(models), gap="large"), models, strict=True):
        with place:
            part(shown)


def show_score(shown: Shown) -> None:
    """AUC with its interval, accuracy, and how long the training took."""
    found, training = shown.found, shown.job.result(TRAINING)
    if shown.name:
        st.header(model_in_words(found.settings))
    auc = found.auc
    left, middle, right = st.columns(3)
    left.metric(_("AUC"), number(auc.value, 3))
    middle.metric(_("Accuracy"), _("{percent} %").format(percent=number(100 * found.accuracy, 1)))
    right.metric(_("Training"), _("{seconds} s").format(seconds=number(training.seconds, 2)))
    st.markdown(
        _("{confidence} % confidence interval of the AUC: {low} to {high}").format(
            confidence=number(100 * auc.confidence),
            low=number(auc.low, 3),
            high=number(auc.high, 3),
        )
    )
    st.caption(method_of_interval(found))
    if training.unfinished:
        st.info(_("Training ended after its greatest number of iterations, before it had converged."))


def show_confusion(shown: Shown, *, shares: bool) -> None:
    """The confusion matrix, in counts or shares."""
    chart = confusion_chart(shown.found.confusion, shown.dataset.shown_classes(), shares=shares)
    shown.figures.show(_("Confusion matrix"), chart, name=f"confusion{shown.name}")


def show_report(shown: Shown) -> None:
    """The classification report as a table."""
    st.header(_("Classification report"))
    names = {name: literal(words) for name, words in _class_names(shown).items()}
    names |= {"macro avg": _("macro average"), "weighted avg": _("weighted average")}
    report = shown.found.report
    table = pd.DataFrame(
        {
            _("class"): [names.get(name, name) for name in report["class"]],
            _("precision"): [number(value, 3) for value in report["precision"]],
            _("recall"): [number(value, 3) for value in report["recall"]],
            _("F1 score"): [number(value, 3) for value in report["f1"]],
            _("rows"): [number(value) for value in report["support"]],
        }
    )
    st.table(table, border="horizontal", hide_index=True, alt=_("Classification report"))


def show_roc(shown: Shown) -> None:
    """The ROC curves."""
    _show_curves(shown, shown.found.roc, roc_chart, _("ROC curves"), "roc")


def show_calibration(shown: Shown) -> None:
    """The calibration curves."""
    _show_curves(shown, shown.found.calibration, calibration_chart, _("Calibration"), "calibration")


def _show_curves(shown: Shown, points: pd.DataFrame, draw: Callable, title: str, file: str) -> None:
    """Curves by class; of more classes than can be told apart, those with the lowest AUC."""
    areas, names = shown.found.class_auc, _class_names(shown)
    hardest = sorted(areas, key=areas.get)[:MOST_CLASSES]
    drawn = [name for name in areas if name in hardest]
    points = points[points["class"].isin(drawn)].replace({"class": names})
    shown.figures.show(title, draw(points, [names[name] for name in drawn]), name=file + shown.name)
    if len(areas) > len(drawn):
        st.caption(
            _("Of {all} classes, the {drawn} with the lowest AUC are drawn.").format(
                all=number(len(areas)), drawn=number(len(drawn))
            )
        )


def show_importance(shown: Shown, *, lang: str) -> None:
    """Permutation importance, which comes later than the rest: until then, how far it is."""
    if not shown.job.wait(IMPORTANCE, seconds=0):
        st.header(_("Permutation importance"))
        _wait_for_importance(shown.job, lang)
        return
    found = shown.job.result(IMPORTANCE)
    names = dict(zip(shown.dataset.feature_names, shown.dataset.shown_features(), strict=True))
    table = found.table.assign(feature=found.table["feature"].map(names))
    shown.figures.show(_("Permutation importance"), importance_chart(table), name=f"importance{shown.name}")
    st.caption(
        _(
            "How much AUC is lost when the values of one feature are shuffled, {repeats} times, among {rows} "
            "of {of} test rows; the line is one standard deviation to both sides."
        ).format(repeats=number(found.repeats), rows=number(found.rows), of=number(found.of))
    )


@st.fragment(run_every=0.5)
def _wait_for_importance(job: Job, lang: str) -> None:
    with use_language(lang):  # a fragment is run by itself, outside the page
        if job.wait(IMPORTANCE, seconds=0):
            st.rerun()
        st.progress(job.share, text=_("Features are being shuffled …"))


def _class_names(shown: Shown) -> dict[str, str]:
    """From a class's name in the data to the one in the reader's language."""
    return dict(zip(shown.dataset.class_names, shown.dataset.shown_classes(), strict=True))
