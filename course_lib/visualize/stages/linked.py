"""Stage 5 of a data app: the answers as a chart in which one can select, beside what was selected."""

import streamlit as st
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from course_lib.i18n import _
from course_lib.visualize.stages.linked_view import linked_view


@st.cache_data
def answers(trees, depth):
    x, y = load_wine(return_X_y=True, as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
    model = RandomForestClassifier(trees, max_depth=depth, random_state=0).fit(x_train, y_train)
    wines = x_test[["flavanoids", "color_intensity"]].round(2)
    return wines.assign(cultivar=(y_test + 1).astype(str), right=model.predict(x_test) == y_test)


with st.form("choices"):
    trees = st.slider(_("trees"), 1, 50, 10)
    depth = st.slider(_("depth"), 1, 10, 2)
    st.form_submit_button(_("Train"))

st.altair_chart(linked_view(answers(trees, depth)))
