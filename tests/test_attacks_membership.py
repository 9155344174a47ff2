"""Membership inference: closed cases, attacks against independent computations, rates that are counted."""

import numpy as np
import pytest
import torch
from art.attacks.inference.membership_inference import MembershipInferenceBlackBoxRuleBased
from art.estimators.classification import PyTorchClassifier
from scipy.stats import norm
from sklearn.metrics import roc_curve
from torch import nn

from course_lib.attacks import roc
from course_lib.attacks.defences import label_only
from course_lib.attacks.likelihood_ratio import Curves, each_in_turn, offline, online, ratio_by_hand
from course_lib.attacks.membership import ShadowAttack, loss_threshold, scaled_confidence
from course_lib.attacks.targets import (
    CLASSES,
    Networks,
    Training,
    random_halves,
    small_images,
    train_together,
)

MODELS, CANDIDATES = 24, 200


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(0).integers(CLASSES, size=CANDIDATES)


@pytest.fixture(scope="module")
def members():
    return random_halves(CANDIDATES, models=MODELS, seed=3)


@pytest.fixture(scope="module")
def nothing_learnt(labels):
    """Answers of models that never saw a candidate; some candidates are harder than others."""
    random = np.random.default_rng(1)
    return random.normal(size=(MODELS, CANDIDATES, CLASSES)) + 3 * random.normal(size=(CANDIDATES, CLASSES))


@pytest.fixture(scope="module")
def by_heart(nothing_learnt, members, labels):
    """Answers of models that are certain of each member, and as unsure of all others as before."""
    answers = nothing_learnt.copy()
    answers[..., np.arange(CANDIDATES), labels] += 60 * members
    return answers


def attacks(answers, members, labels):
    confidences = scaled_confidence(answers, labels)
    half = MODELS // 2
    shadows = ShadowAttack.learnt_from(answers[:half], members[:half], labels)
    return {
        "loss": loss_threshold(answers, labels)[half:],
        "shadows": np.array([shadows.scores(answer, labels) for answer in answers[half:]]),
        "offline": each_in_turn(offline, confidences, members)[half:],
        "online": each_in_turn(online, confidences, members)[half:],
    }


