"""What the prose of lesson 02_serve_models states: each number and each comparison."""

import ast
import inspect
import json
import pickle
from itertools import islice, product
from pathlib import Path

import mlflow
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold, cross_val_predict

import course_lib.serving
from claims.lesson_text import LessonText
from course_lib import doctor
from course_lib.data import wine_quality
from course_lib.serving import reference as reference_module
from course_lib.serving import runs, schema
from course_lib.serving.deployment import serve
from course_lib.serving.lean_skops import skops_io
from course_lib.serving.reference import Reference
from course_lib.serving.replay import normal_traffic, shifted_traffic
from course_lib.serving.runs import elastic_net, errors, split_wines, support_vectors
from course_lib.serving.saved_model import RefusedModel, load_model
from tools.layout import HERE

stated = LessonText("02_serve_models").stated
SOURCE = ast.parse((HERE.root / "lessons" / "02_serve_models.py").read_text(encoding="utf-8"))

PAIRS = list(product((0.003, 0.01, 0.03, 0.1, 0.3), (0.1, 0.3, 0.5, 0.7, 0.9)))
GAMMAS = (0.01, 0.03, 0.1)


@pytest.fixture(scope="module")
def wines():
    return split_wines()


@pytest.fixture(scope="module")
def reference(wines):
    return Reference.from_frame(wines.x_train)


@pytest.fixture(scope="module")
def validated(wines):
    """The errors in cross-validation, by the model's parameters, for all runs of the lesson."""
    folds = KFold(5, shuffle=True, random_state=0)

    def of(model):
        return errors(wines.y_train, cross_val_predict(model, wines.x_train, wines.y_train, cv=folds))

    grid = {pair: of(elastic_net(alpha=pair[0], l1_ratio=pair[1])) for pair in PAIRS}
    return grid | {gamma: of(support_vectors(gamma=gamma)) for gamma in GAMMAS}


def best(validated, choices):
    return min(choices, key=lambda choice: validated[choice]["rmse"])


def rmse_on_test(model, wines):
    return errors(wines.y_test, model.fit(wines.x_train, wines.y_train).predict(wines.x_test))["rmse"]


def without_docstring(function: ast.FunctionDef) -> str:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return "\n".join(ast.unparse(line) for line in function.body[is_docstring:])


def test_the_lesson_shows_the_librarys_own_function():
    (shown,) = (node for node in SOURCE.body if isinstance(node, ast.FunctionDef) and node.name == "log_run")
    (kept,) = ast.parse(inspect.getsource(runs.log_run)).body
    assert without_docstring(shown) == without_docstring(kept)


def test_the_errors_by_hand():
    stated("the tasters gave 5, 6, 7, 6, and a model predicts 5, 6, 6, 6")
    stated("(0 + 0 + 1 + 0) / 4 = 0.25$")
    stated(r"$\sqrt{(0 + 0 + 1 + 0) / 4} = 0.5$")
    stated("So $R^2 = 1 - 1/2 = 0.5$.")
    assert errors([5, 6, 7, 6], [5, 6, 6, 6]) == pytest.approx({"rmse": 0.5, "mae": 0.25, "r2": 0.5})


def test_the_wines(wines):
    table = wine_quality.load_data()
    stated("reads eleven laboratory measurements of a red wine and predicts the quality")
    stated("that tasters gave it, from 3 to 8")
    assert wines.x_train.shape[1] == 11
    assert (table["quality"].min(), table["quality"].max()) == (3, 8)
    stated("240 of the 1,599 rows repeat an earlier one")
    assert (len(table), table.duplicated().sum()) == (1599, 240)
    stated("1,087 wines are for training, and 272 are put away")
    assert (len(wines.x_train), len(wines.x_test)) == (1087, 272)


def test_the_grid_is_flat_on_the_left_and_high_at_the_top_right(validated, wines):
    stated("We try 25 pairs, and log a run for each.")
    loops = [
        node
        for node in ast.walk(SOURCE)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "product"
    ]
    assert [list(product(*map(ast.literal_eval, loop.args))) for loop in loops] == [PAIRS]
    assert len(PAIRS) == 25
    stated("The picture is flat on the left.")
    at = {alpha: [validated[pair]["rmse"] for pair in PAIRS if pair[0] == alpha] for alpha in (0.003, 0.3)}
    assert np.ptp(at[0.003]) < 0.002 < 0.05 < np.ptp(at[0.3])
    stated("makes the error larger: there, most weights are zero")
    assert validated[0.3, 0.9]["rmse"] == max(error["rmse"] for error in validated.values())
    weights = elastic_net(alpha=0.3, l1_ratio=0.9).fit(wines.x_train, wines.y_train)[-1].coef_
    assert (weights == 0).sum() > 11 / 2


