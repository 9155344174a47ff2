"""What the prose of lesson 04_pate states: each number and each comparison.

The lesson's own cells are run here, so that its long work is found where the notebooks left it, and what
they trained is held within tolerances: processors differ in the last digits.
"""

import contextlib
import io
import math

import numpy as np
import pytest
from dp_accounting import NeighboringRelation, dp_event
from dp_accounting.pld import PLDAccountant

from claims.lesson_text import LessonText
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu
from course_lib.pate.mechanisms import ConfidentGNMax, GNMax, InteractiveGNMax
from course_lib.pate.noise import SeededNoise
from tools.layout import HERE
from tools.lessons import read_lesson

stated = LessonText("04_pate").stated
DELTA = 1e-5
pytestmark = pytest.mark.timeout(2400)  # the whole lesson, with nothing in the cache


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names that the lesson's cells leave behind, and under "printed" what each of them printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("home")))
        names, printed = {"__name__": "__main__"}, []
        for cell in read_lesson(HERE.root / "lessons" / "04_pate.py").cells:
            if cell.kind in ("code", "solution"):
                text = io.StringIO()
                with contextlib.redirect_stdout(text):
                    exec(compile(cell.source, "<lesson 04>", "exec"), names)
                printed.append(text.getvalue())
        yield names | {"printed": "\n".join(printed)}


def test_the_coin(lesson):
    stated("one quarter says yes; of those who did, three quarters")
    stated("$\\ln 3 \\approx 1.1$")
    assert round(math.log(0.75 / 0.25), 1) == 1.1
    assert "answers.mean()=0.400 2 * (answers.mean() - 0.25)=0.300" in lesson["printed"]
    cheated, honest = np.ones(100_000), np.zeros(100_000)
    for truth, share in ((cheated, 0.75), (honest, 0.25)):
        answers = lesson["randomised_response"](truth.astype(bool), np.random.default_rng(1))
        assert answers.mean() == pytest.approx(share, abs=0.01)
    assert lesson["epsilon_of_coin"](0.5) == pytest.approx(math.log(3))
    stated("smaller than one divided by the number of people")
    assert len(lesson["private_images"]) < 1 / DELTA


def test_composition():
    stated("8 answers with $\\sigma = 4$ give $\\mu = 1$")
    assert gnmax_mu(8, sigma=4) == 1
    stated("grows with the square root of $k$")
    assert gnmax_mu(400, sigma=40) == pytest.approx(2 * gnmax_mu(100, sigma=40))


def test_the_teachers(lesson):
    stated("60,000 training images are now the private data of 250 hospitals")
    stated("240 images for each")
    parts = lesson["disjoint_parts"](len(lesson["private_images"]), teachers=250, seed=1)
    assert {len(part) for part in parts} == {240} and len(parts) == 250
    stated("one matrix of 588 by 10 numbers")
    stated("in 7 x 7 places, how much ink begins in each of 12 directions")
    learned = [weights.shape for weights in lesson["network"]().parameters() if weights.requires_grad]
    assert (10, 588) in [tuple(shape) for shape in learned] and 588 == 12 * 7 * 7
    stated("in eight ways")
    assert lesson["predictions"].shape == (250, 9000)
    assert (lesson["predictions"] == lesson["public_labels"]).mean() > 0.955


def test_teachers_agree_and_then_they_are_right(lesson):
    stated("On most of the images nearly all teachers agree")
    right = lesson["votes"].argmax(axis=1) == lesson["public_labels"]
    agree = lesson["top_votes"] > 225
    assert agree.mean() > 0.9
    stated("**where teachers agree, they are right**")
    assert right[agree].mean() > 0.995 and right[~agree].mean() < 0.9


def test_the_lessons_mechanisms_are_the_librarys(lesson):
    random = np.random.default_rng(3)
    for row in lesson["votes"][lesson["top_votes"].argsort()[:200]]:
        seed = int(random.integers(2**31))
        by_hand = lesson["gnmax"](row, 40, np.random.default_rng(seed))
        assert by_hand == GNMax(sigma=40).answers([row], noise=SeededNoise(seed))[0]
        by_hand = lesson["confident_gnmax"](row, 100, 20, 40, np.random.default_rng(seed))
        confident = ConfidentGNMax(threshold=100, sigma_threshold=20, sigma=40)
        assert by_hand == confident.answers([row], noise=SeededNoise(seed))[0]
        believed = random.dirichlet(np.ones(10))
        numbers = {"threshold": 100, "sigma_threshold": 20, "sigma": 40, "confidence": 0.3}
        by_hand = lesson["interactive_gnmax"](row, believed, *numbers.values(), np.random.default_rng(seed))
        interactive = InteractiveGNMax(**numbers)
        assert by_hand == interactive.answers([row], [believed], noise=SeededNoise(seed))[0]


def test_noise_on_the_votes(lesson):
    stated("The clear digit survives this noise.")
    votes, some, random = lesson["votes"], lesson["some"], np.random.default_rng(9)
    clear, unclear = votes[some[0]], votes[some[-1]]
    assert {lesson["gnmax"](clear, 40, random) for _repeat in range(1000)} == {int(clear.argmax())}
    stated("On the unreadable one GNMax guesses, while Confident-GNMax stays silent")
    assert len({lesson["gnmax"](unclear, 40, random) for _repeat in range(100)}) > 2
    silent = [lesson["confident_gnmax"](unclear, 200, 80, 40, random) for _repeat in range(1000)].count(-1)
    assert silent > 850


