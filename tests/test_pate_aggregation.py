"""Noise and the four mechanisms: their distributions, an audit of their promise, what is paid and when."""

import json
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.pate.accounting.events import epsilon_of
from course_lib.pate.accounting.interactive import VOTE_STEP, surplus
from course_lib.pate.aggregation import (
    NO_ANSWER,
    Aggregator,
    BudgetExceeded,
    ConfidentGNMax,
    GNMax,
    InteractiveGNMax,
    LNMax,
)
from course_lib.pate.ledger import Ledger
from course_lib.pate.noise import SecureNoise, SeededNoise

DELTA = 1e-5
#: How often a test of a distribution fails although all is well (with secure noise; a seed never does).
FALSE_ALARM = 1e-7
CONFIDENT = ConfidentGNMax(threshold=200, sigma_threshold=150, sigma=40)
INTERACTIVE = InteractiveGNMax(threshold=60, sigma_threshold=20, sigma=10, confidence=0.8)
MECHANISMS = [LNMax(scale=20), GNMax(sigma=40), CONFIDENT, INTERACTIVE]
NOISES = [pytest.param(SeededNoise(3), id="seeded"), pytest.param(SecureNoise(), id="secure")]


class NoNoise:
    """Lets a test know which answers come."""

    protects_anyone = False

    def gaussian(self, sigma, shape):
        return np.zeros(shape)

    laplace = gaussian


class LessNoise(SeededNoise):
    """A cheat: half of the noise that is paid for."""

    def gaussian(self, sigma, shape):
        return super().gaussian(sigma / 2, shape)

    def laplace(self, scale, shape):
        return super().laplace(scale / 2, shape)


@pytest.fixture
def ledger(tmp_path):
    return Ledger.create(tmp_path / "ledger.jsonl", budget=2.0, delta=DELTA)


def written(ledger) -> list[dict]:
    """What is on disk, past the terms."""
    return [json.loads(line) for line in ledger.path.read_text(encoding="utf-8").splitlines()[1:]]


def some_votes(queries: int, seed: int = 0) -> np.ndarray:
    """Votes of 250 teachers for 10 classes: unanimous, divided, and anything between."""
    random = np.random.default_rng(seed)
    return np.stack(
        [
            random.multinomial(250, random.dirichlet(np.full(10, 10.0**power)))
            for power in random.uniform(-2, 0.5, queries)
        ]
    )


def some_predictions(queries: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(10, 0.2), size=queries)


def student_of(mechanism, queries: int):
    return some_predictions(queries) if mechanism is INTERACTIVE else None


# Noise


@pytest.mark.parametrize("noise", NOISES)
def test_noise_has_the_distribution_that_it_names(noise):
    for drawn, expected in (
        (noise.gaussian(40, 20_000), scipy.stats.norm(scale=40)),
        (noise.laplace(20, 20_000), scipy.stats.laplace(scale=20)),
        (noise.gaussian(0.3, (100, 200)).ravel(), scipy.stats.norm(scale=0.3)),
    ):
        assert scipy.stats.kstest(drawn, expected.cdf).pvalue > FALSE_ALARM
        assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 6 / math.sqrt(len(drawn))


@pytest.mark.parametrize("noise", NOISES)
def test_noise_has_the_shape_that_was_asked_for(noise):
    for shape in (3, (2, 3), (0, 5), (4,)):
        expected = np.empty(shape).shape
        assert noise.gaussian(1, shape).shape == expected == noise.laplace(1, shape).shape
        assert noise.gaussian(1, shape).dtype == np.float64


