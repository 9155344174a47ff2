# %% [markdown]
# # What models leak, and how to measure it
#
# A hospital trains a model on its patients' images and lets everybody ask it. It never shows an image. Can somebody
# who sees nothing but the answers still find out **who was in the training data**? To have been a patient of a cancer
# clinic is a secret in itself. In this lesson you attack models of your own, measure how much they give away, and see
# which defences work.
#
# After this lesson you will be able to
#
# - find members of the training data by loss, by shadow models, and by likelihood ratio;
# - measure an attack where it hurts: how many members it finds when false alarms are rare;
# - rebuild what a class looks like from confidences, and fool a model with a change that people hardly notice;
# - compare defences by leak, accuracy and cost;
# - audit a privacy promise, and say what an audit proves.
#
# **Time:** about 70 minutes to read; the cells run in less than three minutes. **Memory:** under 1.5 GB.
#
# ## Who trusts whom with what
#
# | | the people in the data | the model's owner | the attacker |
# |---|---|---|---|
# | has | one image each | all the images, the model | images from the same pool, time to train models |
# | sees | | everything | answers to questions: a confidence for each class |
# | should not learn | | | whose image was used, and what it shows |
#
# **Whom may you use this on?** On models of your own, and on those of somebody who asked you to. To find out who was
# in a data set harms these people, and is often illegal. The good reason to attack is to know what you would give
# away *before* you publish it.

# %% tags=["imports"]
import time

import numpy as np
import pandas as pd
import torch
from scipy.stats import binom

from course_lib.attacks import audit_pictures, example_pictures, pictures
from course_lib.attacks.adversarial import accuracy_under
from course_lib.attacks.audit import audit_lower_bound, count_correct, guess
from course_lib.attacks.canaries import Canaries, canary_scores
from course_lib.attacks.defences import label_only, noise_multiplier, rounded, scores_of, train_privately
from course_lib.attacks.inversion import AnsweringModel, invert_from_confidences
from course_lib.attacks.likelihood_ratio import Curves, each_in_turn, offline, online, ratio_by_hand
from course_lib.attacks.membership import ShadowAttack, loss_threshold, scaled_confidence
from course_lib.attacks.roc import area_under_curve, called_members, clopper_pearson, mean_band, tprs
from course_lib.attacks.targets import Training, random_halves, small_images, train_together
from course_lib.attacks.teachers import look_alike, train_students, train_teachers, votes_on_groups
from course_lib.cache import cached
from course_lib.data import mnist
from course_lib.dp_sgd import PublicScaling
from course_lib.exercises import check
from course_lib.figures import show, show_interactive
from course_lib.i18n import _, number
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu

# %% [markdown]
# ## The idea by hand
#
# A model is surer of what it has learnt from than of what it sees for the first time. The **loss** says how unsure it
# is: minus the logarithm of the confidence that it gives the true class. So whoever has a low loss was probably in
# the training data: a **member**. The simplest attack of all (Yeom et al., 2018) calls everybody a member whose loss
# lies below a threshold.
#
# Below are six losses, three of members and three of others. For each threshold, count two shares: the members that
# are found (**true-positive rate**, TPR), and the others that are accused (**false-positive rate**, FPR).

# %%
losses = np.array([0.01, 0.02, 0.9, 0.05, 0.3, 1.2])
members = np.array([True, True, True, False, False, False])
for threshold in (0.03, 0.1, 1):
    called = losses < threshold
    print(f"{threshold:4} {called[members].mean():.0%} {called[~members].mean():.0%}")

# %% [markdown]
# ## Two models, many times
#
# The first 2,000 images of MNIST are our **candidates**, at half their width and height. A target learns from a
# random half of them, 1,000 members; the other 1,000 are non-members, and nothing but the model tells the two apart.
# One kind of target **overfits**: it goes over its 1,000 images thirty times. The other is **careful**: the same
# network learns from 10,000 images, its half of the candidates among them, in five rounds.
#
# One target says little: it may be a lucky one. So we train many of each kind, every one with a half of its own. They
# lie in one tensor and learn at the same time, which takes seconds instead of minutes. The work is done once: the
# notebooks in other languages find it on your machine.


# %% tags=["nbval-ignore-output", "reason:progress"]
(train_images, train_labels), (test_images, test_labels) = mnist.load_data()
pool, exam = small_images(train_images), small_images(test_images)
candidates, labels, public = pool[:2000], train_labels[:2000], pool[50000:52000]


