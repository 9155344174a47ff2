"""The app as one writes it first: Streamlit and Altair as their tutorials show them, and nothing held back.

Rows and model are cached, as in the app. The table is given all test rows, and the scatter plots are Altair's
``repeat`` over 27 features by 27, with the errors marked; Streamlit sends both to the browser.
"""

import altair as alt
import pandas as pd
import streamlit as st
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from course_lib.data import covertype

FEATURES = 27


@st.cache_resource
def rows():
    """Covertype's rows, split."""
    features, covers = covertype.load_data()
    return train_test_split(features, covers, test_size=0.33, random_state=0, stratify=covers)


@st.cache_resource
def results(max_depth: int):
    """A tree's AUC, and the test rows with its predictions."""
    x_train, x_test, y_train, y_test = rows()
    model = DecisionTreeClassifier(max_depth=max_depth, min_samples_leaf=20, random_state=0)
    probabilities = model.fit(x_train, y_train).predict_proba(x_test)
    table = pd.DataFrame(x_test, columns=list(covertype.FEATURE_NAMES))
    table["true"] = y_test
    table["predicted"] = model.classes_[probabilities.argmax(axis=1)]
    table["wrong"] = table["true"] != table["predicted"]
    return roc_auc_score(y_test, probabilities, multi_class="ovo"), table


def page() -> None:
    """The whole page, in one run."""
    st.title("Decision tree on Covertype")
    auc, table = results(st.sidebar.slider("max_depth", 1, 20, 12))
    st.metric("AUC", f"{auc:.3f}")
    if st.toggle("Show test data"):
        st.dataframe(table)
        st.caption(f"{len(table)} test rows")
    if st.toggle("Show test distributions"):
        names = list(table.columns[:FEATURES])
        chart = alt.Chart(table[[*names, "true", "wrong"]]).mark_point()
        chart = chart.encode(
            alt.X(alt.repeat("column"), type="quantitative"),
            alt.Y(alt.repeat("row"), type="quantitative"),
            color="true:N",
            shape="wrong:N",
        )
        st.altair_chart(chart.properties(width=150, height=150).repeat(row=names, column=names))
        st.caption(f"{FEATURES} x {FEATURES} plots")


if __name__ == "__main__":  # as Streamlit runs it
    page()
