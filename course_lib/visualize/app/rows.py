"""The test rows: as a table with the errors marked, and as scatter plots that are linked."""

from dataclasses import replace

import streamlit as st

from course_lib.i18n import _, number
from course_lib.visualize.app.choices import Choices
from course_lib.visualize.app.results import Figures
from course_lib.visualize.app.state import key, refuse
from course_lib.visualize.charts_rows import MOST_FEATURES, distributions_chart
from course_lib.visualize.datasets import Split
from course_lib.visualize.evaluation import Evaluation
from course_lib.visualize.samples import PREDICTED, PROBABILITY, ROW, TRUE, WRONG, apart, sample_rows
from course_lib.visualize.uploads import safe_csv


def show_table(found: Evaluation, rows: Split, choices: Choices) -> Choices:
    """The test rows, at most some thousands of them, each with a sign and a word that says right or wrong."""
    errors = st.checkbox(_("Misclassified rows only"), value=choices.errors, key=key("errors"))
    sample = sample_rows(rows, found, only_errors=errors)
    table = sample.table.sort_values(WRONG, ascending=False, kind="stable")  # errors first
    table[WRONG] = table[WRONG].map({True: _("✗ wrong"), False: _("✓ right")})
    shown = dict(zip(rows.dataset.class_names, rows.dataset.shown_classes(), strict=True))
    for column in (TRUE, PREDICTED):
        table[column] = table[column].map(shown)
    headings = {
        WRONG: _("prediction"),
        ROW: _("row"),
        TRUE: _("true class"),
        PREDICTED: _("predicted class"),
        PROBABILITY: _("probability"),
    }
    table = table[[*headings, *rows.dataset.feature_names]]
    table.columns = [*headings.values(), *apart(rows.dataset.shown_features(), headings.values())]
    st.caption(sample.sentence())
    st.dataframe(
        table,
        hide_index=True,
        height=360,
        alt=_("Test rows, misclassified rows marked"),
        column_config={headings[WRONG]: st.column_config.TextColumn(pinned=True)},
    )
    st.download_button(
        _("Download this table (CSV)"),
        data=lambda: safe_csv(table),
        file_name=f"{rows.dataset.key}-test.csv",
        mime="text/csv",
        on_click="ignore",
        key=f"csv.{choices.lang}",
    )
    return replace(choices, errors=errors)


def show_distributions(found: Evaluation, rows: Split, choices: Choices, figures: Figures) -> Choices:
    """Scatter plots of the chosen features, with the errors marked; a drawn rectangle links them."""
    dataset = rows.dataset
    if len(dataset.feature_names) < 2:
        st.info(_("This needs at least two features."))
        return choices
    shown = dict(zip(dataset.feature_names, dataset.shown_features(), strict=True))
    for name in set(choices.features) - set(shown):
        refuse("features", name)
    known = [name for name in choices.features if name in shown][:MOST_FEATURES]
    features = st.multiselect(
        _("Features, two to {most}").format(most=number(MOST_FEATURES)),
        dataset.feature_names,
        default=known or dataset.feature_names[:3],
        format_func=shown.get,
        max_selections=MOST_FEATURES,
        placeholder=_("Choose features"),
        key=key("features"),
    )
    choices = replace(choices, features=tuple(features))
    if len(features) < 2:
        st.info(_("Choose at least two features."))
        return choices
    sample = sample_rows(rows, found)
    classes = dict(zip(dataset.class_names, dataset.shown_classes(), strict=True))
    table = sample.table.rename(columns=shown)
    for column in (TRUE, PREDICTED):
        table[column] = table[column].map(classes)
    st.caption(sample.sentence())
    st.markdown(
        _("Draw a rectangle with the mouse: the other plots show the same rows, and the bars count them.")
    )
    phone = "Mobi" in (st.context.headers.get("User-Agent") or "")  # plots then stand below each other
    chart = distributions_chart(
        table,
        [shown[name] for name in features],
        true=TRUE,
        predicted=PREDICTED,
        columns=1 if phone else 3,
    )
    figures.show(_("Test distributions"), chart, name="distributions", width="content")
    return choices