@cached
def trained(models, images, epochs, batch_size, weight_decay, seed):
    start = time.perf_counter()
    halves = random_halves(len(candidates), models=models, seed=seed)
    others = np.ones((models, images - len(candidates) // 2), dtype=bool)
    known = np.hstack([halves, others])
    training = Training(epochs=epochs, batch_size=batch_size, weight_decay=weight_decay)
    learnt_from = pool[: known.shape[1]], train_labels[: known.shape[1]]
    networks = train_together(*learnt_from, known, training=training, seed=seed)
    seconds = (time.perf_counter() - start) / models
    right = (networks.predict(exam) == test_labels).mean()
    return {"members": halves, "answers": networks.scores(candidates), "right": right, "seconds": seconds}


overfit = trained(models=64, images=1000, epochs=30, batch_size=50, weight_decay=0, seed=1)
careful = trained(models=32, images=10_000, epochs=5, batch_size=200, weight_decay=0, seed=1)

# %% [markdown]
# ## By loss, and by shadow models
#
# The figure shows the losses for one target of each kind. Where the two curves lie apart, the model leaks. The
# numbers below are for the targets that overfit: the share of right answers on their own images, and on images that
# are new to them. The gap is what overfitting means. The third is the **area under the curve** (AUC): how often a
# random member has a lower loss than a random non-member. A coin gets 0.5, so 0.56 sounds harmless.
#
# But an average hides what matters. An attack that is sure about *one person in a hundred* harms that person, and
# hardly moves the average. So we ask (Carlini et al., 2022): which share of the members does the attack find, if at
# most **0.1%** of the non-members may be accused? And with **1%**? That is the second line: by loss, no more than an
# attack that guesses.
#
# What do answers about members look like? The attacker can learn that. Train **shadow models** on images of one's
# own, for which one knows who is a member, and let a classifier learn to tell answers about members from others, one
# for each class (Shokri et al., 2017). Here the last 32 models are the shadow models, the first 32 the targets; each
# knows its own half of the candidates. The last line: this attack finds more, but not much.


# %% tags=["nbval-ignore-output", "reason:training"]
def losses_of(models):
    return -loss_threshold(models["answers"], labels)


kinds = {_("overfits"): overfit, _("careful"): careful}
show(
    pictures.draw_losses({name: (losses_of(each)[0], each["members"][0]) for name, each in kinds.items()}),
    alt=_(
        "Losses. Of the model that overfits, only non-members have high ones; of the careful one, both have."
    ),
)
members = overfit["members"]
own = (overfit["answers"].argmax(axis=2) == labels)[members].mean()
area = np.mean([area_under_curve(*each) for each in zip(-losses_of(overfit), members, strict=True)])
print(f"{own:.0%} {overfit['right']:.0%} {area:.2f}")

attack = ShadowAttack.learnt_from(overfit["answers"][32:], members[32:], labels)
by_shadows = np.array([attack.scores(answers, labels) for answers in overfit["answers"][:32]])
for scores in (-losses_of(overfit), by_shadows):
    found = tprs(scores, members[: len(scores)], fprs=[0.001, 0.01]).mean(axis=0)
    print(f"{found[0]:.1%} {found[1]:.1%}")

# %% [markdown]
# ### Exercise 1
#
# Write the measure. `scores` say how sure the attack is of each candidate, `members` who is one. Put the threshold at
# the score of the last non-member who may be accused, if at most a share `fpr` of them may (at least one). Return the
# share of the members who score higher.


# %% tags=["exercise"]
def tpr_at_fpr(scores, members, fpr):
    ### BEGIN SOLUTION
    outsiders = np.sort(scores[~members])[::-1]
    allowed = int(fpr * len(outsiders))
    return (scores[members] > outsiders[allowed - 1]).mean()
    ### END SOLUTION


check("what_models_leak.tpr_at_fpr", tpr_at_fpr)

# %% [markdown]
# ## The likelihood ratio
#
# One thing these attacks don't know: some images are *hard*. A clear 1 has a low loss in any model, an odd 4 only
# in models that have learnt it by heart. One threshold for all mixes them up. So ask about each candidate on its
# own. Some shadow models have learnt from it (**in**), the others have not (**out**). Each group's confidences make
# a curve. Under which of the two is the target's answer likelier? The ratio of the two likelihoods is the best that
# one can make of this one number, if the curves are right. This is the **likelihood-ratio attack**, LiRA (Carlini
# et al., 2022).
#
# One trick: confidences crowd just below 1, where differences vanish. Their **log-odds**, $\ln(p / (1 - p))$, spread
# out and look like bell curves. By hand, with three models in each group: the means are 3 and 1, both curves are
# equally wide. An answer of 2 lies half way and speaks for neither. An answer of 3 speaks for *in* by a factor of
# $e^3 \approx 20$.
#
# The figure shows two candidates, and model 0 as the target. For the left one the curves lie almost on top of each
# other: whether it was a member, nobody can tell. For the right one they lie far apart, and one question is enough.


# %% tags=["nbval-ignore-output", "reason:training"]
def log_likelihood(answer, group):
    return -np.log(group.std()) - (answer - group.mean()) ** 2 / (2 * group.var())


inside, outside = np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0])
for answer in (2.0, 3.0):
    ratio = log_likelihood(answer, inside) - log_likelihood(answer, outside)
    print(f"{ratio:.1f} {ratio_by_hand(answer, inside, outside):.1f}")

