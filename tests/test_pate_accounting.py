"""PATE's accounting: published figures, a plain loop, closed cases, what must hold, what bad input gets."""

import json
import math
import os
import warnings
from pathlib import Path

import dp_accounting
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from typer.testing import CliRunner

from benchmarks.pate_accounting import PlainSensitivity, plain_analysis, rdp_of_row
from course_lib import cli
from course_lib.data import DATA_FOLDER
from course_lib.pate.accounting import ORDERS, PAPER_ORDERS, analyse
from course_lib.pate.accounting.conditions import check_conditions
from course_lib.pate.accounting.conversion import classic_epsilon, tight_epsilon
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gaussian_epsilons, gnmax_mu
from course_lib.pate.accounting.interactive import interactive_threshold_rdp, log_disagrees
from course_lib.pate.accounting.local_sensitivity import (
    gnmax_cost,
    gnmax_sensitivity_by_distance,
    log_q0,
    log_q_below,
    threshold_sensitivity_by_distance,
)
from course_lib.pate.accounting.rdp import (
    gnmax_log_q,
    gnmax_rdp,
    gnmax_rdp_data_independent,
    gnmax_rdp_of_log_q,
    lnmax_log_q,
    lnmax_rdp,
    lnmax_rdp_data_independent,
    log_answered,
    threshold_rdp,
    threshold_rdp_data_independent,
)
from course_lib.pate.accounting.smooth_sensitivity import (
    best_release,
    release_cost,
    sanitised_epsilon,
    smooth_sensitivity,
)

DATA = Path(__file__).parent / "data"
VOTES = DATA_FOLDER / "pate-votes"
RUNS = json.loads((DATA / "pate_reference.json").read_text(encoding="utf-8"))["runs"]
FIGURES = [(run, int(rows)) for run in RUNS for rows in run["at_queries"]]
SMOOTH = [(run, int(rows)) for run in RUNS for rows in run.get("smooth", {}) if rows.isdigit()]
DELTA = 1e-5


def votes_of(name: str) -> np.ndarray:
    with np.load(VOTES / name) as content:
        return content["votes"]


def reference_name(case) -> str:
    run, rows = case
    kind = "data-independent" if run.get("data_independent") else "data-dependent"
    return f"{run['mechanism']}-{run['sigma']:g}-{kind}-{rows}"


def analysed(run, rows, **options):
    noise = {name: run.get(name) for name in ("sigma", "delta", "threshold", "sigma_threshold")}
    return analyse(votes_of(run["votes"])[:rows], **noise, **options)


def digits(number) -> float:
    """Half a unit of the last digit in which the reference gives the number."""
    return 0.5000001 * 10.0 ** -len(str(number).partition(".")[2])


@st.composite
def tables(draw, most_teachers=60):
    """Votes of up to 60 teachers for 2 to 6 classes in 1 to 6 queries."""
    teachers, classes = draw(st.integers(1, most_teachers)), draw(st.integers(2, 6))
    cuts = draw(
        st.lists(
            st.lists(st.integers(0, teachers), min_size=classes - 1, max_size=classes - 1),
            min_size=1,
            max_size=6,
        )
    )
    edges = [[0, *sorted(row), teachers] for row in cuts]
    return np.diff(np.array(edges), axis=1)


# The published figures


def test_every_published_figure_is_tested():
    assert (len(FIGURES), len(SMOOTH)) == (9, 5) and len(PAPER_ORDERS) == 298


@pytest.mark.parametrize("case", FIGURES, ids=reference_name)
def test_epsilon_before_sanitising_is_the_published_one(case):
    run, rows = case
    independent = bool(run.get("data_independent"))
    found = analysed(run, rows, data_dependent=not independent, rdp_orders=PAPER_ORDERS)
    expected = run["at_queries"][str(rows)]
    part = found.data_independent if independent else found.data_dependent
    converted = part.classic if independent else part.before_sanitising
    assert converted.rdp_order == expected["order"]
    assert converted.epsilon == pytest.approx(expected["E_eps"], abs=digits(expected["E_eps"]))
    if "std" in expected:
        assert part.standard_deviation == pytest.approx(expected["std"], abs=digits(expected["std"]))
    # 338.90 is a number in JSON, and 338.9 once read.
    assert found.answers == pytest.approx(expected.get("E_answered", rows), abs=0.005)