def test_the_best_elastic_net_explains_a_third(validated, wines):
    stated("Always answering the mean would have an RMSE of 0.818.")
    mean = np.full(len(wines.y_train), wines.y_train.mean())
    assert round(errors(wines.y_train, mean)["rmse"], 3) == 0.818
    stated("the best elastic net explains a third of the variance")
    assert best(validated, PAIRS) == (0.03, 0.3)
    assert validated[0.03, 0.3]["r2"] == pytest.approx(1 / 3, abs=0.01)


def test_support_vectors_are_a_little_better_twice(validated, wines):
    stated("SVR is better in cross-validation and on the test wines, and not by much")
    stated("an RMSE of 0.660 against 0.669, and of 0.642 against 0.653")
    gamma = best(validated, GAMMAS)
    assert validated[gamma]["rmse"] == pytest.approx(0.660, abs=6e-4)
    assert validated[best(validated, PAIRS)]["rmse"] == pytest.approx(0.669, abs=6e-4)
    assert rmse_on_test(support_vectors(gamma=gamma), wines) == pytest.approx(0.642, abs=6e-4)
    assert rmse_on_test(elastic_net(alpha=0.03, l1_ratio=0.3), wines) == pytest.approx(0.653, abs=6e-4)
    stated("Had we looked at the test wines for each of the 28 runs")
    assert len(PAIRS) + len(GAMMAS) == 28
    tested = {gamma: rmse_on_test(support_vectors(gamma=gamma), wines) for gamma in GAMMAS}
    assert min(tested.values()) < tested[best(validated, GAMMAS)]  # "too good to be true"


def test_a_pickle_calls_and_skops_refuses(wines, capsys):
    stated("Nobody calls `print`, and yet it is called")

    class Surprise:
        def __reduce__(self):
            return print, ("called",)

    pickle.loads(pickle.dumps(Surprise()))
    assert capsys.readouterr().out == "called\n"
    stated("It refuses everything else before anything runs, even a random forest")
    forest = RandomForestRegressor(n_estimators=2).fit(wines.x_train, wines.y_train)
    for suspicious in (Surprise(), forest):
        with pytest.raises(skops_io.exceptions.UntrustedTypesFoundException):
            skops_io.loads(skops_io.dumps(suspicious), trusted=[])
    assert capsys.readouterr().out == ""