confidences = scaled_confidence(overfit["answers"], labels)
by_ratio = each_in_turn(online, confidences, members)
called = np.array([called_members(*each, fpr=0.001) for each in zip(by_ratio, members, strict=True)])
often = (called & members).sum(axis=0) / members.sum(axis=0)
curves = Curves.of(confidences, members)
gaps = curves.mean_in - curves.mean_out
two = [abs(gaps).argmin(), gaps.argmax()]
show(
    pictures.draw_curves(candidates[two], confidences[1:, two], members[1:, two], confidences[0, two]),
    alt=_(
        "Bell curves of two candidates. Those of a clear digit overlap, those of an odd one lie far apart."
    ),
)

# %% [markdown]
# ## All candidates at once
#
# Each of the 64 models is the target once, with the other 63 as its shadow models. **Online**, the attacker trains
# shadow models with and without the candidate. **Offline**, they were trained before anybody knew whom to ask about:
# there is only the *out* curve, and the score is how far above it the answer lies. With few shadow models a width is
# easily misjudged, so the library gives all candidates the same two widths, one for *in* and one for *out*, as the
# paper advises.
#
# Both axes are logarithmic, so that one sees the corner that matters. The bands (95%, bootstrap over targets) say
# how sure the mean over the targets is. For a single target we could not say much: with 1,000 non-members, 0.1% is
# at most **one** false alarm, and who has counted one in a thousand knows only that the rate is between 0.003% and
# 0.56% (Clopper and Pearson's exact interval, printed first). With a threshold for each target, rates below 0.1%
# can't be measured.
#
# At that rate, chance finds 0.1% of the members. The likelihood ratio finds more than 40 times as many, on a model
# whose AUC by loss is 0.56. **And whom does it find?** The upper row of the second figure shows those that are found
# most often when they are members, with the share of the models in which they are; the lower row some that never are.
# Models leak those who are unlike all others. An average over everybody says nothing to them.


# %% tags=["nbval-ignore-output", "reason:training"]
fprs = np.array([1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 300, 500, 700, 1000]) / 1000
attacks = {
    _("likelihood ratio, online"): by_ratio,
    _("likelihood ratio, offline"): each_in_turn(offline, confidences, members),
    _("shadow models"): by_shadows,
    _("loss threshold"): -losses_of(overfit),
}
bands = {name: mean_band(tprs(scores, members[: len(scores)], fprs=fprs)) for name, scores in attacks.items()}
show(
    pictures.draw_roc(bands, fprs=fprs),
    alt=_("True against false positives. At 0.1% the likelihood ratio finds many times what the loss finds."),
)
print("{:.3%} {:.2%}".format(*clopper_pearson(1, 1000)))
for name, (mean, low, high) in bands.items():
    print(f"{mean[0]:.1%} ({low[0]:.1%} – {high[0]:.1%})   {mean[5]:.1%}   {name}")
show(
    pictures.draw_exposed(candidates, labels, often),
    alt=_("Above: odd digits that are found most often. Below: clear digits that are never found."),
)

