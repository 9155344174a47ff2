"""Stage 4 of a data app: two choices that are sent together, and a list of what this visitor has tried."""

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
def trained(trees, depth):
    x_train, _x_test, y_train, _y_test = wine_parts()
    return RandomForestClassifier(trees, max_depth=depth, random_state=0).fit(x_train, y_train)


with st.form("choices"):
    trees = st.slider(_("trees"), 1, 50, 10)
    depth = st.slider(_("depth"), 1, 10, 2)
    sent = st.form_submit_button(_("Train"))

if "tried" not in st.session_state:
    st.session_state.tried = []
if sent:
    _x_train, x_test, _y_train, y_test = wine_parts()
    right = trained(trees, depth).score(x_test, y_test)
    st.session_state.tried.append({_("trees"): trees, _("depth"): depth, _("right"): f"{right:.0%}"})
st.dataframe(st.session_state.tried)
