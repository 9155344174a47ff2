"""Stage 1 of a data app: a table becomes a page."""

import streamlit as st
from sklearn.datasets import load_iris

st.scatter_chart(load_iris(as_frame=True).data, x="petal length (cm)", y="petal width (cm)")