# %% [markdown]
# ### Exercise 2
#
# Write the offline attack for all candidates. `answers` are the target's scaled confidences (n,); `confidences`
# (models, n) are those of the shadow models; `members` (models, n) says which of them learnt from which candidate:
# those you must not use. For each candidate take the mean of the rest; as the width take one number for all, the
# standard deviation of all the distances from these means.


# %% tags=["exercise"]
def offline_scores(answers, confidences, members):
    ### BEGIN SOLUTION
    outside = np.where(members, np.nan, confidences)
    means = np.nanmean(outside, axis=0)
    return (answers - means) / np.nanstd(outside - means)
    ### END SOLUTION


check("what_models_leak.offline", offline_scores)

# %% [markdown]
# ## What does a class look like?
#
# So far the attacker had an image and wondered whether the model had seen it. Now the attacker has **nothing but the
# model**, and wants to see what it was trained on. **Model inversion** (Fredrikson, Jha and Ristenpart, 2015) starts
# with blank paper and asks: which pixels make the model a little surer that this is a 3? Ink is added there, taken
# away elsewhere, and so on, ten times.
#
# Whoever has the model's weights (a **white box**) reads the direction from the gradient. The service's network here
# has 784 inputs, 128 neurons and ten outputs; it learned from 10,000 images and is right in about 92 of 100 cases. It
# does not overfit: weights are kept small, as good practice has it. A second network, the **judge**, learned from
# 10,000 other images. It will read what comes out, so that we don't have to trust our own eyes.


# %% tags=["nbval-ignore-output", "reason:training"]
def train_network(images, labels, seed):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=0.005)
    for _epoch in range(5):
        for batch in torch.randperm(len(images)).split(100):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network


def invert(model, label, steps=10, step_size=5.0):
    image = torch.zeros(784)
    for _step in range(steps):
        confidence = model(image.requires_grad_(True)[None]).softmax(dim=1)[0, label]
        slope = torch.autograd.grad(confidence, image)[0]
        image = (image + step_size * slope).detach().clamp(0, 1)
    return image


pixels = torch.from_numpy(train_images[:40_000]).reshape(-1, 784) / 255
digits = torch.from_numpy(train_labels[:40_000]).long()
service = train_network(pixels[10_000:20_000], digits[10_000:20_000], seed=1)
judge = train_network(pixels[30_000:40_000], digits[30_000:40_000], seed=2)

# %% [markdown]
# An attacker who only sees answers (a **black box**) gets the gradient, too: change one pixel by 0.01, ask again, and
# see by how much the confidence moves. That makes 785 questions for each step, 7,850 for a class.
#
# The usual defence is to **round** the answers. `AnsweringModel` plays the service, and counts what it is asked. The
# figure shows what is rebuilt, above it how the judge reads it, with a tick where it is right.

# %% tags=["nbval-ignore-output", "reason:training"]
rebuilt = {_("white box"): [invert(service, label) for label in range(10)]}
for name, decimals, difference in (
    (_("black box"), None, 0.01),
    (_("2 decimals"), 2, 0.01),
    (_("2 decimals, whole pixels"), 2, 1.0),
    (_("1 decimal, whole pixels"), 1, 1.0),
):
    ask = AnsweringModel(service, decimals=decimals)
    step = {"features": 784, "difference": difference}
    rebuilt[name] = [invert_from_confidences(ask, label, **step) for label in range(10)]
    print(f"{number(ask.questions)} {name}")

read = {name: judge(torch.stack(images)).argmax(dim=1).numpy() for name, images in rebuilt.items()}
drawn = {name: torch.stack(images).reshape(10, 28, 28).numpy() for name, images in rebuilt.items()}
show(
    example_pictures.draw_rebuilt(drawn, read),
    alt=_("Five rows of ten rebuilt digits. With two decimals and small steps the paper stays blank."),
)