@pytest.mark.parametrize("scale", [2.0**-20, 0.1, 1, 40, 2.0**20])
def test_secure_noise_has_no_gaps_below_a_step_of_votes(scale):
    """Multiples of a power of two that a vote, and a vote that is expected, is a multiple of; all of them."""
    for drawn in (SecureNoise().gaussian(scale, 300), SecureNoise().laplace(scale, 300)):
        step = next(2.0**-power for power in range(70) if (np.mod(drawn, 2.0**-power) == 0).all())
        assert scale * 2.0**-42 < step <= min(scale * 2.0**-39, VOTE_STEP)
        assert 90 < np.count_nonzero(np.mod(drawn, 2 * step)) < 210  # odd ones, too; 7 standard deviations
        assert ((drawn + 250) - 250 == drawn).mean() > 0.99 or scale < 1


def test_a_seed_repeats_itself_and_secure_noise_does_not():
    one, other = (SeededNoise(5).gaussian(1, 9) for _time in range(2))
    assert (one == other).all() and (one != SeededNoise(6).gaussian(1, 9)).all()
    assert (SecureNoise().gaussian(1, 9) != SecureNoise().gaussian(1, 9)).all()
    assert not SeededNoise(5).protects_anyone and SecureNoise().protects_anyone


def test_noise_is_chosen_by_name():
    for make in (SeededNoise, lambda: GNMax(sigma=4).answers([[3, 1]]), lambda: Aggregator(GNMax(sigma=4))):
        with pytest.raises(TypeError):
            make()
    for seed in (-1, 1.5, None, True, "1"):
        with pytest.raises(ValueError, match="whole number from 0 up"):
            SeededNoise(seed)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_bad_scales_are_named(noise, value):
    with pytest.raises(ValueError, match=f"sigma must be a number above 0, but {value} came"):
        noise.gaussian(value, 3)
    with pytest.raises(ValueError, match=f"scale must be a number above 0, but {value} came"):
        noise.laplace(value, 3)


def test_scales_that_can_not_be_drawn_exactly_are_refused():
    for scale in (2.0**-21, 2.0**21):
        with pytest.raises(ValueError, match="To draw noise exactly"):
            SecureNoise().gaussian(scale, 1)


# Mechanisms


def chances(votes, density, cumulative) -> list[float]:
    """How likely each class has the most noisy votes, by integration over the winner's noise."""

    def chance(winner):
        def integrand(x):
            return density(x) * math.prod(
                cumulative(x + votes[winner] - votes[each]) for each in range(len(votes)) if each != winner
            )

        return scipy.integrate.quad(integrand, -60, 60, limit=500, points=[0])[0]

    return [chance(winner) for winner in range(len(votes))]


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("laplace", [False, True], ids=["GNMax", "LNMax"])
def test_labels_have_the_distribution_of_the_noisy_argmax(noise, laplace):
    votes, queries = [6, 5, 3], 20_000
    mechanism, law = (
        (LNMax(scale=2), scipy.stats.laplace(scale=2))
        if laplace
        else (GNMax(sigma=2), scipy.stats.norm(scale=2))
    )
    expected = np.array(chances(votes, law.pdf, law.cdf))
    assert expected.sum() == pytest.approx(1)
    labels = mechanism.answers([votes] * queries, noise=noise)
    found = np.bincount(labels, minlength=3)
    assert scipy.stats.chisquare(found, expected * queries).pvalue > FALSE_ALARM
    wrong = mechanism.answers([votes] * queries, noise=LessNoise(1))
    assert scipy.stats.chisquare(np.bincount(wrong, minlength=3), expected * queries).pvalue < FALSE_ALARM


def test_gnmax_and_lnmax_are_a_noisy_argmax():
    votes = some_votes(50)
    expected = (votes + SeededNoise(2).gaussian(40, votes.shape)).argmax(axis=1)
    assert (GNMax(sigma=40).answers(votes, noise=SeededNoise(2)) == expected).all()
    expected = (votes + SeededNoise(2).laplace(20, votes.shape)).argmax(axis=1)
    assert (LNMax(scale=20).answers(votes, noise=SeededNoise(2)) == expected).all()


