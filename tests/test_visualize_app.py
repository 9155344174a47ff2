"""Every widget of the app, in AppTest: what is chosen is shown, kept in the address, and translated."""

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.caching import clear_session_resource_cache
from streamlit.runtime.caching.storage.dummy_cache_storage import MemoryCacheStorageManager
from streamlit.runtime.dataframe_source_manager import DataframeSourceManager
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.testing.v1 import AppTest

from course_lib.i18n import LANGUAGES, use_language
from course_lib.visualize.app import results, work
from course_lib.visualize.app.choices import Choices, from_query, to_query
from course_lib.visualize.app.jobs import Job
from course_lib.visualize.app.literal import literal
from course_lib.visualize.app.run import UPLOAD_MEGABYTES, options
from course_lib.visualize.datasets import DATASETS, load
from course_lib.visualize.models import MODELS
from course_lib.visualize.training import Stopped
from course_lib.visualize.uploads import UPLOAD_LIMIT

SCRIPT = Path(work.__file__).with_name("script.py")
SECONDS = 120
SESSION = "test session id"  # AppTest's own: all of its pages are one session to Streamlit
IRIS = "\n".join(
    ["length,width,kind", *(f"{i % 7}.{i % 3},{i % 5},{'abc'[i % 3]}" for i in range(60))]
).encode()


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("COURSE_LANG", "en")


def open_page(*, seconds: float = SECONDS, **query) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=SECONDS)
    for name, value in query.items():
        page.query_params[name] = value
    return settled(page.run(), seconds=seconds)


def settled(page: AppTest, *, seconds: float = SECONDS) -> AppTest:
    """The page once no work is under way; what it must never show is an exception."""
    deadline = time.monotonic() + seconds
    while page.get("progress") and time.monotonic() < deadline:
        page.run()
    assert not page.get("progress") and [each.value for each in page.exception] == []
    return page


def widget(elements, name: str):
    """The widget for the choice `name`, whatever its key ends in."""
    (found,) = [each for each in elements if each.key.split(".")[0] == name]
    return found


def query(page: AppTest) -> dict[str, str]:
    return {name: value for name, value in page.query_params.items()}


def told(page: AppTest) -> list[str]:
    return [plain(each.value) for kind in (page.error, page.warning, page.info) for each in kind]


def headers(page: AppTest) -> list[str]:
    return [each.value for each in page.header]


def titles(page: AppTest) -> list[str]:
    return [plain(each.value) for each in page.title]