# %% [markdown]
# The judge reads all ten digits right, whether the attacker has the weights or only answers. Answers with two
# decimals stop the small steps: no pixel moves the confidence by enough to be seen, and the paper stays blank (which
# the judge happens to read as a 5). But a defence has to be measured against an attacker who knows of it. This one
# changes each pixel by **as much as it can**, and all ten are back, for the same number of questions. With one
# decimal most of the paper stays blank.
#
# What was stolen? Not one person's image: an average 3, which everybody knows. It turns serious where a class *is*
# one person. In the paper the model recognised faces, and people often picked the right person from a rebuilt face.
#
# ## A small change
#
# The gradient that rebuilt a class also fools the model. Close to an image, a score is nearly a sum of weights
# times pixels. Change *each* of 784 pixels by only 0.1, always in the direction that hurts, with weights of 0.05:
# the score moves by $784 \cdot 0.1 \cdot 0.05 \approx 3.9$, more than enough to turn an answer around. That is the
# **fast gradient sign method** (FGSM; Goodfellow, Shlens and Szegedy, 2015). It takes one step of size ε for each
# pixel, in the direction in which the loss rises. **Projected gradient descent** (PGD; Madry et al., 2018) takes
# many small ones, and goes back to within ε after each. (This ε is a change of a pixel between 0 and 1. It has
# nothing to do with the ε of privacy.)
#
# Move ε below. Above are six digits with PGD's change and the service's answer, below the share of right answers on
# 500 test images. The dotted curve changes the pixels by just as much, but in random directions.


# %% tags=["nbval-ignore-output", "reason:training"]
def fgsm(model, images, labels, epsilon):
    images = images.detach().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(model(images), labels, reduction="sum")
    slope = torch.autograd.grad(loss, images)[0]
    return (images.detach() + epsilon * slope.sign()).clamp(0, 1)


def pgd(model, images, labels, epsilon, steps=10):
    changed = images
    for _step in range(steps):
        changed = fgsm(model, changed, labels, 2.5 * epsilon / steps)
        changed = images + (changed - images).clamp(-epsilon, epsilon)
    return changed


test_pixels = torch.from_numpy(test_images).reshape(-1, 784) / 255
test_digits = torch.from_numpy(test_labels).long()
some, some_digits = test_pixels[[0, 1, 2, 3, 4, 7]], test_digits[[0, 1, 2, 3, 4, 7]]
changed = fgsm(service, some, some_digits, epsilon=0.1)
drawn = [images.reshape(-1, 28, 28).numpy() for images in (some, changed)]
answers = [service(images).argmax(dim=1).numpy() for images in (some, changed)]
show(
    example_pictures.draw_changed(*drawn, *answers),
    alt=_("Six digits, the change of each pixel, and their sum, which a person still reads with ease."),
)


# %% tags=["nbval-ignore-output", "reason:training"]
def random_signs(model, images, labels, epsilon):
    signs = torch.from_numpy(np.random.default_rng(1).choice([-1, 1], size=images.shape))
    return (images + epsilon * signs.float()).clamp(0, 1)


epsilons = [round(0.025 * step, 3) for step in range(13)]
attacks = {_("random"): random_signs, "FGSM": fgsm, "PGD": pgd}
shares = {
    name: accuracy_under(attack, service, test_pixels[:500], test_digits[:500], epsilons=epsilons)
    for name, attack in attacks.items()
}
moved = torch.stack([pgd(service, some, some_digits, epsilon) for epsilon in epsilons])
shown = (epsilons, shares, moved.reshape(-1, 6, 28, 28).numpy(), service(moved).argmax(dim=2).numpy())
show_interactive(
    example_pictures.perturbation_chart(*shown),
    alt=_("Share of right answers against ε: random changes hardly matter, FGSM and PGD end near 0."),
    still=example_pictures.draw_perturbation(*shown),
)

# %% [markdown]
# At ε = 0.1 random changes cost the service hardly anything: about 90 of 100 answers stay right. FGSM
# leaves fewer than half of that, PGD fewer still, and at ε = 0.2 hardly any is left. Noise on the training does not
# help here, nor does encryption: whoever can choose the question chooses this one. What does help, in part and at a
# price, is to train on such images, too, as Madry et al. do.
#
# ### Exercise 3
#
# Don't be content with a wrong answer, choose it. `slope(image, label)` returns how the loss for that `label` changes
# with each pixel. Take one step of `epsilon` in each pixel that makes the model take the image for `target`, and keep
# the pixels between 0 and 1.


# %% tags=["exercise"]
def targeted_step(slope, image, target, epsilon):
    ### BEGIN SOLUTION
    return (image - epsilon * np.sign(slope(image, target))).clip(0, 1)
    ### END SOLUTION


check("what_models_leak.targeted_step", targeted_step)