@pytest.mark.parametrize("interactive", [False, True], ids=["Algorithm 1", "Algorithm 2"])
def test_a_threshold_is_used_as_the_paper_writes_it(interactive):
    votes, student = some_votes(300), some_predictions(300)
    mechanism = INTERACTIVE if interactive else CONFIDENT
    noise = SeededNoise(9)
    look_noise = noise.gaussian(mechanism.sigma_threshold, 300)
    expected, kinds = [], set()
    for row, prediction, look in zip(votes, student, look_noise, strict=True):
        if interactive:
            top = max(count - 250 * share for count, share in zip(row, prediction, strict=True))
        else:
            top = max(row)
        if top + look >= mechanism.threshold:
            answer = int(np.argmax(row + noise.gaussian(mechanism.sigma, (1, 10))[0]))
            kinds.add("teachers")
        elif interactive and max(prediction) > mechanism.confidence:
            answer = int(np.argmax(prediction))
            kinds.add("student")
        else:
            answer = NO_ANSWER
            kinds.add("nobody")
        expected.append(answer)
    found = mechanism.answers(votes, student if interactive else None, noise=SeededNoise(9))
    assert found.tolist() == expected and found.dtype == np.int64
    assert kinds == ({"teachers", "student", "nobody"} if interactive else {"teachers", "nobody"})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_teacher_moves_what_noise_is_added_to_no_further_than_the_events_say(seed):
    random = np.random.default_rng(seed)
    votes = random.multinomial(random.integers(1, 300), random.dirichlet(np.full(5, 0.5)))[None]
    moved = votes.copy()
    source = random.choice(np.flatnonzero(votes[0]))
    moved[0, source] -= 1
    moved[0, random.integers(5)] += 1
    student = random.dirichlet(np.full(5, 0.5))[None]
    change = np.abs(moved - votes)
    assert change.max() <= 1 and change.sum() <= GNMax(sigma=1).answer_event.moved
    assert abs(int(moved.max()) - int(votes.max())) <= CONFIDENT.look_event.moved
    assert abs(surplus(moved, student).max() - surplus(votes, student).max()) <= INTERACTIVE.look_event.moved
    assert (np.mod(surplus(votes, student), VOTE_STEP) == 0).all()
    assert np.abs(surplus(votes, student) - (votes - votes.sum() * student)).max() <= VOTE_STEP


# What is promised, and what is paid


def shown_epsilon(mechanism, votes, student, delta, noise, queries: int) -> float:
    """A lower bound of ε from how often two neighbours get each answer; too high with FALSE_ALARM at most.

    By Clopper and Pearson's interval for each frequency; (ε, delta) promises p <= exp(ε) q + delta.
    """
    answers = [
        mechanism.answers([row] * queries, None if student is None else [student] * queries, noise=noise)
        for row in votes
    ]
    bounds, level = [0.0], FALSE_ALARM / 12
    for label in range(NO_ANSWER, len(votes[0])):
        counts = [int((each == label).sum()) for each in answers]
        for p, q in (counts, counts[::-1]):
            low = scipy.stats.beta.ppf(level, p, queries - p + 1) if p else 0.0
            high = scipy.stats.beta.ppf(1 - level, q + 1, queries - q) if q < queries else 1.0
            bounds.append(math.log(max(low - delta, 1e-300) / high))
    return max(bounds)


AUDITS = [
    pytest.param(LNMax(scale=2), None, 1e-9, id="LNMax"),
    pytest.param(GNMax(sigma=2), None, 0.05, id="GNMax"),
    pytest.param(
        ConfidentGNMax(threshold=8, sigma_threshold=1, sigma=20), None, 0.05, id="Confident, its look"
    ),
    pytest.param(
        ConfidentGNMax(threshold=0, sigma_threshold=4, sigma=2), None, 0.05, id="Confident, its answer"
    ),
    pytest.param(
        InteractiveGNMax(threshold=4, sigma_threshold=1, sigma=20, confidence=0.9),
        [0.3, 0.7],
        0.05,
        id="Interactive",
    ),
]