@pytest.mark.parametrize("case", SMOOTH, ids=reference_name)
def test_what_sanitising_adds_is_the_published_figure(case):
    run, rows = case
    found = analysed(run, rows, rdp_orders=[run["smooth"]["order"]]).data_dependent
    expected = run["smooth"][str(rows)]
    release = found.release
    assert found.expected_after_sanitising == pytest.approx(expected["sanitised"], abs=0.00051)
    assert release.plus_minus == pytest.approx(expected["plus_minus"], abs=0.00051)
    assert release.smooth_sensitivity == pytest.approx(expected["ss"], abs=digits(expected["ss"]))
    assert release.beta == pytest.approx(expected["beta"], abs=1e-9)
    assert release.sigma_ss == pytest.approx(expected["sigma_ss"], abs=0.00051)


def test_what_tutorials_get_wrong_has_four_names():
    found = analysed(RUNS[0], 9000)
    before, after = found.data_dependent.before_sanitising.epsilon, found.data_dependent
    assert round(before) == 34 and 40 < after.expected_after_sanitising < 41
    assert round(after.release.plus_minus) == 5 and 6 < after.release.smooth_sensitivity < 7
    assert round(found.data_independent.classic.epsilon) == 489
    on_the_papers_grid = analysed(RUNS[0], 9000, rdp_orders=PAPER_ORDERS, data_dependent=False)
    assert round(on_the_papers_grid.data_independent.classic.epsilon) == 732
    assert found.data_independent.exact_gaussian_epsilon < found.data_independent.tight.epsilon


# The plain loop


@settings(max_examples=100, deadline=None)
@given(tables(), st.floats(0.3, 60))
def test_gnmax_costs_what_a_plain_loop_finds(votes, sigma):
    expected = [rdp_of_row(row, sigma, ORDERS) for row in votes]
    np.testing.assert_allclose(gnmax_rdp(votes, ORDERS, sigma=sigma), expected, rtol=1e-7, atol=1e-13)


@settings(max_examples=50, deadline=None)
@given(tables(), st.floats(3, 60), st.floats(1.5, 50))
def test_sensitivity_is_what_a_plain_loop_finds(votes, sigma, order):
    assume(votes[0].sum() > 1)
    plain = PlainSensitivity(sigma, order, votes.shape[1])
    found = gnmax_sensitivity_by_distance(votes, sigma=sigma, rdp_order=order)
    unanimous = [votes[0].sum()] + [0] * (votes.shape[1] - 1)
    if gnmax_log_q([unanimous], sigma=sigma)[0] >= plain.log_q0:
        assert not found.any()
    else:
        expected = [plain.by_distance(row) for row in votes]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-11 / sigma**2 * order)


def test_the_analysis_is_a_plain_loops():
    votes = votes_of("teachers-100.npz")[:1000].astype(int)
    expected = plain_analysis(votes, sigma=5.0, delta=DELTA, orders=PAPER_ORDERS)
    found = analyse(votes, sigma=5.0, delta=DELTA, rdp_orders=PAPER_ORDERS).data_dependent
    assert found.before_sanitising == pytest.approx((expected["before sanitising"], expected["order"]))
    assert found.expected_after_sanitising == pytest.approx(expected["after sanitising"])
    assert found.release.plus_minus == pytest.approx(expected["plus minus"])


def lnmax_by_hand(row, order, scale) -> float:
    """Papernot et al. 2017, Lemma 4 and Theorem 3, for one query and one order."""
    winner = int(np.argmax(row))
    gaps = [(row[winner] - count) / scale for place, count in enumerate(row) if place != winner]
    q = min(sum((2 + gap) / (4 * math.exp(gap)) for gap in gaps), 1 - 1 / len(row))
    pure = 2 / scale
    # Two counts that move by 1, each with Laplace noise: Mironov 2017, Proposition 6.
    up = order / (2 * order - 1) * math.exp((order - 1) / scale)
    down = (order - 1) / (2 * order - 1) * math.exp(-order / scale)
    best = 2 * math.log(up + down) / (order - 1)
    if q <= 1 / (math.exp(pure) + 1):
        moments = (1 - q) * ((1 - q) / (1 - math.exp(pure) * q)) ** (order - 1)
        moments += q * math.exp(pure * (order - 1))
        best = min(best, max(math.log(moments) / (order - 1), 0))
    return best


@settings(max_examples=100, deadline=None)
@given(tables(), st.floats(2, 60))
def test_lnmax_costs_what_one_query_and_order_at_a_time_find(votes, scale):
    orders = [1.5, 2, 7, 40]
    expected = [[lnmax_by_hand(row, order, scale) for order in orders] for row in votes]
    np.testing.assert_allclose(lnmax_rdp(votes, orders, scale=scale), expected, rtol=1e-6, atol=1e-12)