# %% [markdown]
# ## Defences
#
# Back to members. Each defence is attacked in the same way: 32 models (64 where the model itself has no defence:
# the first three rows), each in turn the target, and the attacker's shadow models have the same defence. To attack
# as if nobody had defended would measure nothing.
#
# - **Say less:** confidences rounded to one decimal, or nothing but the class.
# - **Regularise:** fewer rounds over the images, and weights pulled towards zero.
# - **More images:** the careful model.
# - **DP-SGD** (lesson 04 explains it): a linear model, trained under noise with Opacus, for three values of ε, for
#   one image more or less, at δ = 0.00001. The same model without noise shows what the noise itself does.
# - **PATE** (lesson 04, too): 50 teachers with 20 images each vote on 30 groups of public images. A student learns
#   the noisy winners, and never sees a member's image. The last line is its ε: here for a teacher's 20 images at
#   once.


# %% tags=["nbval-ignore-output", "reason:progress"]
@cached
def trained_privately(models, epsilon, seed):
    start = time.perf_counter()
    noise = noise_multiplier(epsilon=epsilon, delta=1e-5, steps=30) if epsilon else 0.0
    scaled = PublicScaling.of(torch.from_numpy(public), kept=25)
    inputs, exams = (scaled(torch.from_numpy(images)).numpy() for images in (candidates, exam))
    halves = random_halves(len(candidates), models=models, seed=seed)
    linear = train_privately(inputs, labels, halves, noise=noise, steps=30, seed=seed)
    seconds = (time.perf_counter() - start) / models
    right = (scores_of(linear, exams).argmax(axis=2) == test_labels).mean()
    return {"members": halves, "answers": scores_of(linear, inputs), "right": right, "seconds": seconds}


def leak(members, answers):
    confidences = scaled_confidence(answers, labels)
    scores = (each_in_turn(attack, confidences, members) for attack in (online, offline))
    rates = [tprs(each, members, fprs=[0.001, 0.01]) for each in scores]
    return mean_band(max(rates, key=lambda rate: rate[:, 0].mean()))  # the stronger of the two


regularised = trained(models=32, images=1000, epochs=6, batch_size=50, weight_decay=0.3, seed=1)
private = {epsilon: trained_privately(models=32, epsilon=epsilon, seed=1) for epsilon in (None, 8, 4, 1)}


# %% tags=["nbval-ignore-output", "reason:progress"]
@cached
def taught_by_votes(models, teachers, groups, sigma, seed):
    start = time.perf_counter()
    halves = random_halves(len(candidates), models=models, seed=seed)
    ensembles = train_teachers(candidates, labels, halves, teachers=teachers, seed=seed)
    scaled = PublicScaling.of(torch.from_numpy(public), kept=25)
    group_of = look_alike(scaled(torch.from_numpy(public)).numpy(), groups=groups, seed=seed)
    votes = votes_on_groups(ensembles.predict(public), group_of, teachers=teachers)
    noise = np.random.default_rng(seed).normal(scale=sigma, size=votes.shape)
    told = (votes + noise).argmax(axis=2)[:, group_of]
    students = train_students(public, told, seed=seed)
    seconds = (time.perf_counter() - start) / models
    right = (students.predict(exam) == test_labels).mean()
    return {"members": halves, "answers": students.scores(candidates), "right": right, "seconds": seconds}


taught = taught_by_votes(models=32, teachers=50, groups=30, sigma=6.0, seed=1)
epsilon = gaussian_epsilon(gnmax_mu(30, sigma=6.0), delta=1e-5)
print(f"{epsilon:.1f}")

# %% [markdown]
# ## Leak, accuracy, cost
#
# The table is made from what was measured here and now. "Found" is the share of the members that the stronger of the
# two attacks finds, online or offline, as a mean over the targets. "Seconds" is what it took to train one model.
#
# - **Rounding does not help.** It stops whoever looks at the loss, not who compares with models of their own. Even
#   the class alone gives most of it away: an odd image is classified rightly by the models that have learnt it.
# - **Regularising helps** and costs little accuracy. **More images help more,** and accuracy rises. But nobody
#   promises anything: with other data, or for the oddest image, the leak may be another.
# - **DP-SGD and PATE promise** (with noise that nobody can repeat; ours comes from a seed, so that you see our
#   numbers), and with 1,000 images that costs accuracy. Look at the linear model without noise: much of the
#   protection, and of the price, comes from the small model. At ε = 8 and 4 the noise takes away hardly anything
#   that this attack could see; at ε = 1 it does.
# - **At ε = 1, and for PATE's student, the attack finds little more than chance would.** That alone proves nothing: a
#   better attack may come. What a promise is worth is the next question.

