"""The sidebar: language, data, one model or two, with the sliders that apply to them."""

import json
from dataclasses import replace

import streamlit as st

from course_lib.i18n import LANGUAGES, _, number
from course_lib.visualize.app.choices import OWN_TABLE, Choices
from course_lib.visualize.app.run import UPLOAD_MEGABYTES
from course_lib.visualize.app.state import key, refuse, take_data
from course_lib.visualize.datasets import DATASETS, Split
from course_lib.visualize.models import HYPERPARAMETERS, MODELS, Settings, ranges, settings_for, smallest_leaf


def choose_language(choices: Choices) -> Choices:
    """The language, each in its own name."""
    codes = list(LANGUAGES)
    code = st.selectbox(
        _("Language"),
        codes,
        index=codes.index(choices.lang),
        format_func=LANGUAGES.get,
        key=key("lang"),
    )
    return replace(choices, lang=code)


def choose_data(choices: Choices) -> Choices:
    """The data set, or a table of one's own."""
    labels = {**DATASETS, OWN_TABLE: None}
    names = list(labels)
    name = st.selectbox(
        _("Data set"),
        names,
        index=names.index(choices.data),
        format_func=lambda name: _("A CSV file of your own") if name == OWN_TABLE else _(labels[name]),
        key=key("data"),
    )
    return take_data(choices, name)


#: What Streamlit itself writes there is English in every language; the limit stands in the caption.
_UPLOADER_STYLE = """<style>
[data-testid="stFileUploaderDropzoneInstructions"] { display: none; }
[data-testid="stFileUploaderDropzone"] > span p { font-size: 0; }
[data-testid="stFileUploaderDropzone"] > span p::after { font-size: 1rem; content: WORDS; }
</style>"""


def upload():
    """The file that somebody uploads, or None; with what happens to it."""
    words = json.dumps(_("Choose a file"), ensure_ascii=False)
    st.html(_UPLOADER_STYLE.replace("WORDS", words))
    file = st.file_uploader(_("Your CSV file"), type="csv", key=key("file"), max_upload_size=UPLOAD_MEGABYTES)
    st.caption(
        _(
            "A header line, one row for each example, one column with the classes; at most {megabytes} MB. "
            "The file stays in this server's memory, for your session alone: it is not written to disk, "
            "not logged, and shown to nobody else."
        ).format(megabytes=number(UPLOAD_MEGABYTES))
    )
    return file


def choose_target(columns: tuple[str, ...], suggested: str) -> str:
    """The column that holds the classes."""
    return st.selectbox(
        _("Column with the classes"), columns, index=columns.index(suggested), key=key("target")
    )


def choose_models(choices: Choices, rows: Split) -> tuple[Choices, list[Settings]]:
    """One model, or two to compare, and what they are trained with."""
    model = st.selectbox(
        _("Model"),
        list(MODELS),
        index=list(MODELS).index(choices.model),
        format_func=lambda name: _(MODELS[name].label),
        key=key("model"),
    )
    st.caption(_(MODELS[model].description))
    choices, first = _settings(replace(choices, model=model), rows, model, "")
    others = [None, *MODELS]
    versus = st.selectbox(
        _("Compare with"),
        others,
        index=others.index(choices.versus),
        format_func=lambda name: _(MODELS[name].label) if name else _("no other model"),
        key=key("versus"),
    )
    choices, settings = replace(choices, versus=versus), [first]
    if versus:
        st.caption(_(MODELS[versus].description))
        choices, second = _settings(choices, rows, versus, "versus_")
        settings.append(second)
    leaf = smallest_leaf(len(rows.y_train))
    if leaf > 1:
        st.caption(
            _("So that trees fit into memory, a leaf has at least {rows} rows.").format(rows=number(leaf))
        )
    return choices, settings


def _settings(choices: Choices, rows: Split, model: str, prefix: str) -> tuple[Choices, Settings]:
    """A slider for each hyperparameter that applies; an address may have asked for what no slider has."""
    for name, bounds in ranges(model, len(rows.dataset.target)).items():
        wish = getattr(choices, prefix + name)
        if wish not in (None, bounds.nearest(wish)):
            refuse(prefix + name, wish)
        value = st.slider(
            _(HYPERPARAMETERS[name]),
            bounds.low,
            bounds.high,
            value=bounds.nearest(wish),
            step=bounds.step,
            key=key(prefix + name),
        )
        choices = replace(choices, **{prefix + name: value})
    chosen = {name: getattr(choices, prefix + name) for name in HYPERPARAMETERS}
    return choices, settings_for(rows.dataset, model, **chosen)