@pytest.mark.parametrize(("mechanism", "student", "delta"), AUDITS)
def test_neighbours_are_told_apart_no_better_than_was_paid_for(mechanism, student, delta):
    """And the same audit finds half of the noise, so it could fail."""
    events = [event for event in (mechanism.look_event, mechanism.answer_event) if event is not None]
    promised = epsilon_of(events, delta=delta)
    neighbours = [([10 - each, each], [9 - each, each + 1]) for each in range(6)]
    shown = {
        noise: max(shown_epsilon(mechanism, pair, student, delta, noise, 100_000) for pair in neighbours)
        for noise in (SeededNoise(1), LessNoise(1))
    }
    honest, cheating = shown.values()
    assert 0.5 * promised < honest <= promised < cheating


@pytest.mark.parametrize("mechanism", [LNMax(scale=2), GNMax(sigma=2)], ids=["LNMax", "GNMax"])
def test_secure_noise_keeps_the_promise_too(mechanism):
    promised = epsilon_of([mechanism.answer_event], delta=0.05)
    shown = shown_epsilon(mechanism, ([6, 4], [5, 5]), None, 0.05, SecureNoise(), 30_000)
    assert 0.3 * promised < shown <= promised


# With a ledger


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda each: type(each).__name__)
def test_a_batch_is_the_same_as_one_question_after_another(tmp_path, mechanism):
    votes, student = some_votes(80), student_of(mechanism, 80)
    found = []
    for name in ("one", "batch"):
        ledger = Ledger.create(tmp_path / name, budget=0.6, delta=DELTA)
        teachers = Aggregator(mechanism, noise=NoNoise(), ledger=ledger)
        if name == "batch":
            answers = teachers.ask_while_budget_lasts(votes, student).tolist()
        else:
            answers = []
            with pytest.raises(BudgetExceeded):
                for row in range(80):
                    one = teachers.ask(votes[row], None if student is None else student[row])
                    answers.append(NO_ANSWER if one is None else one)
        uses = [(entry.event.what, entry.event.scale) for entry in ledger.entries]
        found.append((answers, sorted(uses), round(ledger.spent(), 9)))
    assert found[0] == found[1]
    assert 0 < len(found[0][0]) < 80 and 0.45 < found[0][2] <= 0.6


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda each: type(each).__name__)
def test_votes_are_paid_for_before_noise_is_drawn_for_them(ledger, mechanism):
    drawn = []

    class Witness(NoNoise):
        def gaussian(self, sigma, shape):
            uses = [(entry["what"], entry["scale"]) for entry in written(ledger)]
            drawn.append(
                (
                    sigma,
                    np.empty(shape).shape[0],
                    uses.count(("look", sigma)) or uses.count(("answer", sigma)),
                )
            )
            return np.zeros(shape)

        laplace = gaussian

    Aggregator(mechanism, noise=Witness(), ledger=ledger).ask_all(some_votes(6), student_of(mechanism, 6))
    assert len(drawn) == (1 if mechanism.look_event is None else 2)
    assert all(queries == paid for _sigma, queries, paid in drawn)
    assert drawn[0][1] == 6


def test_answers_are_labels_or_none(ledger):
    teachers = Aggregator(CONFIDENT, noise=NoNoise(), ledger=ledger)
    sure, torn = [0, 240, 10], [90, 80, 80]
    assert teachers.ask(sure) == 1 and teachers.ask(torn) is None
    assert teachers.ask_all([sure, torn, sure]).tolist() == [1, NO_ANSWER, 1]
    assert [entry.event.what for entry in ledger.entries] == [
        "look",
        "answer",
        "look",
        *["look"] * 3,
        *["answer"] * 2,
    ]
    assert {entry.mechanism for entry in ledger.entries} == {"ConfidentGNMax"}


