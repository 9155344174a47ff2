"""The whole page on a table of Covertype's size: everything is there, and no browser is sent too much."""

import pytest
import streamlit as st
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from benchmarks.made_covertype import write_covertype
from course_lib.data import covertype
from test_visualize_app import headers, open_page, plain, told, whole

#: A browser bears some thousands.
MOST = 2_000
#: A minute on two cores that have nothing else to do.
SECONDS_TO_TRAIN = 600


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Two models side by side, with all there is to show."""
    made = write_covertype(tmp_path / "covtype.data.gz")
    monkeypatch.setenv("COURSE_LANG", "en")
    monkeypatch.setenv(covertype.VARIABLE, str(made))
    st.cache_resource.clear()
    chosen = {
        "model": "decision_tree",
        "max_depth": "6",
        "versus": "extra_trees",
        "versus_n_estimators": "10",
    }
    shown = {"rows": "1", "distributions": "1", "shares": "1"}
    page = open_page(seconds=SECONDS_TO_TRAIN, data="covertype", **shown, **chosen)
    yield whole(page, seconds=SECONDS_TO_TRAIN)
    st.cache_resource.clear()


@pytest.mark.timeout(3 * SECONDS_TO_TRAIN)
def test_all_of_it_is_shown_and_of_the_rows_only_what_a_browser_bears(page):
    assert plain(page.title[0].value) == "Decision tree and Extra trees on Covertype"
    assert told(page) == [] and len(page.metric) == 6
    lines = [plain(each.value) for each in page.markdown]
    assert "389,278 training rows, 191,734 test rows, 54 features, 7 classes" in lines
    twice = (
        "Confusion matrix",
        "Classification report",
        "ROC curves",
        "Calibration",
        "Permutation importance",
    )
    assert [headers(page).count(title) for title in twice] == [2] * 5
    assert headers(page)[0] == "AUC side by side" and headers(page)[-1] == "Test distributions"
    for report in page.table:
        assert list(report.value["rows"][-2:]) == ["191,734"] * 2, "counted over all test rows"

    captions = [each.value for each in page.caption]
    assert len([words for words in captions if "A sample of 2,000 of 191,734 test rows" in words]) == 2
    assert len([words for words in captions if "among 2,000 of 191,734 test rows" in words]) == 2
    table = page.dataframe[0].value
    assert len(table) == MOST and set(table["prediction"]) == {"✗ wrong", "✓ right"}
    charts = [each.proto for each in page.get("vega_lite_chart")]
    sent = [convert_arrow_bytes_to_pandas_df(data.data.data) for chart in charts for data in chart.datasets]
    assert len(charts) == 10 and max(map(len, sent)) <= 2 * MOST
    assert len(convert_arrow_bytes_to_pandas_df(charts[-1].datasets[0].data.data)) == MOST
    assert sum(len(chart.SerializeToString()) for chart in charts) < 2_000_000