def test_theorem_6_needs_no_row_to_be_looked_at_alone():
    votes = votes_of("teachers-250.npz")[:200]
    together = gnmax_rdp(votes, ORDERS, sigma=40)
    alone = [gnmax_rdp(row[None], [order], sigma=40)[0, 0] for row, order in zip(votes, ORDERS, strict=False)]
    np.testing.assert_allclose(np.diag(together), alone, rtol=1e-12)


# Closed cases


def test_with_two_classes_gnmax_log_q_is_exact():
    expected = norm.logcdf(-np.array([80, 0, 2]) / (math.sqrt(2) * 20))
    np.testing.assert_allclose(gnmax_log_q([[90, 10], [50, 50], [49, 51]], sigma=20), expected)


@pytest.mark.parametrize("laplace", [True, False])
def test_log_q_bounds_how_often_another_class_wins(laplace):
    votes, random = np.array([40, 30, 25, 5]), np.random.default_rng(7)
    draw = random.laplace if laplace else random.normal
    noisy = votes + draw(scale=12, size=(200_000, 4))
    often = (noisy.argmax(axis=1) != 0).mean()
    log_q = lnmax_log_q([votes], scale=12) if laplace else gnmax_log_q([votes], sigma=12)
    assert 0.6 * math.exp(log_q[0]) < often <= math.exp(log_q[0])


def test_log_answered_is_how_often_the_threshold_is_passed():
    noisy = 180 + np.random.default_rng(8).normal(scale=30, size=200_000)
    found = log_answered([[180, 70]], threshold=200, sigma_threshold=30)[0]
    assert math.exp(found) == pytest.approx((noisy >= 200).mean(), abs=0.005)


def test_log_disagrees_is_how_often_a_look_finds_another_opinion():
    noisy = 0.72 * 250 - 0.4 * 250 + np.random.default_rng(9).normal(scale=30, size=200_000)
    found = log_disagrees([[180, 70]], [[0.4, 0.6]], threshold=90, sigma_threshold=30)[0]
    assert math.exp(found) == pytest.approx((noisy >= 90).mean(), abs=0.005)


def test_where_the_student_expects_nothing_of_the_winner_a_look_is_that_of_confident_gnmax():
    votes, noise = [[180, 60, 10], [90, 80, 80]], {"threshold": 100, "sigma_threshold": 50}
    found = interactive_threshold_rdp(votes, [[0, 0, 1], [0, 0, 1]], ORDERS, **noise)
    np.testing.assert_allclose(found, threshold_rdp(votes, ORDERS, **noise))
    surprised = interactive_threshold_rdp(votes, [[0, 1, 0], [0.4, 0.3, 0.3]], ORDERS, **noise)
    assert (surprised <= threshold_rdp_data_independent(ORDERS, sigma_threshold=50) * (1 + 1e-12)).all()
    assert (surprised[1] < found[1]).any()


def test_certain_answers_cost_nothing_and_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cost = gnmax_rdp([[10**6, 0]], ORDERS, sigma=1)
        look = threshold_rdp([[1000, 0]], ORDERS, threshold=0, sigma_threshold=1)
        sure = analyse([[10**4, 0]] * 3, sigma=40, delta=DELTA).data_dependent
    assert not cost.any() and not look.any()
    assert sure.before_sanitising.epsilon < 0.03


def test_the_data_independent_curves_are_those_of_dp_accounting():
    orders = [1.5, 2, 8, 64]
    for event, ours in (
        (dp_accounting.GaussianDpEvent(7 / math.sqrt(2)), gnmax_rdp_data_independent(orders, sigma=7)),
        (dp_accounting.GaussianDpEvent(7), threshold_rdp_data_independent(orders, sigma_threshold=7)),
        (
            dp_accounting.SelfComposedDpEvent(dp_accounting.LaplaceDpEvent(7), 2),
            lnmax_rdp_data_independent(orders, scale=7),
        ),
    ):
        accountant = dp_accounting.rdp.RdpAccountant(orders).compose(event)
        np.testing.assert_allclose(ours, accountant._rdp)


