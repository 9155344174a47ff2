"""What one visitor's session remembers: the choices, and whether they came from the address or from the page.

Promises: the address and the page always say the same. A new address (opened, edited, gone back to) wins over
the page unless somebody has just moved something there; then the page wins, and the address follows.
"""

import os
from dataclasses import replace
from typing import Any

import streamlit as st

from course_lib.i18n import best_language, language
from course_lib.visualize.app.choices import Choices, from_query, to_query

_CHOICES, _ADDRESS, _REFUSED, _ROUND = "_choices", "_address", "_refused", "_round"
#: Their bounds, or what there is to choose from, differ from data set to data set.
_DEPEND_ON_DATA = ("n_estimators", "max_depth", "versus_n_estimators", "versus_max_depth", "features")


def default_language() -> str:
    """The language that the app was started in where one was named, else the visitor's browser's."""
    wishes = st.context.headers.get("Accept-Language")
    if os.environ.get("COURSE_LANG") or not wishes:
        return language()
    return best_language(wishes)


def key(name: str) -> str:
    """The key of the widget for the choice `name`.

    A new address gives all widgets new keys, and so new values; new data those that depend on them.
    """
    around = f".{st.session_state[_CHOICES].data}" if name in _DEPEND_ON_DATA else ""
    return f"{name}.{st.session_state.get(_ROUND, 0)}{around}"


def widget_value(name: str, default: Any) -> Any:
    """What the widget for `name` holds now, also before it is drawn in this run."""
    return st.session_state.get(key(name), default)


def open_choices() -> Choices:
    """The choices to start this run with."""
    state = st.session_state
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    moved = _CHOICES in state and _moved(state[_CHOICES])
    if moved:
        state[_REFUSED] = []  # it was read; from now on the page counts
    elif _CHOICES not in state or query != state[_ADDRESS]:
        state[_CHOICES], state[_REFUSED] = from_query(query, lang=default_language())
        state[_ROUND] = state.get(_ROUND, 0) + 1
    return state[_CHOICES]


def refuse(name: str, value: object) -> None:
    """Note that the address asked for a `value` which these data, or this model, do not have."""
    wish = f"{name}={value}"
    if wish not in st.session_state[_REFUSED]:
        st.session_state[_REFUSED].append(wish)


def refused() -> list[str]:
    """What the address asked for in vain, as ``name=value``, until somebody moves something on the page."""
    return st.session_state[_REFUSED]


def take_data(choices: Choices, name: str) -> Choices:
    """The choices with the data set `name`; with other data, what depended on the old ones is forgotten."""
    if name == choices.data:
        return choices
    choices = replace(choices, data=name, **{each: getattr(Choices, each) for each in _DEPEND_ON_DATA})
    st.session_state[_CHOICES] = choices
    return choices


def keep(choices: Choices) -> None:
    """Remember the choices that this run shows, and write them into the address."""
    query = {name: value if isinstance(value, list) else [value] for name, value in to_query(choices).items()}
    if {name: st.query_params.get_all(name) for name in st.query_params} != query:
        st.query_params.from_dict(query)
    st.session_state[_CHOICES], st.session_state[_ADDRESS] = choices, query


def _moved(choices: Choices) -> bool:
    """Whether somebody has moved a widget since the choices were kept."""
    kept = vars(choices)
    for name, value in kept.items():
        held = widget_value(name, value)
        if (tuple(held) if isinstance(held, list) else held) != value:
            return True
    return False