def plain(markdown: str) -> str:
    """What a browser shows of text that was made `literal`."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


def test_the_page_opens_with_a_model_on_a_data_set_and_all_that_is_known_of_it():
    page = open_page()
    assert titles(page) == ["Random forest on Iris"]
    assert [each.label for each in page.metric] == ["AUC", "Accuracy", "Training"]
    assert headers(page) == [
        "Confusion matrix",
        "Classification report",
        "ROC curves",
        "Calibration",
        "Permutation importance",
    ]
    assert any(each.value.startswith("95 % confidence interval of the AUC: 0.9") for each in page.markdown)
    assert query(page) == {
        "lang": "en",
        "data": "iris",
        "model": "random_forest",
        "n_estimators": "50",
        "max_depth": "5",
    }
    assert list(page.table[0].value.columns) == ["class", "precision", "recall", "F1 score", "rows"]
    assert told(page) == []


@pytest.mark.parametrize("model", MODELS)
def test_each_model_has_the_sliders_that_apply_to_it(model):
    page = open_page()
    widget(page.selectbox, "model").set_value(model)
    settled(page.run())
    assert titles(page) == [f"{MODELS[model].label} on Iris"]
    assert {each.key.split(".")[0] for each in page.slider} == set(MODELS[model].hyperparameters)
    assert query(page)["model"] == model


def test_a_slider_changes_the_result_and_the_address():
    page = open_page(model="decision_tree")
    before = page.metric[1].value
    widget(page.slider, "max_depth").set_value(1)
    settled(page.run())
    assert page.metric[1].value != before and query(page)["max_depth"] == "1"
    widget(page.slider, "max_depth").set_value(5)
    settled(page.run())
    assert page.metric[1].value == before, "the same settings, the same result"


def test_what_was_trained_once_is_found_again_after_another_choice(monkeypatch):
    trained = []

    def train(rows, settings, **how):
        trained.append(settings.max_depth)
        return plain_train(rows, settings, **how)

    plain_train = work.train
    st.cache_resource.clear()
    monkeypatch.setattr(work, "train", train)
    page = whole(open_page(model="decision_tree"))
    for depth in (1, 5, 1):
        widget(page.slider, "max_depth").set_value(depth)
        page = whole(settled(page.run()))
    other = open_page(model="decision_tree", max_depth="5")
    assert len(other.metric) == 3 and trained == [5, 1]


def whole(page: AppTest, *, seconds: float = SECONDS) -> AppTest:
    """The page with all figures, also the one that comes last: who leaves earlier stops the work."""
    deadline = time.monotonic() + seconds
    while not any("How much AUC is lost" in each.value for each in page.caption):
        assert time.monotonic() < deadline
        page.run()
    return page


def test_another_data_set_starts_with_its_own_defaults():
    page = open_page(max_depth="2", features=["petal width (cm)", "petal length (cm)"], distributions="1")
    widget(page.selectbox, "data").set_value("wine")
    settled(page.run())
    assert titles(page) == ["Random forest on Wine"]
    assert query(page)["max_depth"] == "5" and told(page) == []
    widget(page.selectbox, "data").set_value("iris")
    settled(page.run())
    assert titles(page) == ["Random forest on Iris"]


def test_two_models_stand_side_by_side():
    page = open_page()
    widget(page.selectbox, "versus").set_value("logistic_regression")
    settled(page.run())
    assert titles(page) == ["Random forest and Logistic regression on Iris"]
    assert headers(page)[1:3] == [
        "Random forest (number of trees 50, greatest depth 5)",
        "Logistic regression",
    ]
    assert headers(page).count("Confusion matrix") == 2 and headers(page)[0] == "AUC side by side"
    assert query(page)["versus"] == "logistic_regression"
    widget(page.selectbox, "versus").select_index(0)
    settled(page.run())
    assert "versus" not in query(page) and headers(page).count("Confusion matrix") == 1


def test_a_model_compared_with_itself_keeps_two_names():
    page = open_page(versus="random_forest")
    (chart,) = [each for each in page.get("vega_lite_chart") if "side" not in each.proto.id][:1]
    assert "1. Random forest" in chart.proto.spec and "2. Random forest" in chart.proto.spec


def test_the_confusion_matrix_comes_in_counts_or_shares():
    page = open_page()
    assert page.get("vega_lite_chart")[0].proto.spec.count('".1%"') == 2, "in tooltips alone"
    widget(page.radio, "shares").set_value(True)
    settled(page.run())
    assert query(page)["shares"] == "1"
    assert page.get("vega_lite_chart")[0].proto.spec.count('".1%"') == 3


def test_the_test_data_show_misclassified_rows_by_a_sign_and_a_word():
    page = open_page(model="decision_tree", max_depth="1")
    assert not page.dataframe
    widget(page.toggle, "rows").set_value(True)
    settled(page.run())
    table = page.dataframe[0].value
    assert set(table["prediction"]) == {"✗ wrong", "✓ right"} and len(table) == 50
    wrong = table["prediction"] == "✗ wrong"
    assert (wrong == (table["true class"] != table["predicted class"])).all()
    assert wrong.iloc[: wrong.sum()].all(), "errors first"
    assert any(
        each.value == f"All 50 test rows; {wrong.sum()} of them are misclassified." for each in page.caption
    )
    widget(page.checkbox, "errors").set_value(True)
    settled(page.run())
    assert set(page.dataframe[0].value["prediction"]) == {"✗ wrong"}
    assert (query(page)["rows"], query(page)["errors"]) == ("1", "1")


def test_the_test_distributions_are_drawn_for_the_features_that_one_chooses():
    page = open_page()
    widget(page.toggle, "distributions").set_value(True)
    settled(page.run())
    assert headers(page)[-1] == "Test distributions"
    widget(page.multiselect, "features").set_value(["petal width (cm)", "petal length (cm)"])
    settled(page.run())
    spec = page.get("vega_lite_chart")[-1].proto.spec
    assert "petal width (cm) against petal length (cm)" in spec and "sepal" not in spec
    assert query(page)["features"] == ["petal width (cm)", "petal length (cm)"]
    widget(page.multiselect, "features").set_value(["petal width (cm)"])
    settled(page.run())
    assert told(page) == ["Choose at least two features."]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_changes_the_whole_page_at_once(language):
    page = open_page(rows="1", distributions="1", versus="decision_tree")
    widget(page.selectbox, "lang").set_value(language)
    settled(page.run())
    assert query(page)["lang"] == language
    with use_language(language):
        from course_lib.i18n import _

        expected = _("{model} and {other} on {data}").format(
            model=_("Random forest"), other=_("Decision tree"), data=_("Iris")
        )
        assert titles(page) == [expected]
        assert widget(page.selectbox, "model").label == _("Model")
        assert widget(page.toggle, "rows").label == _("Show test data")
        assert _("true class") in page.dataframe[0].value.columns
        specs = "".join(each.proto.spec for each in page.get("vega_lite_chart"))
        assert json.dumps(_("false positive rate")) in specs
    assert widget(page.selectbox, "lang").options == list(LANGUAGES.values()), "each in its own name"


def test_two_people_in_two_languages_do_not_disturb_each_other(monkeypatch):
    seen = {}

    def visit(language):
        with use_language(language):  # AppTest makes labels anew, here
            for _round in range(3):
                page = open_page(lang=language, model="decision_tree")
                spoken = widget(page.selectbox, "lang").value
                seen.setdefault(language, set()).add((spoken, page.metric[1].value.split()[0]))

    # At the end of each run AppTest takes away Streamlit's runtime, also from a page in another thread.
    runtime = MagicMock(spec=Runtime)
    runtime.media_file_mgr = MediaFileManager(MemoryMediaFileStorage("/mock/media"))
    runtime.dataframe_source_mgr = DataframeSourceManager()
    runtime.cache_storage_manager = MemoryCacheStorageManager()
    monkeypatch.setattr(Runtime, "instance", classmethod(lambda _class: runtime))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(visit, ("de", "en")))
    ((german, with_comma),), ((english, with_point),) = seen["de"], seen["en"]
    assert (german, english) == ("de", "en")
    assert "," in with_comma and with_comma.replace(",", ".") == with_point


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("lang", "fr", "lang=fr"),
        ("data", "../../etc/passwd", "data=../../etc/passwd"),
        ("model", "<script>", "model=<script>"),
        ("n_estimators", "many", "n_estimators=many"),
        ("n_estimators", "-5", "n_estimators=-5"),
        ("n_estimators", "100000", "n_estimators=100000"),
        ("max_depth", "1e3", "max_depth=1e3"),
        ("max_depth", "9" * 5000, "max_depth=" + "9" * 10),
        ("versus", "", "versus="),
        ("shares", "yes", "shares=yes"),
        ("features", "height", "features=height"),
    ],
)
def test_nonsense_in_the_address_gives_the_default_and_a_note(name, value, said):
    page = open_page(**{name: value, "distributions": "1"})
    assert titles(page) == ["Random forest on Iris"]
    (note,) = told(page)
    assert said in note
    widget(page.toggle, "rows").set_value(True)
    settled(page.run())
    assert not page.warning, "said once; from now on the page counts"


def test_what_is_no_choice_in_the_address_is_left_alone():
    assert from_query({"token": ["x"], "embed": ["true"]}, lang="en") == (Choices(), [])


def test_choices_come_back_from_the_address_as_they_were():
    choices = Choices(
        "ja", "wine", "extra_trees", 70, 3, "decision_tree", None, 2, True, True, True, True, ("a,b", "c")
    )
    written = {
        name: value if isinstance(value, list) else [value] for name, value in to_query(choices).items()
    }
    assert from_query(written, lang="en") == (choices, [])


def upload(content: bytes, name: str = "own.csv") -> AppTest:
    st.cache_resource.clear()  # all AppTests are one session, and their files have the same ids
    page = open_page(data="csv")
    assert told(page) == ["Choose a file in the sidebar."]
    page.file_uploader[0].upload(name, content, "text/csv")
    return settled(page.run())


def test_a_table_of_ones_own_is_shown_like_any_other():
    page = upload(IRIS)
    assert titles(page) == ["Random forest on own.csv"]
    assert widget(page.selectbox, "target").value == "kind" and len(page.metric) == 3
    assert query(page)["data"] == "csv" and "own.csv" not in str(query(page))
    widget(page.selectbox, "target").set_value("width")
    settled(page.run())
    assert told(page) == ["The column 'kind' needs numbers; in row 1 it holds 'a'."]
    widget(page.selectbox, "target").set_value("kind")
    settled(page.run())
    assert titles(page) == ["Random forest on own.csv"] and not page.error


@pytest.mark.parametrize("language", ["en", "ja"])
def test_columns_may_be_called_as_the_page_calls_its_own(monkeypatch, language):
    monkeypatch.setenv("COURSE_LANG", language)
    with use_language(language):
        from course_lib.i18n import _

        own = [_("prediction"), _("row"), _("true class"), _("predicted class"), _("probability")]
    names = [*dict.fromkeys([*own, "mark", "wrong", "true", "class", "f0"])]
    st.cache_resource.clear()
    page = open_page(data="csv")
    rows = "".join(
        f"{','.join(str((row + place) % 7) for place in range(len(names)))},{'ab'[row % 2]}\n"
        for row in range(40)
    )
    page.file_uploader[0].upload("own.csv", f"{','.join(names)},kind\n{rows}".encode(), "text/csv")
    settled(page.run())
    for name in ("rows", "distributions"):
        widget(page.toggle, name).set_value(True)
        settled(page.run())
    assert not page.error
    columns = list(page.dataframe[0].value.columns)
    assert len(set(columns)) == len(columns) == 5 + len(names) and columns[:5] == own and "mark" in columns


def test_the_same_table_under_another_name_has_that_name():
    page = upload(IRIS, "first.csv")
    page.file_uploader[0].upload("second.csv", IRIS, "text/csv")
    assert titles(settled(page.run())) == ["Random forest on second.csv"]


HEADER = b"a,b,c\n"
ROWS = b"".join(f"{i},{i % 5},{'xy'[i % 2]}\n".encode() for i in range(40))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        HEADER,
        HEADER + ROWS.replace(b"x", b"y"),
        b",".join(f"c{i}".encode() for i in range(10_000)) + b"\n" + b",".join([b"1"] * 10_000) + b"\n",
        b"\xff\xfe\x00\x01\x02" + bytes(range(256)),
        b"\x00" * 100,
        HEADER + b"".join(b"1,2,k%d\n" % i for i in range(100)),
    ],
    ids=["empty", "no rows", "one class", "10,000 columns", "wrong encoding", "zeros", "a class a row"],
)
def test_a_bad_file_gives_one_sentence_and_the_page_goes_on(content):
    page = upload(content)
    assert len(page.error) == 1 and len(told(page)[0]) > 20 and "\n" not in told(page)[0]
    assert "Traceback" not in told(page)[0] and not page.metric
    widget(page.selectbox, "data").set_value("iris")
    settled(page.run())
    assert titles(page) == ["Random forest on Iris"] and not page.error


def test_a_better_file_after_a_bad_one_is_read():
    page = upload(b"")
    assert page.error
    page.file_uploader[0].upload("good.csv", IRIS, "text/csv")
    settled(page.run())
    assert not page.error and titles(page) == ["Random forest on good.csv"]


def test_a_formula_in_a_cell_is_shown_as_text_and_never_downloaded_as_one():
    rows = b"".join(f"{i},=cmd|calc{i % 2}\n".encode() for i in range(40))
    page = upload(b"a,kind\n" + rows)
    widget(page.toggle, "rows").set_value(True)
    settled(page.run())
    assert not page.error
    assert "=cmd|calc0" in set(page.dataframe[0].value["true class"])
    from course_lib.visualize.uploads import safe_csv

    assert b",=cmd" not in safe_csv(page.dataframe[0].value)


def test_covertype_that_cannot_be_had_is_one_sentence_and_the_others_go_on(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_COVERTYPE", str(tmp_path / "nowhere.gz"))
    page = open_page(data="covertype")
    assert len(page.error) == 1 and "nowhere.gz" in told(page)[0]
    assert [each.label for each in page.button] == ["Try again"]
    page.button[0].click()
    settled(page.run())
    assert len(page.error) == 1, "asked anew, and told anew"
    widget(page.selectbox, "data").set_value("wine")
    settled(page.run())
    assert titles(page) == ["Random forest on Wine"] and not page.error


@pytest.fixture
def broken_training(monkeypatch):
    """Training fails in a way that nobody foresaw, with a cell of a table in its message."""

    def fail(*_rows, **_settings):
        raise LookupError("a cell of somebody's table")

    monkeypatch.setattr(work, "train", fail)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_nobody_foresaw_is_one_sentence_and_its_text_reaches_no_log(broken_training, caplog, language):
    page = open_page(lang=language)
    with use_language(language):
        from course_lib.i18n import _

        sentence = _(
            "Something went wrong in the app itself. Try again, or choose other data or another model."
        )
    assert told(page) == [sentence] and not page.metric
    assert "LookupError at " in caplog.text and "test_visualize_app.py" in caplog.text
    assert "somebody's table" not in caplog.text and "Traceback" not in caplog.text
    assert len(page.button) == 1, "to try again"


def test_so_is_what_goes_wrong_when_the_page_is_drawn(monkeypatch, caplog):
    def fail(*_rows, **_settings):
        raise LookupError("a cell of somebody's table")

    monkeypatch.setattr(results, "confusion_chart", fail)
    page = open_page()
    assert len(page.error) == 1 and "Something went wrong" in told(page)[0]
    assert "LookupError at " in caplog.text and "somebody's table" not in caplog.text


SIGNS = ["[click](http://x.org)", ":red[x]", "$x$", "<b>", "`c`", "*e*", ":smile:", "www.x.org", "a -> b"]


@pytest.mark.parametrize("sign", SIGNS)
def test_text_from_a_visitor_is_never_read_as_markdown(sign):
    marked = literal(sign)
    assert plain(marked) == sign and marked != sign
    assert re.search(r"(?<!\\)[\[\]()$<>`*:]", marked) is None
    page = upload((f"{sign},kind\n" + 4 * f"{sign},a\n{sign},b\n").encode())
    assert page.error[0].value.count(literal(sign)) == 2, "the column's name, and the cell"
    page = upload(b"width,kind\n" + b"".join(f"{i},{[sign, 'z'][i % 2]}\n".encode() for i in range(40)))
    assert literal(sign) in list(page.table[0].value["class"])
    page = open_page(model=sign)
    assert literal(f"model={sign}") in page.warning[0].value


@pytest.mark.parametrize(
    "text", ["http://x", "www.x.org", "a@b.org", ":smile:", "a -> b", "a -- b", "a >= b"]
)
def test_what_streamlit_replaces_after_markdown_is_taken_apart(text):
    assert "\u2060" in literal(text), "a backslash would come too late"


def test_a_files_name_is_never_read_as_markdown():
    page = upload(IRIS, ":red[x].csv")
    assert page.title[0].value == "Random forest on " + literal(":red[x].csv")
    page = upload(b"", ":red[x].csv")
    assert literal(":red[x].csv") in page.error[0].value


class Slow:
    """In the place of `train`: it works until somebody lets it go, or stops it."""

    def __init__(self, monkeypatch):
        self.started, self.go, self.calls = threading.Event(), threading.Event(), 0
        self._train = work.train
        st.cache_resource.clear()
        monkeypatch.setattr(work, "train", self)

    def __call__(self, rows, settings, *, progress, stop):
        self.calls += 1
        progress(0.5)
        self.started.set()
        deadline = time.monotonic() + SECONDS
        while not self.go.wait(0.02):
            if stop.is_set():
                raise Stopped
            assert time.monotonic() < deadline
        return self._train(rows, settings, progress=progress, stop=stop)


def start(**choices) -> AppTest:
    page = AppTest.from_file(SCRIPT, default_timeout=SECONDS)
    for name, value in choices.items():
        page.query_params[name] = value
    return page.run()


def test_long_training_shows_how_far_it_is_and_can_be_stopped(monkeypatch):
    slow = Slow(monkeypatch)
    page = start(model="decision_tree")
    assert slow.started.wait(SECONDS)
    page.run()
    (bar,) = page.get("progress")
    assert bar.proto.value == 45 and plain(bar.proto.text).startswith("Training: Decision tree")
    assert not page.metric and titles(page) == ["Decision tree on Iris"]
    assert [each.label for each in page.button] == ["Stop"]
    page.button[0].click()
    page.run()
    page.run()
    assert told(page) == ["Stopped: Training: Decision tree (greatest depth 5)"] and not page.get("progress")
    slow.go.set()
    page.button[0].click()
    settled(page.run())
    assert len(page.metric) == 3 and slow.calls == 2


def test_one_persons_long_training_does_not_hold_up_anothers_page(monkeypatch):
    slow = Slow(monkeypatch)
    slow.go.set()
    ready = open_page(model="extra_trees")
    slow.go.clear()
    slow.started.clear()
    waiting = start(model="decision_tree")
    assert waiting.get("progress") and slow.started.wait(SECONDS)
    widget(ready.radio, "shares").set_value(True)
    assert len(ready.run().metric) == 3
    slow.go.set()
    assert len(settled(waiting.run()).metric) == 3


def test_two_who_ask_for_the_same_share_one_training_and_one_cannot_stop_the_others(monkeypatch):
    slow = Slow(monkeypatch)
    one, other = start(model="decision_tree"), start(model="decision_tree")
    assert one.get("progress") and other.get("progress")
    one.button[0].click()
    one.run()
    one.run()
    assert told(one) and not one.get("progress")
    slow.go.set()
    assert len(settled(other.run()).metric) == 3 and slow.calls == 1


def test_what_nobody_waits_for_any_more_is_stopped(monkeypatch):
    slow = Slow(monkeypatch)
    page = start(model="decision_tree")
    assert slow.started.wait(SECONDS)
    running = [each for each in threading.enumerate() if each.name == "app job"]
    widget(page.slider, "max_depth").set_value(2)
    page.run()
    for thread in running:
        thread.join(SECONDS)
    assert running and not any(each.is_alive() for each in running)
    slow.go.set()
    assert len(settled(page.run()).metric) == 3


def test_what_somebody_waits_for_who_closes_the_page_is_stopped_and_begins_anew_when_they_come_back(
    monkeypatch,
):
    slow = Slow(monkeypatch)
    page = start(model="decision_tree")
    assert slow.started.wait(SECONDS)
    running = [each for each in threading.enumerate() if each.name == "app job"]
    clear_session_resource_cache(SESSION)  # as Streamlit does when a browser is gone
    for thread in running:
        thread.join(SECONDS)
    assert running and not any(each.is_alive() for each in running)
    slow.go.set()
    assert len(settled(page.run()).metric) == 3 and slow.calls == 2


def test_a_job_tells_its_results_stage_by_stage_and_its_error_to_all():
    gate = threading.Event()

    def work(job):
        job.publish("first", 1)
        assert gate.wait(SECONDS)
        raise LookupError("broken")

    job = Job(work)
    assert job.wait("first", seconds=SECONDS) and job.result("first") == 1
    assert not job.wait("second", seconds=0) and not job.failed
    gate.set()
    assert job.wait("second", seconds=SECONDS) and job.failed
    for _asked in range(2):
        with pytest.raises(LookupError, match="broken"):
            job.result("second")
    assert job.result("first") == 1


def test_the_server_keeps_everything_to_itself():
    chosen = dict(option.removeprefix("--").split("=", 1) for option in options(8501))
    assert chosen["server.address"] == "127.0.0.1" and chosen["browser.gatherUsageStats"] == "False"
    assert chosen["client.showErrorDetails"] == "none" and chosen["client.disableDataExport"] == "True"
    assert (
        int(chosen["server.maxUploadSize"]) == UPLOAD_MEGABYTES and UPLOAD_MEGABYTES * 10**6 <= UPLOAD_LIMIT
    )


def test_the_models_and_data_sets_are_all_offered():
    page = open_page()
    assert len(widget(page.selectbox, "model").options) == len(MODELS) >= 5
    assert len(widget(page.selectbox, "data").options) == len(DATASETS) + 1
    assert len(load("iris").target) == 150