def test_gaussian_epsilon_gives_back_delta():
    for mu in (0.1, 0.67, 3.0, 26.8):
        epsilon = gaussian_epsilon(mu, delta=DELTA)
        # Balle and Wang 2018, Theorem 8; in logs, for exp(epsilon) is too large for the last.
        first, second = norm.logcdf(mu / 2 - epsilon / mu), epsilon + norm.logcdf(-mu / 2 - epsilon / mu)
        assert first + math.log(-math.expm1(second - first)) == pytest.approx(math.log(DELTA), rel=1e-6)
    assert gaussian_epsilon(0.0, delta=DELTA) == 0


@pytest.mark.parametrize("delta", [1e-9, DELTA, 0.3])
def test_many_gaussian_epsilons_at_once_are_those_one_after_another(delta):
    mu = np.array([0.0, *np.geomspace(1e-5, 60, 40)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # dp-accounting's own, where delta alone is enough
        expected = [gaussian_epsilon(each, delta=delta) for each in mu]
    np.testing.assert_allclose(gaussian_epsilons(mu, delta=delta), expected, rtol=1e-7, atol=1e-11)


def test_exact_gaussian_accounting_is_what_privacy_loss_distributions_approach():
    accountant = dp_accounting.pld.PLDAccountant()
    accountant.compose(dp_accounting.GaussianDpEvent(40 / math.sqrt(2)), 100)
    accountant.compose(dp_accounting.GaussianDpEvent(150), 300)
    mu = gnmax_mu(100, sigma=40, looks=300, sigma_threshold=150)
    assert gaussian_epsilon(mu, delta=DELTA) == pytest.approx(accountant.get_epsilon(DELTA), rel=1e-3)


@pytest.mark.parametrize(("answers", "epsilon"), [(10, 0.39), (50, 0.93), (100, 1.36)])
def test_few_answers_cost_little(answers, epsilon):
    """Rounded up, as a promise should be."""
    assert math.ceil(gaussian_epsilon(gnmax_mu(answers, sigma=40), delta=DELTA) * 100) / 100 == epsilon


def test_conversions_of_a_known_curve():
    # For rdp = rho * order the best order of the classic conversion is 1 + sqrt(log(1/delta) / rho).
    rho, orders = 0.01, np.linspace(1.02, 100, 100_000)
    best = rho + 2 * math.sqrt(rho * math.log(1 / DELTA))
    assert classic_epsilon(orders, rho * orders, delta=DELTA).epsilon == pytest.approx(best, rel=1e-6)
    tight = tight_epsilon([5.0], [0.05], delta=DELTA).epsilon
    assert tight == pytest.approx(0.05 + math.log(0.8) - (math.log(DELTA) + math.log(5)) / 4)


def test_release_cost_is_theorem_23():
    moments = 3 * math.exp(0.2) / 4 + (0.3 - 0.5 * math.log(0.4)) / 2
    assert release_cost(beta=0.1, sigma_ss=2, rdp_order=3) == pytest.approx(moments)


# What must hold for any votes


@settings(max_examples=100, deadline=None)
@given(tables(), st.floats(0.3, 60))
def test_data_dependent_never_costs_more_than_data_independent(votes, sigma):
    for dependent, independent in (
        (gnmax_rdp(votes, ORDERS, sigma=sigma), gnmax_rdp_data_independent(ORDERS, sigma=sigma)),
        (lnmax_rdp(votes, ORDERS, scale=sigma), lnmax_rdp_data_independent(ORDERS, scale=sigma)),
        (
            threshold_rdp(votes, ORDERS, threshold=votes[0].sum() / 2, sigma_threshold=sigma),
            threshold_rdp_data_independent(ORDERS, sigma_threshold=sigma),
        ),
    ):
        assert (dependent >= 0).all() and (dependent <= independent * (1 + 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 100), st.floats(3, 60), st.floats(1.1, 100))
def test_more_agreement_never_costs_more(lead, sigma, order):
    less, more = (
        gnmax_rdp([[200 + each, 200 - each, 0]], [order], sigma=sigma)[0, 0] for each in (lead, lead + 1)
    )
    assert more <= less * (1 + 1e-9)


@settings(max_examples=50, deadline=None)
@given(tables(most_teachers=40), st.floats(5, 40), st.integers(2, 12), st.randoms(use_true_random=False))
def test_no_neighbour_costs_more_than_local_sensitivity_says(votes, sigma, order, random):
    """The bound, against votes that are moved, teacher by teacher, in any way."""
    assume(all(check_conditions(sigma=sigma, rdp_order=order, classes=votes.shape[1])))
    bound = gnmax_sensitivity_by_distance(votes, sigma=sigma, rdp_order=order)
    start = log_q0(sigma=sigma, rdp_order=order)
    if gnmax_log_q([[votes[0].sum()] + [0] * (votes.shape[1] - 1)], sigma=sigma)[0] >= start:
        return

    def costs(table):
        return gnmax_cost(gnmax_log_q(table, sigma=sigma), sigma=sigma, rdp_order=order)

    moved = votes.copy()
    for distance in range(votes[0].sum()):
        here = costs(moved)
        for row in moved:
            source = random.choice(np.flatnonzero(row).tolist())
            row[source] -= 1
            row[random.randrange(len(row))] += 1
        assert (np.abs(costs(moved) - here) <= bound[:, distance] * (1 + 1e-9) + 1e-15).all()


@settings(max_examples=50, deadline=None)
@given(tables(), st.floats(0.5, 60), st.integers(2, 40), st.data())
def test_no_step_of_the_top_count_costs_more_than_threshold_sensitivity_says(votes, sigma, order, data):
    teachers = int(votes[0].sum())
    noise = {"threshold": data.draw(st.floats(0, teachers)), "sigma_threshold": sigma}
    bound = threshold_sensitivity_by_distance(votes, **noise, rdp_order=order)
    tops = np.arange(-(-teachers // 2), teachers + 1)  # two classes show all these top counts
    cost = threshold_rdp(np.stack([tops, teachers - tops], axis=1), [order], **noise)[:, 0]
    for row, top in zip(bound, votes.max(axis=1), strict=True):
        for one, another, change in zip(tops, tops[1:], np.abs(np.diff(cost)), strict=False):
            distance = min(abs(one - top), abs(another - top))
            assert change <= row[min(distance, teachers - 1)] * (1 + 1e-9)
    assert (np.diff(bound, axis=1) >= 0).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.floats(0.001, 1))
def test_smooth_sensitivity_is_smooth(sensitivity, beta):
    """A neighbour's local sensitivity at distance d is at most ours at d + 1."""
    ours = np.maximum.accumulate(sensitivity)
    neighbours = np.append(ours[1:], ours[-1])
    here, there = smooth_sensitivity(ours, beta=beta), smooth_sensitivity(neighbours, beta=beta)
    assert ours[0] <= here and there <= math.exp(beta) * here * (1 + 1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(1e-9, 0.1))
def test_more_privacy_costs_more_noise_and_tight_is_never_above_classic(less, more, delta):
    low, high = sorted((less, more))
    most = gaussian_epsilon(high, delta=delta) * (1 + 1e-9) + 1e-12  # the last digit is the root finder's
    assert gaussian_epsilon(low, delta=delta) <= most
    curve = ORDERS * high**2 / 2
    tight, classic = (convert(ORDERS, curve, delta=delta) for convert in (tight_epsilon, classic_epsilon))
    assert gaussian_epsilon(high, delta=delta) <= tight.epsilon + 1e-9 and tight.epsilon <= classic.epsilon


def test_the_order_of_classes_and_of_queries_says_nothing():
    votes = votes_of("teachers-250.npz")[:50].astype(int)
    shuffled = np.random.default_rng(1).permuted(votes, axis=1)[::-1]
    confident = {"sigma": 40.0, "delta": DELTA, "threshold": 200, "sigma_threshold": 150}
    one, other = (analyse(table, **confident).data_dependent for table in (votes, shuffled))
    assert one.expected_after_sanitising == pytest.approx(other.expected_after_sanitising)


# Conditions C5 and C6


def least_slope(expression, q, end: float) -> float:
    slope = sympy.lambdify(
        q,
        sympy.diff(expression, q),
        modules=["numpy", {"erfc": scipy.special.erfc, "erfcinv": scipy.special.erfcinv}],
    )
    return float(slope(end * np.exp(-np.geomspace(1e-6, 60, 2000))).min())


@pytest.mark.parametrize(
    ("sigma", "order", "classes", "expected"),
    [
        (40, 10, 10, (True, True)),
        (5, 2, 10, (True, True)),
        (40, 16, 10, (True, True)),
        (20, 22.5, 2, (True, False)),
        (20, 25, 10, (True, False)),
    ],
)
def test_conditions_are_those_that_symbolic_derivatives_show(sigma, order, classes, expected):
    q = sympy.symbols("q", positive=True)
    mu2 = sigma * sympy.sqrt(sympy.log(1 / q))
    a = (1 - q) / (1 - (q * sympy.exp(mu2 / sigma**2)) ** (1 - 1 / mu2))
    b = sympy.exp((mu2 + 1) / sigma**2) / q ** (1 / mu2)
    beta = sympy.log((1 - q) * a ** (order - 1) + q * b ** (order - 1)) / (order - 1)
    others = sympy.Integer(classes - 1)
    above = others / 2 * sympy.erfc(sympy.erfcinv(2 * q / others) - sympy.Float(1 / sigma))
    start = log_q0(sigma=sigma, rdp_order=order)
    plateau = float(log_q_below(start, sigma=sigma, classes=classes))
    slopes = (
        least_slope(beta, q, math.exp(start)),
        least_slope(beta.subs(q, above) - beta, q, math.exp(plateau)),
    )
    assert tuple(slope >= 0 for slope in slopes) == expected
    assert check_conditions(sigma=sigma, rdp_order=order, classes=classes) == expected


@settings(max_examples=60, deadline=None)
@given(tables(), st.floats(0.3, 3), st.floats(1.05, 20))
def test_where_the_conditions_hold_the_cost_is_the_one_whose_sensitivity_is_known(votes, sigma, order):
    assume(check_conditions(sigma=sigma, rdp_order=order, classes=votes.shape[1]).c5)
    known = gnmax_cost(gnmax_log_q(votes, sigma=sigma), sigma=sigma, rdp_order=order)
    np.testing.assert_allclose(gnmax_rdp(votes, [order], sigma=sigma)[:, 0], known, rtol=1e-5, atol=1e-12)


def test_little_noise_is_not_covered_by_the_sensitivity():
    log_q = np.array([-4.0])
    known = gnmax_cost(log_q, sigma=1, rdp_order=1.5)[0]
    assert gnmax_rdp_of_log_q(log_q, [1.5], sigma=1)[0, 0] < 0.9 * known
    assert not check_conditions(sigma=1, rdp_order=1.5, classes=10).c5


def test_nothing_is_sanitised_where_a_condition_fails():
    found = analyse([[90, 10]] * 20, sigma=20, delta=DELTA).data_dependent
    assert not found.conditions.c6
    assert found.release is None and found.expected_after_sanitising is None


# Releases


def test_a_release_is_drawn_anew_around_where_it_should_fall():
    found = analysed(RUNS[0], 1000).data_dependent
    drawn = [sanitised_epsilon(found.before_sanitising.epsilon, found.release) for _draw in range(2000)]
    assert len(set(drawn)) == len(drawn)
    spread = found.release.plus_minus
    assert np.mean(drawn) == pytest.approx(found.expected_after_sanitising, abs=5 * spread / 2000**0.5)
    assert np.std(drawn) == pytest.approx(spread, rel=0.1)


def test_a_cost_that_cannot_change_is_released_without_noise():
    release = best_release(np.zeros(100), rdp_order=4)
    assert (release.cost, release.plus_minus, sanitised_epsilon(1.25, release)) == (0, 0, 1.25)
    # A hundred teachers under so much noise: even unanimous votes cost as much as any.
    found = analyse([[100, 0, 0]] * 5, sigma=200.0, delta=DELTA)
    assert found.data_dependent.release.smooth_sensitivity == 0
    assert found.data_dependent.expected_after_sanitising == found.data_independent.classic.epsilon


def test_known_answers_are_counted_and_expected_ones_are_weighed():
    votes = votes_of("teachers-250.npz")[:100]
    confident = {"sigma": 40.0, "delta": DELTA, "threshold": 200, "sigma_threshold": 150}
    everything = analyse(votes, **confident, answered=np.ones(100, dtype=bool))
    nothing = analyse(votes, **confident, answered=np.zeros(100, dtype=bool))
    expected = analyse(votes, **confident)
    assert (everything.answers, nothing.answers) == (100, 0) and 0 < expected.answers < 100
    only_looks = gaussian_epsilon(gnmax_mu(0, sigma=40, looks=100, sigma_threshold=150), delta=DELTA)
    assert nothing.data_independent.exact_gaussian_epsilon == only_looks
    half = np.arange(100) % 2 == 0
    costs = threshold_rdp(votes, [8.0], threshold=200, sigma_threshold=150).sum()
    costs += gnmax_rdp(votes[half], [8.0], sigma=40).sum()
    found = analyse(votes, **confident, answered=half, rdp_orders=[8.0]).data_dependent
    assert found.before_sanitising.epsilon == pytest.approx(costs + math.log(1 / DELTA) / 7)


# Bad input

GOOD = {"votes": [[3, 1], [2, 2]], "sigma": 5.0, "delta": DELTA}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"votes": [[3, 1], [-2, 6]]}, "-2 came in row 1"),
        ({"votes": [[3.5, 0.5]]}, "3.5 came in row 0"),
        ({"votes": [[3, 1], [math.nan, 4]]}, "nan came in row 1"),
        ({"votes": [[math.inf, 1]]}, "inf came in row 0"),
        ({"votes": [[3, 1], [3, 2]]}, "row 0, 4, but row 1 has 5"),
        ({"votes": [[0, 0]]}, "row 0, 0, but row 0 has 0"),
        ({"votes": [[4], [4]]}, "shape (2, 1)"),
        ({"votes": np.zeros((0, 10))}, "shape (0, 10)"),
        ({"votes": [3, 1]}, "shape (2,)"),
        ({"votes": [["3", "1"]]}, "<U1"),
        ({"sigma": 0}, "sigma must be a number above 0, but 0 came"),
        ({"sigma": -1.5}, "-1.5"),
        ({"sigma": math.nan}, "nan"),
        ({"sigma": math.inf}, "inf"),
        ({"delta": 0}, "but 0 came"),
        ({"delta": 1}, "but 1 came"),
        ({"delta": -0.1}, "but -0.1 came"),
        ({"delta": math.nan}, "but nan came"),
        ({"threshold": 5, "sigma_threshold": 1}, "number of teachers, 4, but 5 came"),
        ({"threshold": -1, "sigma_threshold": 1}, "4, but -1 came"),
        ({"threshold": math.nan, "sigma_threshold": 1}, "4, but nan came"),
        ({"threshold": 3}, "3 and None came"),
        ({"sigma_threshold": 3}, "None and 3 came"),
        ({"threshold": 3, "sigma_threshold": 0}, "sigma_threshold must be a number above 0, but 0 came"),
        ({"threshold": 3, "sigma_threshold": 1, "answered": [1, 0]}, "int64 of shape (2,) came"),
        ({"answered": [True, False]}, "each of 0 looks"),
        ({"rdp_orders": [2, 1]}, "but 1.0 came"),
        ({"rdp_orders": [math.inf]}, "but inf came"),
        ({"rdp_orders": []}, "but (0,) came"),
    ],
)
def test_bad_input_is_named(changed, said):
    with pytest.raises(ValueError) as caught:
        analyse(**GOOD | changed)
    assert said in str(caught.value)