def test_the_students_own_label_costs_a_look(ledger):
    teachers = Aggregator(INTERACTIVE, noise=NoNoise(), ledger=ledger)
    assert teachers.ask([240, 10], [0.95, 0.05]) == 0
    assert teachers.ask([240, 10], [0.79, 0.21]) is None
    assert [entry.event for entry in ledger.entries] == [INTERACTIVE.look_event] * 2
    assert teachers.ask([240, 10], [0.2, 0.8]) == 0
    assert ledger.entries[-1].event == INTERACTIVE.answer_event


def test_a_refused_question_costs_nothing_and_keeps_the_answers_before_it(ledger):
    teachers = Aggregator(GNMax(sigma=40), noise=NoNoise(), ledger=ledger)
    votes = np.tile([250, 0], (1000, 1))
    with pytest.raises(
        BudgetExceeded, match=r"budget is ε = 2\.000, and this could bring what is spent to 2\.0"
    ) as caught:
        teachers.ask_all(votes)
    answered = len(caught.value.answers)
    assert answered == len(ledger.entries) > 0 and not caught.value.answers.any()
    assert epsilon_of([GNMax(sigma=40).answer_event] * (answered + 1), delta=DELTA) > 2.0 >= ledger.spent()
    before = ledger.path.read_bytes()
    with pytest.raises(BudgetExceeded):
        teachers.ask([250, 0])
    assert ledger.path.read_bytes() == before and len(teachers.ask_while_budget_lasts(votes)) == 0


def test_whether_a_question_is_refused_does_not_depend_on_its_votes(tmp_path):
    """Room is asked for the most that it could cost: here a look would fit, and no answer."""
    budget = (
        epsilon_of([CONFIDENT.look_event, CONFIDENT.answer_event, CONFIDENT.look_event], delta=DELTA) * 1.001
    )
    for name, votes in (("sure", [250, 0]), ("torn", [125, 125])):
        ledger = Ledger.create(tmp_path / name, budget=budget, delta=DELTA)
        teachers = Aggregator(CONFIDENT, noise=NoNoise(), ledger=ledger)
        teachers.ask([250, 0])
        before = ledger.path.read_bytes()
        with pytest.raises(BudgetExceeded):
            teachers.ask(votes)
        assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda each: type(each).__name__)
def test_nothing_of_the_votes_is_written(tmp_path, mechanism):
    """Votes that lead to the same events leave the same ledger."""
    lines = []
    for name, votes in (("one", [0, 241, 9]), ("other", [238, 0, 12])):
        ledger = Ledger.create(tmp_path / name, budget=3.0, delta=DELTA)
        student = [0.0, 0.0, 1.0] if mechanism is INTERACTIVE else None
        Aggregator(mechanism, noise=NoNoise(), ledger=ledger).ask(votes, student)
        lines.append([{**entry, "time": "", "previous": ""} for entry in written(ledger)])
    assert lines[0] == lines[1] and lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}{end}" for name in ("one", "other") for end in ("", ".head", ".lock")
    ]


@pytest.mark.parametrize("noise", NOISES)
def test_the_ledger_says_whose_noise_it_was(ledger, noise):
    Aggregator(GNMax(sigma=40), noise=noise, ledger=ledger).ask([200, 50])
    (entry,) = written(ledger)
    secure = isinstance(noise, SecureNoise)
    assert (entry["drawn_by"], entry["protects_anyone"]) == (type(noise).__name__, secure)
    assert ledger.protects_anyone is secure and ("protects nobody" in str(ledger)) is not secure


def test_laplace_and_gaussian_noise_do_not_share_a_ledger(ledger):
    Aggregator(GNMax(sigma=40), noise=NoNoise(), ledger=ledger).ask([200, 50])
    before = ledger.path.read_bytes()
    with pytest.raises(ValueError, match="can't be added up"):
        Aggregator(LNMax(scale=20), noise=NoNoise(), ledger=ledger).ask([200, 50])
    assert ledger.path.read_bytes() == before
    Aggregator(CONFIDENT, noise=NoNoise(), ledger=ledger).ask([200, 50])
    assert [entry.mechanism for entry in ledger.entries] == ["GNMax", "ConfidentGNMax", "ConfidentGNMax"]


