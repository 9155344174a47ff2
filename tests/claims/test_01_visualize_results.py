"""What the prose of lesson 01_visualize_results states: each number and each comparison.

The lesson's own cells are run here, but for those that show a page in a frame; the pages are asked directly.
"""

import contextlib
import inspect
import io
import math
import re

import altair as alt
import httpx
import numpy as np
import pytest
import streamlit as st
from matplotlib.colors import to_rgb
from sklearn.metrics import confusion_matrix, roc_auc_score

from claims.lesson_text import LessonText
from course_lib import doctor
from course_lib.data import wine_quality
from course_lib.visualize import datasets, stages
from course_lib.visualize import lesson_pictures as pictures
from course_lib.visualize.app.server import app_address, start_app
from course_lib.visualize.stages import linked_view as library
from tools.layout import HERE
from tools.lessons import read_lesson

LESSON = "01_visualize_results"
stated = LessonText(LESSON).stated
SHOWS_A_PAGE = re.compile(r"start_stage\(|start_app\(|\.stop\(\)")


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names that the lesson's cells leave behind, and under "printed" what they printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("home")))
        names, printed = {"__name__": "__main__"}, io.StringIO()
        for cell in read_lesson(HERE.root / "lessons" / f"{LESSON}.py").cells:
            if cell.kind in ("code", "solution") and not SHOWS_A_PAGE.search(cell.source):
                with contextlib.redirect_stdout(printed):
                    exec(compile(cell.source, "<lesson 01>", "exec"), names)
        yield names | {"printed": printed.getvalue()}


@pytest.fixture(scope="module")
def models(lesson):
    """What is said by logistic regression, and by naive Bayes."""
    return list(lesson["chances"].values())


def test_three_lines():
    stated("## Three lines")
    assert len([line for line in stages.source_of("three_lines").splitlines() if line]) == 3
    stated("150 flowers as points")
    stated("We build ours in five stages")
    assert len(stages.STAGES) == 5 and stages.STAGES[-1] == "linked"
    stated("`slider`, `cached`, `form`, `linked`")
    assert stages.STAGES[1:] == ("slider", "cached", "form", "linked")


def test_trainings_with_and_without_a_cache(lesson):
    stated("from 10 to 20, then to 30, then to 20 again. The model is trained **four times**")
    stated("Now there are **three** trainings, and **none** for the next visitor.")
    stated("trainings(stage, [20, 30, 20])")
    assert stages.open_page("slider").slider[0].value == 10
    assert "4 3 0\n" in lesson["printed"]


def test_a_copy_and_a_shared_thing(lesson):
    stated("what was appended to a copy is lost; what was appended to the shared list is there for everybody")
    assert "[] [1]\n" in lesson["printed"]


def test_what_a_key_leaves_out():
    stated("a global variable that the function reads: the cache knows nothing of them")
    factor = {"is": 1}

    @st.cache_data
    def times_factor(number):
        return number * factor["is"]

    assert times_factor(3) == 3
    factor["is"] = 2
    assert times_factor(3) == 3
    stated("An argument whose name begins with an underscore is left out of the key on purpose")

    @st.cache_data
    def of(_left_out, number):
        return (_left_out, number)

    assert of("a", 1) == ("a", 1) and of("b", 1) == ("a", 1) and of("b", 2) == ("b", 2)


def test_a_form_and_two_visitors(lesson):
    stated("nothing is trained before *Train* is pressed. The second sees nothing of it.")
    assert "\n0\n1 0\n" in lesson["printed"]


def test_the_counter_of_exercise_1_never_gets_beyond_1(tmp_path):
    stated("never gets beyond 1")
    script = 'presses = 0\nif st.button("Press"):\n    presses = presses + 1\nst.metric("presses", presses)'
    stated(script.replace("\n", "\n# "))
    page = (
        stages.open_page("three_lines")
        .from_string(f"import streamlit as st\n{script}", default_timeout=60)
        .run()
    )
    for _press in range(3):
        page.button[0].click().run()
        assert page.metric[0].value == "1"


def test_charts_are_sentences_that_can_be_extended(lesson):
    stated("the second chart below is the first one and two channels more")
    first, second = (lesson[name].to_dict()["encoding"] for name in ("points", "by_species"))
    assert set(second) - set(first) == {"color", "shape"} and first["x"] == second["x"]
    stated("the third one has a panel for each species besides")
    assert lesson["panels"].to_dict()["encoding"]["column"]["field"] == "species"
    assert len(lesson["flowers"]) == 150