def test_the_mechanisms_compared(lesson):
    lines = [line.split(" ", 3) for line in lesson["printed"].splitlines() if "Max(" in line]
    laplace, gauss, confident = (
        [float(line[0].strip("%")), float(line[1].strip("%")), float(line[2])] for line in lines
    )
    stated("it answers fewer questions, a larger share of them right, for less")
    assert confident[0] < 90 < gauss[0] and confident[1] > gauss[1] and confident[2] < gauss[2]
    stated("Gaussian noise beats Laplace noise at the same ε")
    assert laplace[2] == pytest.approx(gauss[2], abs=0.05) and laplace[1] < gauss[1] - 1


def test_which_epsilon_may_be_published(lesson):
    numbers = [float(line.split()[0]) for line in lesson["printed"].splitlines() if line[6:9] == "   "][:8]
    before, after, deviation, smooth, exact, by_rdp, coarse, paper = numbers
    stated("ε = 34 allows a factor of $e^{34}$")
    assert round(before) == 34 and after > before and deviation > 1
    stated("The fourth is the smallest number, and no ε.")
    assert smooth == min(before, after, smooth, exact, by_rdp, coarse)
    stated("The three after it may be published, and speak of the same noise: one is computed best.")
    assert exact < by_rdp < coarse
    stated("at the paper's setting ε is 2.5")
    assert paper == 2.5 and gaussian_epsilon(
        gnmax_mu(286, sigma=40, looks=640, sigma_threshold=150), delta=DELTA
    ) == pytest.approx(2.54, abs=0.01)


def test_the_ledger(lesson):
    stated("We ask about 100 public images, drawn at random, with a budget of 1.36.")
    ledger = lesson["ledger"]
    assert ledger.budget == 1.36 and not ledger.protects_anyone
    assert (lesson["answers"] == lesson["public_labels"][lesson["asked"]]).mean() > 0.93
    stated("What would exceed the budget is refused")
    assert "refused, nothing charged" in lesson["printed"] and "this protects nobody" in lesson["printed"]


def test_the_students(lesson):
    stated("But it has 8,900 more images")
    stated("twenty questions are enough: first twelve about all images, then eight")
    thrifty, labels = lesson["thrifty"], lesson["exam_labels"]
    assert len(thrifty["given"]) == len(thrifty["epsilons"]) == 20
    stated("train a student that is right in at least 98 of 100 cases at an ε below 2")
    accuracy = (thrifty["exam"] == labels).mean()
    assert accuracy >= 0.98 and thrifty["epsilons"][-1] < 0.5
    supervised, semi = ((lesson["two"][name] == labels).mean() for name in ("supervised", "semi"))
    assert supervised < min(semi, accuracy) - 0.005 and semi > 0.98
    stated("is about as good as one of our teachers")
    of_one_teacher = (lesson["predictions"] == lesson["public_labels"]).mean()
    assert supervised == pytest.approx(of_one_teacher, abs=0.02)
    assert len(labels) == 1000


def test_the_trade_off(lesson):
    stated("More noise lowers ε, and spoils answers. More teachers drown out the same noise")
    of = {(row["teachers"], row["answers"], row["sigma"]): row for row in lesson["rows"]}
    assert of[250, 100, 150]["epsilon"] < of[250, 100, 40]["epsilon"] < of[250, 100, 10]["epsilon"]
    assert of[250, 100, 150]["right"] < of[250, 100, 40]["right"]
    assert of[50, 100, 40]["right"] < of[100, 100, 40]["right"] < of[250, 100, 40]["right"]


def test_dp_sgd(lesson):
    stated("the gradient (3, 4) has length 5 and becomes (0.6, 0.8)")
    assert lesson["cut"][0] == pytest.approx([0.6, 0.8]) and lesson["cut"][1] == pytest.approx([0.3, 0.4])
    stated("Here DP-SGD does as well as our best student, or nearly so.")
    best = (lesson["thrifty"]["exam"] == lesson["exam_labels"]).mean()
    for promised, epsilon, exam in zip(
        (0.5, 2.0), lesson["dp_sgd"]["stated"], lesson["dp_sgd"]["exams"], strict=True
    ):
        assert 0.9 * promised < epsilon <= promised
        assert abs((exam == lesson["exam_labels"]).mean() - best) < 0.02


def test_exchanging_an_example_costs_dp_sgd_about_twice():
    stated("to *exchange* one image costs about twice as much")
    spent = []
    for relation in (NeighboringRelation.ADD_OR_REMOVE_ONE, NeighboringRelation.REPLACE_ONE):
        accountant = PLDAccountant(relation)
        step = dp_event.PoissonSampledDpEvent(2500 / 60_000, dp_event.GaussianDpEvent(1.56))
        accountant.compose(step, 240)
        spent.append(accountant.get_epsilon(DELTA))
    assert 1.5 < spent[1] / spent[0] < 2.2


def test_one_hospital_moves_one_vote(lesson):
    stated("In each question one count falls by one and another rises by one")
    moved = abs(lesson["votes"] - lesson["other_votes"])
    assert set(moved.sum(axis=1)) == {2} and moved.max() == 1
    stated("no frequent answer is likelier in one of them by more than $e^{\\varepsilon}$")
    assert lesson["largest"] < math.exp(gaussian_epsilon(gnmax_mu(1, sigma=40), delta=DELTA))


def test_a_patient_of_three_hospitals(lesson):
    stated("A patient of three hospitals moves three votes")
    one, three = (lesson["epsilon_of_patient"](hospitals, 100, 40) for hospitals in (1, 3))
    assert one == pytest.approx(gaussian_epsilon(gnmax_mu(100, sigma=40), delta=DELTA)) and three > 3 * one
