"""Stage 2 of a data app: a slider, and a model that is trained again whenever it moves."""

import streamlit as st
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from course_lib.i18n import _

trees = st.slider(_("trees"), 1, 50, 10)
x, y = load_wine(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
model = RandomForestClassifier(trees, random_state=0).fit(x_train, y_train)
st.metric(_("right in the test"), f"{model.score(x_test, y_test):.0%}")