def test_bad_numbers_further_in_are_named():
    with pytest.raises(ValueError, match=r"0\.25, but 0\.3 came"):
        release_cost(beta=0.3, sigma_ss=1, rdp_order=2)
    with pytest.raises(ValueError, match="2 orders"):
        classic_epsilon([2, 3], [0.1], delta=DELTA)
    with pytest.raises(ValueError, match="answers must be .* but -1 came"):
        gnmax_mu(-1, sigma=5)
    with pytest.raises(ValueError, match="scale must be .* but 0 came"):
        lnmax_rdp_data_independent([2], scale=0)


def test_what_protects_someone_is_told_by_name():
    with pytest.raises(TypeError):
        analyse(GOOD["votes"], 5.0, DELTA)
    with pytest.raises(TypeError):
        gaussian_epsilon(1.0, DELTA)


# The command


@pytest.fixture
def votes_file(tmp_path):
    np.save(tmp_path / "votes.npy", votes_of("teachers-250.npz")[:1000])
    return tmp_path / "votes.npy"


def course(*arguments):
    return CliRunner().invoke(cli.app, ["pate", "analyse", *map(str, arguments)])


CONFIDENT = ("--sigma", 40, "--delta", 1e-5, "--threshold", 200, "--sigma-threshold", 150, "--queries", 640)