@pytest.mark.parametrize("attack", ["loss", "shadows", "offline", "online"])
def test_a_model_that_knows_its_members_by_heart_is_found_out(attack, by_heart, members, labels):
    scores = attacks(by_heart, members, labels)[attack]
    for each, of_target in zip(scores, members[MODELS // 2 :], strict=True):
        assert roc.area_under_curve(each, of_target) == 1
        assert roc.tpr_at_fpr(each, of_target, fpr=0.01) == 1


@pytest.mark.parametrize("attack", ["loss", "shadows", "offline", "online"])
def test_a_model_that_never_saw_the_data_gives_nothing_away(attack, nothing_learnt, members, labels):
    scores = attacks(nothing_learnt, members, labels)[attack]
    pairs = list(zip(scores, members[MODELS // 2 :], strict=True))
    areas = [roc.area_under_curve(each, of_target) for each, of_target in pairs]
    # A hundred members against a hundred others: the deviation of one area is that of Mann and Whitney's U.
    deviation = np.sqrt((100 + 100 + 1) / (12 * 100 * 100))
    assert np.mean(areas) == pytest.approx(0.5, abs=3 * deviation / np.sqrt(len(areas)))
    found = [roc.called_members(each, of_target, fpr=0.1)[of_target].sum() for each, of_target in pairs]
    low, high = roc.clopper_pearson(int(np.sum(found)), 100 * len(pairs), confidence=0.999)
    assert low < 0.1 < high


def test_the_loss_is_torchs(nothing_learnt, labels):
    losses = nn.functional.cross_entropy(
        torch.from_numpy(nothing_learnt[0]), torch.from_numpy(labels), reduction="none"
    )
    np.testing.assert_allclose(loss_threshold(nothing_learnt[0], labels), -losses.numpy())
    np.testing.assert_allclose(loss_threshold(nothing_learnt, labels)[0], -losses.numpy())


def test_the_scaled_confidence_is_the_log_odds_and_survives_certainty(nothing_learnt, labels):
    odds = np.exp(loss_threshold(nothing_learnt, labels))
    np.testing.assert_allclose(scaled_confidence(nothing_learnt, labels), np.log(odds / (1 - odds)))
    certain = np.array([[200.0, 0.0, 0.0]])
    assert scaled_confidence(certain, np.array([0]))[0] == pytest.approx(200 - np.log(2))


def test_each_answer_needs_a_label(nothing_learnt):
    with pytest.raises(ValueError, match="200 answers and 3 labels"):
        loss_threshold(nothing_learnt, np.zeros(3, int))
    with pytest.raises(ValueError, match="answers \\(models, n, classes\\)"):
        ShadowAttack.learnt_from(nothing_learnt, np.ones((2, 2), bool), np.zeros(200, int))


def test_likelihood_ratios_are_those_of_a_loop_over_candidates(nothing_learnt, members, labels):
    confidences = scaled_confidence(nothing_learnt, labels) + members
    answers, shadows, of_shadows = confidences[0], confidences[1:], members[1:]
    distances_in, distances_out = [], []
    for candidate in range(CANDIDATES):
        values, inside = shadows[:, candidate], of_shadows[:, candidate]
        distances_in += list(values[inside] - values[inside].mean())
        distances_out += list(values[~inside] - values[~inside].mean())
    widths = np.std(distances_in), np.std(distances_out)
    online_scores, offline_scores = (
        online(answers, shadows, of_shadows),
        offline(answers, shadows, of_shadows),
    )
    for candidate in range(CANDIDATES):
        values, inside = shadows[:, candidate], of_shadows[:, candidate]
        curves = norm(values[inside].mean(), widths[0]), norm(values[~inside].mean(), widths[1])
        ratio = curves[0].logpdf(answers[candidate]) - curves[1].logpdf(answers[candidate])
        assert online_scores[candidate] == pytest.approx(ratio)
        # The paper's offline score is a probability; where it isn't lost in rounding, it is the same score.
        assert norm.cdf(offline_scores[candidate]) == pytest.approx(curves[1].cdf(answers[candidate]))


def test_by_hand_and_all_at_once_agree_where_widths_are_shared():
    shifts = np.array([0.0, 5.0, -3.0])  # three candidates with the same two curves, at different places
    inside, outside = np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.5])
    confidences = np.concatenate([inside, outside])[:, np.newaxis] + shifts
    members = np.repeat([True, False], 3)[:, np.newaxis] & np.ones(3, dtype=bool)
    at_once = online(2.5 + shifts, confidences, members)
    np.testing.assert_allclose(at_once, ratio_by_hand(2.5, inside, outside))


def test_a_target_is_no_shadow_of_itself():
    confidences = np.array([[100.0], [1.0], [2.0], [0.0], [0.5]])
    members = np.array([[True], [True], [True], [False], [False]])
    curves = Curves.of(confidences[1:], members[1:])
    first = each_in_turn(offline, confidences, members)[0, 0]
    assert first == pytest.approx((100 - 0.25) / 0.25) and curves.mean_in == pytest.approx(1.5)


def test_a_candidate_without_in_or_out_models_is_refused(nothing_learnt, members, labels):
    confidences = scaled_confidence(nothing_learnt, labels)
    for everybody in (True, False):
        known = members.copy()
        known[:, 7] = everybody
        with pytest.raises(ValueError, match="some of the 24 shadow models"):
            Curves.of(confidences, known)
    with pytest.raises(ValueError, match="one shape"):
        Curves.of(confidences[1:], members)


def test_tpr_is_where_the_roc_curve_first_reaches_the_rate(members):
    scores = np.random.default_rng(5).normal(size=CANDIDATES) + members[0]
    rates, found, _thresholds = roc_curve(members[0], scores, drop_intermediate=False)
    for allowed in (1, 2, 10, 50, 100):
        fpr = allowed / 100
        assert roc.tpr_at_fpr(scores, members[0], fpr=fpr) == found[np.isclose(rates, fpr)].min()


def test_by_chance_no_more_members_are_found_than_others_may_be_accused():
    random, members = np.random.default_rng(6), np.arange(200) < 100
    scores = random.normal(size=(4000, 200))
    found = roc.tprs(scores, np.tile(members, (4000, 1)), fprs=[0.01, 0.05])
    np.testing.assert_allclose(found.mean(axis=0), [0.01, 0.05], atol=0.001)


def test_scores_that_do_not_differ_find_nobody():
    assert roc.tpr_at_fpr(np.zeros(20), np.arange(20) < 10, fpr=0.5) == 0


@pytest.mark.parametrize("fpr", [0.001, 0.0099, 1.1])
def test_a_rate_that_was_not_measured_is_refused(fpr):
    with pytest.raises(ValueError, match="cannot be measured with 100 non-members"):
        roc.tpr_at_fpr(np.arange(200.0), np.arange(200) < 100, fpr=fpr)


def test_the_exact_interval_covers_as_often_as_it_says():
    counts = np.random.default_rng(7).binomial(1000, 0.004, size=2000)
    intervals = {count: roc.clopper_pearson(int(count), 1000) for count in set(counts)}
    covered = np.mean([intervals[count][0] <= 0.004 <= intervals[count][1] for count in counts])
    assert 0.95 <= covered < 0.995
    assert roc.clopper_pearson(0, 10)[0] == 0 and roc.clopper_pearson(10, 10)[1] == 1


def test_the_band_covers_the_mean_of_many_targets():
    random = np.random.default_rng(8)
    samples = [random.normal(0.3, 0.1, size=(40, 1)) for _repeat in range(300)]
    bands = [roc.mean_band(sample, draws=500, seed=seed) for seed, sample in enumerate(samples)]
    assert 0.9 < np.mean([low[0] <= 0.3 <= high[0] for _mean, low, high in bands]) < 0.98


def test_a_label_gives_away_what_the_rule_of_art_says():
    """ART's rule-based attack calls a member whom the model classifies rightly."""
    images, labels = np.random.default_rng(9).random((60, 5), dtype=np.float32), np.arange(60) % CLASSES
    torch.manual_seed(0)
    model = nn.Linear(5, CLASSES)
    classifier = PyTorchClassifier(
        model, loss=nn.CrossEntropyLoss(), input_shape=(5,), nb_classes=CLASSES, clip_values=(0, 1)
    )
    theirs = MembershipInferenceBlackBoxRuleBased(classifier).infer(images, labels)
    answers = model(torch.from_numpy(images)).detach().numpy()
    ours = loss_threshold(label_only(answers), labels) > np.log(0.5)
    assert 0 < ours.sum() < 60
    np.testing.assert_array_equal(ours, np.ravel(theirs).astype(bool))


def test_halves_are_halves_and_differ():
    halves = random_halves(CANDIDATES, models=500, seed=1)
    assert (halves.sum(axis=1) == CANDIDATES // 2).all() and len(np.unique(halves, axis=0)) == 500
    assert abs(halves.mean(axis=0) - 0.5).max() < 0.12  # five deviations of 500 coins
    np.testing.assert_array_equal(halves, random_halves(CANDIDATES, models=500, seed=1))
    for odd in (7, 0, -2):
        with pytest.raises(ValueError, match=f"even number of candidates, at least 2, got {odd}"):
            random_halves(odd, models=2, seed=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(10).random((40, 6), dtype=np.float32)


def trained(images, members, **settings):
    labels = (images.argmax(axis=1) % CLASSES).astype(np.int64)
    settings = {"epochs": 3, "batch_size": 7, "hidden": 8} | settings
    return train_together(
        images, labels, members, training=Training(**settings), seed=2, progress=False
    ).scores(images)


def test_networks_that_learn_together_learn_apart(images):
    """Another half for the second network changes nothing for the first, and the first alone is the same."""
    members = random_halves(40, models=2, seed=4)
    other = members.copy()
    other[1] = random_halves(40, models=3, seed=5)[2]
    both, with_other = trained(images, members), trained(images, other)
    np.testing.assert_allclose(both[0], with_other[0], atol=1e-6)
    assert abs(both[1] - with_other[1]).max() > 1e-3


def test_a_network_sees_no_image_but_its_own(images):
    members = random_halves(40, models=2, seed=4)
    changed = images.copy()
    changed[~members[0]] = 1 - changed[~members[0]]
    labels = np.arange(40) % CLASSES
    settings = {"training": Training(epochs=2, hidden=8), "seed": 2, "progress": False}
    first, second = (
        train_together(each, labels, members, **settings).scores(images) for each in (images, changed)
    )
    np.testing.assert_allclose(first[0], second[0], atol=1e-6)
    assert abs(first[1] - second[1]).max() > 1e-3


def test_one_step_is_the_one_that_torch_takes(images):
    """One network, one batch of all its images: AdamW on an `nn.Sequential` with the same start."""
    labels, members = torch.arange(40) % CLASSES, np.ones((1, 40), dtype=bool)
    training = Training(epochs=1, batch_size=40, hidden=8, weight_decay=0.1, learning_rate=0.01)
    start = Networks.new(1, features=6, hidden=8, generator=torch.Generator().manual_seed(2)).weights
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, CLASSES))
    with torch.no_grad():
        for layer, weights, bias in ((network[0], *start[:2]), (network[2], *start[2:])):
            layer.weight.copy_(weights[0].T)
            layer.bias.copy_(bias[0, 0])
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)
    nn.functional.cross_entropy(network(torch.from_numpy(images)), labels).backward()
    optimizer.step()
    ours = train_together(images, labels.numpy(), members, training=training, seed=2, progress=False)
    expected = network(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(ours.scores(images)[0], expected, atol=1e-5)
    np.testing.assert_array_equal(ours.predict(images)[0], expected.argmax(axis=1))


def test_scores_in_parts_are_scores_at_once(images):
    networks = Networks.new(3, features=6, hidden=4, generator=torch.Generator().manual_seed(1))
    many = np.tile(images, (30, 1))
    whole = networks(torch.from_numpy(many).expand(3, -1, -1)).numpy()
    np.testing.assert_allclose(networks.scores(many), whole, atol=1e-6)


def test_what_cannot_be_trained_is_refused(images):
    members = random_halves(40, models=2, seed=4)
    uneven = members.copy()
    uneven[0, uneven[0].argmax()] = False
    with pytest.raises(ValueError, match=r"equally many .* got \[19, 20\]"):
        trained(images, uneven)
    with pytest.raises(ValueError, match=r"at least one, got \[0\]"):
        trained(images, np.zeros((1, 40), dtype=bool))
    with pytest.raises(ValueError, match=r"got shapes \(40, 6\), \(40,\) and \(2, 39\)"):
        trained(images, members[:, 1:])


def test_small_images_are_means_of_four_pixels():
    images = np.zeros((1, 28, 28), dtype=np.uint8)
    images[0, 0, 0], images[0, 27, 26] = 255, 51
    small = small_images(images)
    assert small.dtype == np.float32 and np.flatnonzero(small).tolist() == [0, 195]
    assert small[0, [0, 195]] == pytest.approx([0.25, 0.05])
    with pytest.raises(ValueError, match=r"uint8 images of shape \(n, 28, 28\), got float32"):
        small_images(images.astype(np.float32))