# %% tags=["nbval-ignore-output", "reason:timing"]
rows = {
    _("no defence"): overfit,
    _("one decimal"): overfit | {"answers": rounded(overfit["answers"], decimals=1)},
    _("class alone"): overfit | {"answers": label_only(overfit["answers"])},
    _("regularised"): regularised,
    _("10,000 images"): careful,
    _("linear, no noise"): private[None],
    **{_("DP-SGD, ε = {epsilon}").format(epsilon=value): private[value] for value in (8, 4, 1)},
    _("PATE, ε = {epsilon}").format(epsilon=number(epsilon, 1)): taught,
}
leaks = {name: leak(row["members"], row["answers"]) for name, row in rows.items()}
points = {name: (rows[name]["right"], *(end[0] for end in leaks[name])) for name in rows}
alt = _("Leak against accuracy. Without a defence both are high; under noise the leak is near chance.")
show(pictures.draw_defences(points, fpr=0.001), alt=alt)
columns = {
    _("found at 0.1% (%)"): [number(100 * mean[0], 1) for mean, _low, _high in leaks.values()],
    _("found at 1% (%)"): [number(100 * mean[1], 1) for mean, _low, _high in leaks.values()],
    _("accuracy (%)"): [number(100 * row["right"], 1) for row in rows.values()],
    _("seconds"): [number(row["seconds"], 2) for row in rows.values()],
}
pd.DataFrame(columns, index=list(rows))

# %% [markdown]
# ## Don't believe the ε: audit it
#
# DP-SGD *promises* an ε. Is the promise kept? A single mistake in the code, noise added at the wrong place, and it is
# not, and the model looks as good as ever. An **audit** finds out from outside (Steinke, Nasr and Jagielski, 2023).
# We make up training examples, **canaries**, and a coin decides for each whether it is in the training data. Then we
# look at the model and guess, where we feel sure, what the coins said; elsewhere we abstain.
#
# If the training has ε, without δ, each guess is right with probability at most $e^\varepsilon / (1 +
# e^\varepsilon)$, 1/2 at ε = 0 and 3/4 at ε = ln 3. So 18 of 20 right would be a rare piece of luck if ε were 0, but
# none at ε = 2: the first cell computes how rare. Turned around, an ε at which it would be rarer than 1 in 20 is
# **ruled out**, with 95% confidence. The largest of these is a **lower bound** for ε. (The library's
# `audit_lower_bound` also counts δ in.)


# %%
def luck(correct, guesses, epsilon):
    right = np.exp(epsilon) / (1 + np.exp(epsilon))
    return binom.sf(correct - 1, guesses, right)  # this many right guesses, or more


for epsilon in (0.0, 1.0, 2.0):
    print(f"{epsilon} {luck(18, 20, epsilon):.4f}")
print(f"{audit_lower_bound(18, 20, delta=0, confidence=0.95, canaries=20):.2f}")

# %% [markdown]
# Now a real training. The canaries are 784 images with one lone pixel each, and a label drawn at random: nothing but
# the canary itself can teach the model that label. A linear model learns from 1,000 digits and the canaries that are
# in, with the DP-SGD of lesson 04, whose ε is for one example more or less. A **reference** learns from the digits
# alone. The more the model favours a canary's label than the reference does, the surer we are that it is in. We guess
# 200 times, a number that was fixed *before* we looked: "in" for the 100 highest scores, "out" for the 100 lowest.


# %% tags=["nbval-ignore-output", "reason:training"]
@cached
def audited(epsilons, seed):
    (images, labels), _exam = mnist.load_data()
    inputs = torch.nn.functional.normalize(torch.from_numpy(images[:1000]).reshape(-1, 784).float())
    canaries = Canaries.lone_pixels(features=784, seed=seed)
    scores = [
        canary_scores(canaries, inputs, labels[:1000], epsilon=epsilon, delta=1e-5, seed=seed)
        for epsilon in epsilons
    ]
    return {"scores": scores, "included": canaries.included}