# Bad input


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([[3, 1], [-2, 6]], "-2 came in row 1"),
        ([[3.5, 0.5]], "3.5 came in row 0"),
        ([[3, 1], [math.nan, 4]], "nan came in row 1"),
        ([[3, 1], [3, 2]], "row 0, 4, but row 1 has 5"),
        ([[4], [4]], "shape (2, 1)"),
        (np.zeros((0, 10)), "shape (0, 10)"),
        ([3, 1], "shape (2,)"),
        ([[0, 0]], "row 0, 0, but row 0 has 0"),
    ],
)
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda each: type(each).__name__)
def test_bad_votes_are_named_and_cost_nothing(ledger, mechanism, votes, said):
    teachers = Aggregator(mechanism, noise=NoNoise(), ledger=ledger)
    for ask in (teachers.ask_all, teachers.ask_while_budget_lasts):
        with pytest.raises(ValueError) as caught:
            ask(votes)
        assert said in str(caught.value)
    assert not written(ledger)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LNMax(scale=0), "scale must be a number above 0, but 0 came"),
        (lambda: GNMax(sigma=-1), "sigma must be a number above 0, but -1 came"),
        (lambda: GNMax(sigma=math.nan), "but nan came"),
        (lambda: ConfidentGNMax(threshold=3, sigma_threshold=0, sigma=1), "sigma_threshold must be"),
        (lambda: ConfidentGNMax(threshold=3, sigma_threshold=1, sigma=0), "sigma must be"),
        (lambda: InteractiveGNMax(threshold=3, sigma_threshold=1, sigma=1, confidence=1.5), "but 1.5 came"),
        (lambda: InteractiveGNMax(threshold=3, sigma_threshold=1, sigma=1, confidence=math.nan), "nan came"),
    ],
)
def test_bad_mechanisms_are_named(make, said):
    with pytest.raises(ValueError) as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize("threshold", [251, -1, math.nan])
def test_a_threshold_that_no_number_of_teachers_reaches_costs_nothing(ledger, threshold):
    mechanism = ConfidentGNMax(threshold=threshold, sigma_threshold=1, sigma=1)
    with pytest.raises(ValueError, match=f"number of teachers, 250, but {threshold} came"):
        Aggregator(mechanism, noise=NoNoise(), ledger=ledger).ask([200, 50])
    assert not written(ledger)


@pytest.mark.parametrize(
    ("student", "said"),
    [
        (None, "asks for the student's predictions"),
        ([0.5, 0.5, 0.0], "shape (1, 2)"),
        ([0.5, 0.6], "row 0 has the sum 1.1"),
        ([-0.1, 1.1], "the least -0.1"),
        ([math.nan, 1.0], "the least nan"),
        (["a", "b"], "<U1"),
    ],
)
def test_bad_predictions_are_named_and_cost_nothing(ledger, student, said):
    with pytest.raises(ValueError) as caught:
        Aggregator(INTERACTIVE, noise=NoNoise(), ledger=ledger).ask([200, 50], student)
    assert said in str(caught.value) and not written(ledger)


def test_predictions_that_nobody_asked_for_are_refused(ledger):
    with pytest.raises(ValueError, match=r"GNMax\(sigma=40\) asks for no predictions"):
        Aggregator(GNMax(sigma=40), noise=NoNoise(), ledger=ledger).ask([200, 50], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"shape \(1, 2\) came"):
        Aggregator(GNMax(sigma=40), noise=NoNoise(), ledger=ledger).ask([[200, 50]])
    assert not written(ledger)


def test_settings_are_told_by_name_and_stay():
    for make in (lambda: GNMax(40), lambda: LNMax(20), lambda: ConfidentGNMax(200, 150, 40)):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(AttributeError):
        GNMax(sigma=40).sigma = 1