def test_the_command_tells_epsilon_before_from_epsilon_after_sanitising(votes_file):
    answer = course(votes_file, *CONFIDENT)
    assert answer.exit_code == 0
    assert "640 queries to 250 teachers, 338.9 answers, δ = 1e-05" in answer.stdout
    assert "exact Gaussian accounting: ε = 2.780" in answer.stdout
    assert "before sanitising, not to be published: ε = 1.652 (order 16.00)" in answer.stdout
    assert "after sanitising by smooth sensitivity: ε ≈ 2.077 ± 0.285" in answer.stdout


def test_the_command_writes_numbers_as_the_reader_does(votes_file):
    answer = CliRunner().invoke(
        cli.app, ["--lang", "de", "pate", "analyse", str(votes_file), *map(str, CONFIDENT)]
    )
    assert answer.exit_code == 0 and "ε = 1,652" in answer.stdout and "338,9" in answer.stdout


def test_the_command_writes_json(votes_file):
    answer = course(votes_file, *CONFIDENT, "--json")
    found = json.loads(answer.stdout)
    assert found["data_dependent"]["epsilon_before_sanitising"] == pytest.approx(1.652, abs=5e-4)
    assert found["data_dependent"]["expected_epsilon_after_sanitising"] == pytest.approx(2.077, abs=5e-4)
    assert found["data_dependent"]["release"]["plus_minus"] == pytest.approx(0.285, abs=5e-4)
    assert found["data_independent"]["classic"] == pytest.approx({"epsilon": 3.453, "rdp_order": 8}, abs=5e-4)