def test_the_linked_view_is_the_librarys(lesson):
    ours = next(
        cell.source
        for cell in read_lesson(HERE.root / "lessons" / f"{LESSON}.py").cells
        if cell.source.startswith("def linked_view")
    )
    body = inspect.getsource(library.linked_view).split('"""')[-1]
    assert ours.split("\n", 1)[1].strip() == body.strip()
    stated("it is the fifth stage of our app")
    assert "linked_view(answers(trees, depth))" in stages.source_of("linked")


def test_auc_of_six_wines(lesson):
    stated("Six wines, three of them good, make nine pairs.")
    stated("seven of nine")
    stated("Seven lie below the ROC curve and have a check mark.")
    labels, scores = lesson["labels"], lesson["scores"]
    assert len(labels) == 6 and labels.sum() == 3
    assert lesson["auc_by_hand"](labels, scores) == pytest.approx(7 / 9)
    marks = [text.get_text() for text in pictures.draw_pairs(scores, labels).axes[0].texts]
    assert sorted(marks) == ["✓"] * 7 + ["✗"] * 2
    stated("1 is perfect, 0.5 is what guessing gives")
    assert lesson["auc_by_hand"](labels, labels.astype(float)) == 1
    guesses, truth = np.random.default_rng(1).random(2000), np.arange(2000) % 2
    assert lesson["auc"](truth, guesses) == pytest.approx(0.5, abs=0.03)


def test_auc_of_three_cultivars(lesson):
    stated("For our three cultivars it is 0.99, although the model erred on 8 of 89 wines")
    assert np.mean(lesson["duels"]) == pytest.approx(0.99, abs=0.01)
    theirs = roc_auc_score(lesson["y_test"], lesson["probabilities"], multi_class="ovo")
    assert np.mean(lesson["duels"]) == pytest.approx(theirs, abs=0.002)  # ties count half there
    assert len(lesson["wines"]) == 89 and (~lesson["wines"]["right"]).sum() == 8


def test_good_wines_are_few(lesson):
    stated("The 1,599 red wines of lesson 00")
    table = wine_quality.load_data()
    assert len(table) == 1599
    stated("*good* from 7 up")
    stated("1,359 remain, and 184 of them, 14%, are good")
    kept = table.drop_duplicates()
    good = kept["quality"] >= 7
    assert (len(kept), good.sum(), round(100 * good.mean())) == (1359, 184, 14)
    stated("We train two models on one half, and ask about the other.")
    assert abs(len(lesson["learned"]) - len(lesson["asked"])) <= 1


def test_confusion_matrices(lesson, models):
    truth, (logistic, bayes) = lesson["asked_good"], models
    stated("Logistic regression is right for 87 of 100 wines.")
    assert ((logistic > 0.5) == truth).mean() == pytest.approx(0.87, abs=0.006)
    stated("it finds 29 of 92")
    stated("Logistic regression finds 29 of 92 good wines, naive Bayes 58.")
    matrices = [lesson["confusion"](truth, chance > 0.5) for chance in models]
    assert [matrix[1].tolist() for matrix in matrices] == [[63, 29], [34, 58]]
    assert (matrices[0] == confusion_matrix(truth, logistic > 0.5)).all()
    assert "[[2, 1], [1, 1]]" in lesson["printed"]
    stated("Whoever says *not good* each time, and has learned nothing, is right for 86 of 100.")
    assert round(100 * (~truth).mean()) == 86
    stated("Naive Bayes is right less often, and finds twice as many.")
    assert ((bayes > 0.5) == truth).mean() < ((logistic > 0.5) == truth).mean() and 58 == 2 * 29


def test_intervals(lesson):
    stated("five hundred times")
    stated("The middle 95% of the results")
    logistic, bayes = (np.array(values) for values in lesson["aucs"].values())
    assert len(logistic) == 500
    stated("The intervals of our two models overlap.")
    assert np.quantile(logistic, 0.025) < np.quantile(bayes, 0.975)
    stated("its interval begins above 0. Logistic regression ranks better.")
    assert np.quantile(logistic - bayes, 0.025) > 0.01