audit, promised = audited(epsilons=[1.0, 4.0, 8.0, None], seed=1), [1, 4, 8, np.inf]
included, guessed = audit["included"], [guess(scores, guesses=200) for scores in audit["scores"]]
correct = [count_correct(guesses, included) for guesses in guessed]
settings = {"guesses": 200, "delta": 1e-5, "confidence": 0.95, "canaries": 784}
bounds = [audit_lower_bound(count, **settings) for count in correct]
print(correct, [round(bound, 1) for bound in bounds])
show(
    audit_pictures.draw_audit(
        audit["scores"][2], included, guessed[2], list(zip(promised, bounds, strict=True)), most=bounds[3]
    ),
    alt=_("Left: two overlapping heaps of scores, at ε = 8. Right: each lower bound is below its promise."),
)

# %% [markdown]
# All lower bounds stay below the promises, as they should. One above its promise would be a reason to
# look for a mistake, and to audit again: each bound has its 5% of bad luck. Between the two lies what we don't
# know: there may be a better auditor, or the promise is more careful than it had to be. And without noise? All 200
# guesses are right, and the bound is 4.2, simply because 200 guesses can't prove more. **An audit never proves that
# a model is private.** It finds leaks, it doesn't rule them out.
#
# ## Where it breaks
#
# - **An attack is a lower bound.** That ours finds nothing does not mean that there is nothing. Only a promise that
#   holds against *every* attack, as that of differential privacy does, ends the race.
# - **Our attacker is strong:** images from the very same pool (for the careful model, 9,000 of its 10,000 images),
#   the same network, the same settings, the true labels. A weaker one finds less. Don't count on weakness.
# - **Digits are mild.** Models leak most where people are few and unlike each other: genomes, rare diseases, texts.
#   Large language models recite pages of what they were trained on.
# - **The bands are about targets,** for these 2,000 candidates. Other images would give other numbers.
# - **What all have in common is no member's secret.** That most patients of a clinic smoke can be learnt from any
#   good model, and no defence here hides it.
#
# ## What we saw
#
# - A model's answers can tell who was in its training data. Measure it at few false alarms, not on average.
# - The likelihood ratio finds many times what chance would, and first those who are unlike the others.
# - From confidences one can rebuild a class; with gradients one can fool it by a change that people hardly notice.
# - Coarse answers hide little. Less overfitting helps. Only noise with a counted ε promises, and an audit can only
#   refute a promise.
#
# Which lesson answers which leak?
#
# | what leaks | the answer | lesson |
# |---|---|---|
# | the model tells who was in the data | differential privacy: PATE, DP-SGD | 04 |
# | the service sees what I ask | homomorphic encryption | 05, 06 |
# | whoever computes sees the data or the model | secret sharing, secure multi-party computation | 07 to 10 |
# | the data travel to whoever analyses them | the code travels instead | 11 |
#
# ## Sources
#
# - S. Yeom, I. Giacomelli, M. Fredrikson, S. Jha: *Privacy Risk in Machine Learning: Analyzing the Connection to
#   Overfitting*, CSF 2018 (the loss threshold).
# - R. Shokri, M. Stronati, C. Song, V. Shmatikov: *Membership Inference Attacks Against Machine Learning Models*,
#   IEEE S&P 2017 (shadow models).
# - N. Carlini, S. Chien, M. Nasr, S. Song, A. Terzis, F. Tramèr: *Membership Inference Attacks From First
#   Principles*, IEEE S&P 2022 (LiRA).
# - C. Clopper, E. Pearson: *The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial*,
#   Biometrika 1934.
# - M. Fredrikson, S. Jha, T. Ristenpart: *Model Inversion Attacks that Exploit Confidence Information and Basic
#   Countermeasures*, CCS 2015.
# - I. Goodfellow, J. Shlens, C. Szegedy: *Explaining and Harnessing Adversarial Examples*, ICLR 2015 (FGSM).
# - A. Mądry, A. Makelov, L. Schmidt, D. Tsipras, A. Vladu: *Towards Deep Learning Models Resistant to Adversarial
#   Attacks*, ICLR 2018 (PGD).
# - M. Abadi et al.: *Deep Learning with Differential Privacy*, CCS 2016 (DP-SGD).
# - N. Papernot et al.: *Scalable Private Learning with PATE*, ICLR 2018.
# - T. Steinke, M. Nasr, M. Jagielski: *Privacy Auditing with One (1) Training Run*, NeurIPS 2023.
# - N. Carlini et al.: *Extracting Training Data from Large Language Models*, USENIX Security 2021.
# - [Opacus](https://opacus.ai), which trains under noise here.