def test_mlflow_reads_the_list_of_trusted_types_from_the_models_folder_and_we_do_not(
    wines, reference, tmp_path
):
    stated("MLflow stores that list *in the model's folder*, in the file `MLmodel`")
    stated("Our service reads of it only the format and the file's name.")
    forest = RandomForestRegressor(n_estimators=2).fit(wines.x_train, wines.y_train)
    (tmp_path / "reference.json").write_text(reference.to_json(), encoding="utf-8")
    mlflow.sklearn.save_model(
        forest,
        str(tmp_path / "model"),
        serialization_format="skops",
        skops_trusted_types=["sklearn.tree._tree.Tree"],
        pip_requirements=[],
        extra_files=[str(tmp_path / "reference.json")],
    )
    assert isinstance(mlflow.sklearn.load_model(str(tmp_path / "model")), RandomForestRegressor)
    with pytest.raises(RefusedModel, match="Tree"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("gamma", GAMMAS)
def test_an_svr_holds_two_thirds_of_the_training_wines(wines, gamma):
    stated("inside the SVR, about two thirds of the training wines")
    stated("About two thirds of the training wines lie in its file")
    model = skops_io.loads(
        skops_io.dumps(support_vectors(gamma=gamma).fit(wines.x_train, wines.y_train)), trusted=[]
    )
    scaler, machine = model[0], model[-1]
    held = scaler.inverse_transform(machine.support_vectors_).round(6)
    training = set(map(tuple, wines.x_train.to_numpy().round(6)))
    assert set(map(tuple, held)) <= training
    assert len(held) / len(training) == pytest.approx(2 / 3, abs=0.04)


def test_minus_fifty_of_everything_gets_113(wines):
    stated("gets a quality of 113, where 10 is the best score")
    champion = elastic_net(alpha=0.03, l1_ratio=0.3).fit(wines.x_train, wines.y_train)
    assert round(champion.predict(wines.x_test.head(1) * 0 - 50).item()) == 113


def test_the_service_looks_for_a_champion_every_ten_seconds():
    stated("it also looks by itself, every ten seconds")
    assert inspect.signature(serve).parameters["refresh_seconds"].default == 10


def test_a_question_holds_up_to_5000_wines():
    stated("A question may hold up to 5,000 wines.")
    assert schema.MOST_ROWS == 5_000


@pytest.mark.parametrize("language", HERE.languages)
def test_the_request_left_a_line_in_the_log(language):
    stated("Each request for a prediction leaves one line in the log, as JSON with an id")
    notebook = nbformat.read(HERE.notebook("02_serve_models", language), as_version=4)
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    (line,) = [json.loads(line) for line in printed.splitlines() if line.startswith('{"time"')]
    assert line["request_id"] and (line["event"], line["status"], line["rows"]) == ("request", 200, 1)


def test_the_gap_by_hand():
    stated("training saw a pH of 3.1, 3.2, 3.2 and 3.3, and now come 3.3, 3.3, 3.4, 3.4")
    stated("At 3.2 three of four training values are at or below, and none of the new ones: the gap is 0.75.")
    seen = Reference.from_frame(pd.DataFrame({"pH": [3.1, 3.2, 3.2, 3.3]}), window=4)
    assert seen.features["pH"].distance(np.array([3.3, 3.3, 3.4, 3.4])) == 0.75


def test_the_threshold(reference):
    stated("The service keeps the newest 200 wines")
    stated("the champion, with the training wines inside an SVR; the newest 200 wines")
    assert reference.window == 200
    stated("`Reference` has tried out how far, two thousand times")
    assert reference_module.ROUNDS == 2000
    stated("in 99 of 100 windows no measurement is further off than the **threshold**")
    stated("of independent windows, 1 in 100 cries wolf")
    assert reference.false_alarm_rate == 0.01


@pytest.fixture(scope="module")
def traffic(wines):
    """The wines of the replay: shape (500, 11)."""
    summer = {"alcohol": 0.8, "density": -0.0008}
    return np.vstack(
        [
            pd.concat(islice(normal_traffic(wines.x_test, seed=0), 260)),
            pd.concat(islice(shifted_traffic(wines.x_test, summer, seed=100), 240)),
        ]
    )


def test_the_alarm_rises_for_alcohol_and_later_for_density(traffic, reference, wines):
    stated("260 test wines as they are, and 240 of a hot summer")
    stated("so 0.8% by volume more alcohol, and a lower density")
    loud = {}
    for sent in range(200, 501, 20):
        distances = reference.distances(traffic[sent - 200 : sent])
        loud[sent] = {name for name, distance in distances.items() if distance > reference.threshold}
    stated("Then chance is at work, below the threshold.")
    assert not any(loud[sent] for sent in loud if sent <= 260)
    stated("when three wines in ten are of the summer, the alarm rises")
    first = min(sent for sent in loud if loud[sent])
    assert (first - 260) / 200 == 0.3
    stated("first alcohol, later density as well")
    assert loud[first] == {"alcohol"} and loud[500] == {"alcohol", "density"}


def test_other_signs_say_nothing_but_the_answers_move(traffic, wines):
    stated("Of the 240 wines, no more than a handful had an outlier.")
    table = wines.x_train.to_numpy()
    outside = (traffic < table.min(axis=0)) | (traffic > table.max(axis=0))
    assert outside[260:].sum() <= 5
    stated("the mean prediction rose by 0.2")
    model = support_vectors(gamma=0.01).fit(wines.x_train.to_numpy(), wines.y_train)
    before, after = (model.predict(traffic[end - 200 : end]).mean() for end in (260, 500))
    assert after - before == pytest.approx(0.2, abs=0.05)
    assert (round(before, 1), round(after, 1)) == (5.7, 5.9)


def test_what_is_shipped():
    stated("`course_lib/serving/rules/wine_alerts.yml` has seven alerts")
    folder = Path(course_lib.serving.__file__).parent
    (group,) = yaml.safe_load((folder / "rules" / "wine_alerts.yml").read_text())["groups"]
    assert len([rule for rule in group["rules"] if "alert" in rule]) == 7
    stated("and `grafana/wine.json` is a dashboard to import")
    assert json.loads((folder / "grafana" / "wine.json").read_text())["panels"]
    stated("**Several workers**, `--workers 4`")
    assert "workers" in inspect.signature(serve).parameters


def test_the_doctor_asks_for_the_memory_that_the_prose_names():
    stated("**Memory:** under 1.5 GB, all servers included.")
    assert doctor._MEMORY_NEEDED == 1.5