def test_calibration(lesson, models):
    stated("the order stays, and so does the AUC")
    assert (
        "roc_auc_score(asked_good, chance**2) == roc_auc_score(asked_good, chance)=True" in lesson["printed"]
    )
    stated("of the wines that it calls good with 91% on average, 45% are good")
    curves = {name: np.array(rows) for name, rows in lesson["curves"].items()}
    logistic, bayes = curves.values()
    assert bayes[-1] == pytest.approx([0.91, 0.45, 94], abs=0.01)
    stated("Naive Bayes is far below it")
    stated("the eleven measurements")
    assert lesson["asked"].shape[1] == 11
    assert (bayes[1:, 0] - bayes[1:, 1]).min() > 0.1
    stated("Logistic regression keeps close to the line.")
    off = [np.average(abs(rows[:, 0] - rows[:, 1]), weights=rows[:, 2]) for rows in (logistic, bayes)]
    assert off[0] < 0.05 < 0.1 < off[1]
    stated("its last bin has seven wines")
    assert logistic[-1, 2] == 7


def test_colours(lesson):
    stated("Red and green become two kinds of brown.")
    stated("**Okabe and Ito's palette**, which this course uses everywhere, stays apart.")
    assert np.sum(lesson["NO_GREEN_CONES"], axis=1) == pytest.approx(1, abs=0.002)  # white stays white

    def apart(pair):
        return np.linalg.norm(np.subtract(*map(to_rgb, pair)))

    bad, good = lesson["rows"].values()
    assert apart(bad[0]) > 0.8 and apart(bad[1]) < 0.15
    assert min(apart(pair) for pair in good[:2]) > 0.8
    red_seen, green_seen = map(to_rgb, bad[1])
    assert all(red > green > blue for red, green, blue in (red_seen, green_seen))
    assert {"#0072B2", "#E69F00"} <= {pictures.BLUE, pictures.ORANGE}
    stated("Is A larger than C?")
    stated('{"A": 18, "B": 23, "C": 17, "D": 12, "E": 20}')


def test_what_charts_hide(lesson):
    stated("191,734 points, as many as there are in a test set that you will meet in the app")
    stated("*Covertype* has 581,012 rows, and a third of them, 191,734, are its test.")
    assert math.ceil(581_012 * datasets.TEST_SHARE) == len(lesson["cloud"]) == 191_734
    stated("One place in it holds a tenth of all points")
    near = np.linalg.norm(lesson["cloud"] - (0.7, 0.5), axis=1) < 0.25
    assert near.mean() == pytest.approx(0.1, abs=0.03)
    stated("Mean, spread, correlation and fitted line are the same in all four, to two digits.")
    found = {
        tuple(
            float(f"{value:.2g}")
            for value in (np.mean(y), np.std(y), np.corrcoef(x, y)[0, 1], *np.polyfit(x, y, 1))
        )
        for x, y in pictures.ANSCOMBE
    }
    assert found == {(7.5, 1.9, 0.82, 0.5, 3.0)}


def test_a_chart_holds_columns_that_it_does_not_show(lesson):
    stated("The chart shows them nowhere; its JSON holds them all")
    assert "[True, False]\n" in lesson["printed"]
    encoded = re.sub(r'"datasets":.*', "", lesson["linked_view"](lesson["secret"]).to_json(indent=None))
    assert "taster" not in encoded


def test_the_bytes_of_many_points(lesson):
    stated("Altair refuses more than 5,000 rows")
    rows = lesson["table"].sample(5001, replace=True, random_state=0)
    with pytest.raises(alt.MaxRowsError):
        alt.Chart(rows).mark_point().encode(x="alcohol").to_dict()
    assert alt.Chart(rows[:5000]).mark_point().encode(x="alcohol").to_dict()
    stated("the 191,734 points as JSON have more than eight million bytes")
    stated("Their counts on a grid of 60 by 60 places say more, in less than a hundredth of the bytes.")
    points, counts = lesson["bytes_sent"]
    assert points > 8_000_000 and counts < points / 100 and lesson["counts"].shape == (60, 60)
    assert lesson["counts"].max() > 1000


def test_the_app_answers_and_ends(capsys):
    stated("It runs as a process of its own")
    stated("The choices stand in the address")
    with start_app() as app:
        assert app_address(app, query={"data": "wine"}).endswith("data=wine")
        assert httpx.get(app.url, timeout=30, trust_env=False).status_code == 200
        assert "course app" in capsys.readouterr().out
        stated("Here it listens to your own machine alone.")
        assert app.url.startswith("http://127.0.0.1:")
    assert not app.running


def test_the_doctor_asks_for_the_memory_that_the_prose_names():
    stated("**Memory:** under 1.5 GB, the app included.")
    assert doctor._MEMORY_NEEDED == 1.5