def test_the_command_states_only_what_does_not_depend_on_votes_where_asked(votes_file):
    people = course(votes_file, "--sigma", 40, "--delta", 1e-5, "--data-independent")
    assert people.exit_code == 0 and "sanitising by" not in people.stdout and "before" not in people.stdout
    machines = course(votes_file, "--sigma", 40, "--delta", 1e-5, "--data-independent", "--json")
    assert json.loads(machines.stdout)["data_dependent"] is None


def test_the_command_says_where_nothing_can_be_sanitised(tmp_path):
    np.save(tmp_path / "votes.npy", np.array([[90, 10]] * 20))
    plain = course(tmp_path / "votes.npy", "--sigma", 20, "--delta", 1e-5)
    assert plain.exit_code == 0 and "C5 and C6 do not both hold" in plain.stdout and "±" not in plain.stdout
    written = course(tmp_path / "votes.npy", "--sigma", 20, "--delta", 1e-5, "--json")
    assert json.loads(written.stdout)["data_dependent"]["release"] is None


def test_json_has_no_infinity(tmp_path):
    np.save(tmp_path / "votes.npy", np.array([[100, 0, 0]] * 5))
    answer = course(tmp_path / "votes.npy", "--sigma", 200, "--delta", 1e-5, "--json")
    assert "Infinity" not in answer.stdout
    assert json.loads(answer.stdout)["data_dependent"]["release"]["sigma_ss"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sigma", 0, "--delta", 1e-5), "sigma must be a number above 0, but 0.0 came."),
        (("--sigma", 5, "--delta", 2), "but 2.0 came."),
        (("--sigma", 5, "--delta", 1e-5, "--queries", 1001), "1001 queries were asked for, but"),
        (("--sigma", 5, "--delta", 1e-5, "--queries", 0), "0 queries were asked for, but"),
        (("--sigma", 5, "--delta", 1e-5, "--threshold", 300, "--sigma-threshold", 9), "250, but 300.0 came."),
    ],
)
def test_the_command_refuses_bad_input_in_one_sentence(votes_file, options, said):
    answer = course(votes_file, *options)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in answer.stderr and len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize("damage", ["missing", "text", "cut", "pickle", "wrong name", "scalar"])
