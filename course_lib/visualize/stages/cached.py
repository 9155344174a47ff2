"""Stage 3 of a data app: the table and the models are kept for everybody, and made once."""

import streamlit as st
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from course_lib.i18n import _


@st.cache_data
def wine_parts():
    x, y = load_wine(return_X_y=True)
    return train_test_split(x, y, test_size=0.5, random_state=0)


@st.cache_resource
def trained(trees):
    x_train, _x_test, y_train, _y_test = wine_parts()
    return RandomForestClassifier(trees, random_state=0).fit(x_train, y_train)


trees = st.slider(_("trees"), 1, 50, 10)
_x_train, x_test, _y_train, y_test = wine_parts()
st.metric(_("right in the test"), f"{trained(trees).score(x_test, y_test):.0%}")
