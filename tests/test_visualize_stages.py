"""The five stages of the app: each runs without a browser and as a process, and does what the lesson says."""

import ast
import json
import sys
from unittest.mock import patch

import httpx
import pandas as pd
import pytest
import streamlit as st
from playwright.sync_api import sync_playwright
from sklearn.ensemble import RandomForestClassifier
from streamlit.testing.v1 import AppTest

from course_lib.i18n import use_language
from course_lib.visualize import stages
from course_lib.visualize.stages.linked_view import linked_view
from system_parts import require

every_stage = pytest.mark.parametrize("stage", stages.STAGES)


@pytest.fixture(autouse=True)
def nothing_is_kept():
    """What an earlier test has put into Streamlit's caches is gone."""
    stages.without_warnings()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def fits():
    """The calls of `RandomForestClassifier.fit`, which goes on working."""
    fit = RandomForestClassifier.fit
    with patch.object(RandomForestClassifier, "fit", autospec=True, side_effect=fit) as counted:
        yield counted


@pytest.fixture
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@every_stage
def test_a_stage_runs_and_its_source_is_shown_whole(stage):
    page = stages.open_page(stage)
    assert not page.exception and len(page.main.children) > 0
    text = stages.path_of(stage).read_text(encoding="utf-8")
    assert text.endswith(stages.source_of(stage) + "\n")
    shown, written = ast.parse(stages.source_of(stage)), ast.parse(text)
    assert [ast.dump(each) for each in shown.body] == [ast.dump(each) for each in written.body[1:]]


def test_the_first_stage_has_three_lines():
    assert len([line for line in stages.source_of("three_lines").splitlines() if line]) == 3


@pytest.mark.parametrize("ask", [stages.path_of, stages.source_of, stages.open_page, stages.start_stage])
def test_an_unknown_stage_is_named(ask):
    with pytest.raises(ValueError, match=r"three_lines.* was expected, not '\.\./app'"):
        ask("../app")


def test_a_stage_that_fails_says_why(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("'''Broken.'''\nraise KeyError('a column')")
    with (
        patch.object(stages, "path_of", return_value=broken),
        pytest.raises(RuntimeError, match="a column"),
    ):
        stages.open_page("slider")


def moved(page, *positions):
    for trees in positions:
        page.slider[0].set_value(trees).run()
    return page


def test_without_a_cache_each_run_trains(fits):
    moved(stages.open_page("slider"), 20, 30, 20)
    assert fits.call_count == 4


def test_with_a_cache_each_model_is_trained_once_for_all_visitors(fits):
    page = moved(stages.open_page("cached"), 20, 30, 20)
    assert fits.call_count == 3
    other = moved(stages.open_page("cached"), 30)
    assert fits.call_count == 3
    assert other.metric[0].value != "" and page.metric[0].value.endswith("%")


def test_a_form_waits_until_it_is_sent_and_visitors_do_not_see_each_other(fits):
    first, second = stages.open_page("form"), stages.open_page("form")
    first.slider[0].set_value(30)
    first.slider[1].set_value(5)
    assert first.run().session_state.tried == [] and fits.call_count == 0
    first.slider[0].set_value(30)
    first.slider[1].set_value(5)
    first.button[0].click().run()
    assert [(row["trees"], row["depth"]) for row in first.session_state.tried] == [(30, 5)]
    assert second.run().session_state.tried == [] and fits.call_count == 1
    second.slider[0].set_value(30)
    second.slider[1].set_value(5)
    second.button[0].click().run()
    assert fits.call_count == 1 and len(second.dataframe[0].value) == 1


def test_the_last_stage_shows_the_linked_view_of_the_answers():
    page = stages.open_page("linked")
    chart = json.loads(page.get("vega_lite_chart")[0].proto.spec)
    assert len(chart["hconcat"]) == 2 and chart["params"][0]["select"]["type"] == "interval"


def test_the_brush_of_the_linked_view_filters_the_bars_and_its_words_are_translated():
    wines = pd.DataFrame(
        {
            "flavanoids": [1.0, 2.0],
            "color_intensity": [5.0, 6.0],
            "cultivar": ["1", "2"],
            "right": [True, False],
        }
    )
    chart = linked_view(wines).to_dict()
    brush = chart["params"][0]["name"]
    points, bars = chart["hconcat"]
    assert bars["transform"] == [{"filter": {"param": brush}}]
    assert points["layer"][1]["transform"] == [{"filter": "!datum.right"}]
    with use_language("de"):
        (rows,) = linked_view(wines).to_dict()["datasets"].values()
    assert len({row["answer"] for row in rows}) == 2


@every_stage
def test_a_stage_is_a_page_in_a_browser(stage, browser):
    with stages.start_stage(stage) as process:
        assert process.command == f"python -m course_lib.visualize.stages --stage {stage}"
        page = browser.new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda entry: faults.append(entry.text) if entry.type == "error" else None)
        page.goto(process.url)
        what = {"slider": "stMetric", "cached": "stMetric", "form": "stForm"}.get(stage, "stVegaLiteChart")
        page.get_by_test_id(what).first.wait_for(timeout=60_000)
        page.get_by_test_id("stStatusWidget").wait_for(state="detached", timeout=60_000)
        assert page.get_by_test_id("stException").count() == 0
        assert faults == []
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{process.url}/_stcore/health", timeout=5, trust_env=False)


def test_open_page_is_streamlits_own_test_page():
    assert isinstance(stages.open_page("three_lines"), AppTest)


def test_a_page_run_in_this_process_leaves_its_main_module_alone():
    own = sys.modules["__main__"]
    stages.open_page("three_lines")
    assert sys.modules["__main__"] is own