def test_the_command_refuses_a_file_that_is_no_table(tmp_path, votes_file, damage):
    path = tmp_path / ("other.npz" if damage == "wrong name" else "other.npy")
    if damage == "text":
        path.write_text("1,2\n3,4\n")
    elif damage == "cut":
        path.write_bytes(votes_file.read_bytes()[:-100])
    elif damage == "pickle":
        np.save(path, np.array([[object()]]), allow_pickle=True)
    elif damage == "wrong name":
        np.savez(path, counts=np.ones((2, 2)))
    elif damage == "scalar":
        np.save(path, np.int64(3))
    answer = course(path, "--sigma", 5, "--delta", 1e-5)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "table of" in answer.stderr and "Traceback" not in answer.stderr


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_the_command_unpickles_nothing(tmp_path):
    for name, save in (("votes.npy", np.save), ("votes.npz", lambda path, trap: np.savez(path, votes=trap))):
        save(tmp_path / name, np.array([[Trap(tmp_path / "sprung")]], dtype=object))
        assert course(tmp_path / name, "--sigma", 5, "--delta", 1e-5).exit_code == 2
    assert not (tmp_path / "sprung").exists()


def test_the_command_reads_an_archive_with_votes():
    answer = course(VOTES / "teachers-250.npz", "--sigma", 40, "--delta", 1e-5, "--data-independent")
    assert answer.exit_code == 0 and "10,000 queries to 250 teachers" in answer.stdout
