# %% [markdown]
# # PATE: learn from private data without telling
#
# Many hospitals have images with a diagnosis, and none may show them. A student wants to learn the diagnosis.
# In this lesson each hospital trains a **teacher** on its own images. The teachers vote on public images,
# noise is added to the votes, and the student learns from the noisy answers alone. This is PATE, the *private
# aggregation of teacher ensembles* (Papernot et al., 2017).
#
# After this lesson you will be able to
#
# - say what ε and δ promise, and to whom;
# - add the right noise to votes, and count what each answer costs;
# - tell an ε that may be published from one that may not;
# - train a student that is right in at least 98 of 100 cases at an ε below 2;
# - compare PATE with training under noise (DP-SGD), and say what neither protects.
#
# **Time:** about 45 minutes to read; the cells run in less than three minutes. **Memory:** under 1.5 GB.
#
# ## Who trusts whom with what
#
# | | a hospital | the aggregator | the student, and everybody after it |
# |---|---|---|---|
# | has | its own images, its teacher | the noise, the ledger | public images |
# | sees | nothing of the others | all the votes | the noisy answers, ε and δ |
# | should not learn | | the hospitals' images | whose image was used, and what it showed |
#
# The aggregator is trusted: it counts votes correctly, adds the noise, and keeps votes to itself. Everybody
# else may work together, and may know all the images but one.

# %% tags=["imports"]
import tempfile
import time

import numpy as np
from torch import nn

from course_lib.cache import cached
from course_lib.data import mnist, pate_votes
from course_lib.dp_sgd import PublicScaling, fixed_features, train_dp_sgd
from course_lib.exercises import check
from course_lib.figures import show, show_interactive
from course_lib.i18n import _, number
from course_lib.pate import accounting, pictures
from course_lib.pate.accounting.events import epsilon_of
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu
from course_lib.pate.aggregation import NO_ANSWER, Aggregator, BudgetExceeded
from course_lib.pate.digit_layers import Bend, Straighten, Strokes
from course_lib.pate.ledger import Ledger
from course_lib.pate.mechanisms import ConfidentGNMax, GNMax, LNMax
from course_lib.pate.noise import SecureNoise, SeededNoise
from course_lib.pate.partition import disjoint_parts
from course_lib.pate.public_clusters import group_votes
from course_lib.pate.student import train_from_clusters, train_semi_supervised, train_supervised
from course_lib.pate.teachers import train_teachers, vote_counts
from course_lib.pate.training import Fixed, Training, as_input

# %% [markdown]
# ## A coin for an honest answer
#
# Have you ever cheated in an exam? Nobody answers that honestly, so toss a coin first, and let nobody see it.
# Heads: tell the truth. Tails: toss once more, and say yes for heads, no for tails. A yes now proves nothing;
# the coin may have said it. Yet the share of cheaters can be estimated. Of those who never cheated, one
# quarter says yes; of those who did, three quarters. If a share $p$ has cheated, the share of yes is
# $\frac{1}{4} + \frac{p}{2}$. This is **randomised response** (Warner, 1965).


# %%
def randomised_response(truth, random):
    tells_truth = random.random(len(truth)) < 0.5
    second_coin = random.random(len(truth)) < 0.5
    return np.where(tells_truth, truth, second_coin)


# A seed, so that you see the numbers that we describe. Noise that protects somebody never comes from a seeded generator.
random = np.random.default_rng(4)
truth = np.arange(10_000) < 3_000
answers = randomised_response(truth, random)
print(f"{answers.mean()=:.3f} {2 * (answers.mean() - 0.25)=:.3f}")

show(
    pictures.draw_neighbours(),
    alt=_("Two worlds. Left: bars of 3/4 and 1/4. Right: two bell curves, shifted by one vote."),
)

# %% [markdown]
# ## What ε promises
#
# Compare two worlds that differ in one person's truth. We call them **neighbouring** data sets. Each answer
# may be likelier in one of the two worlds, but never by more than a certain factor. On the left of the
# figure: a yes has probability 3/4 in one world and 1/4 in the other, so the factor is 3. The logarithm of
# the largest factor is called **ε**: here $\ln 3 \approx 1.1$. Whoever thought before the answer that you
# cheated with odds of 1 to 1 may think so afterwards with odds of 3 to 1, and no more.
#
# A factor that holds for *every* answer is much to ask. For noise with a bell curve (on the right: 60 votes,
# or 59, and noise with standard deviation 5) the two curves are almost equal in the middle, but in the tails
# the factor grows without limit. So one allows that the promise fails with a small probability **δ**, smaller
# than one divided by the number of people. That is $(\varepsilon, \delta)$-**differential privacy** (Dwork
# and Roth, 2014). We use δ = 0.00001 throughout.
#
# ### Exercise 1
#
# Now the first coin is bent: it shows heads, so that the truth is told, with probability `honest`. Which ε
# has this answer?


# %% tags=["exercise"]
def epsilon_of_coin(honest):
    ### BEGIN SOLUTION
    yes_if_true = honest + (1 - honest) / 2
    yes_if_false = (1 - honest) / 2
    return np.log(yes_if_true / yes_if_false)
    ### END SOLUTION


check("pate.epsilon_of_coin", epsilon_of_coin)

# %% [markdown]
# ## Many answers: composition
#
# Ask twice, and the coin protects half as well: factors multiply, so ε adds up, and $k$ answers cost at most
# $k\varepsilon$. For noise with a bell curve that is far too pessimistic. Whoever averages $k$ answers sees
# the noise shrink with $\sqrt{k}$, no faster. So what counts grows with the square root of $k$.
#
# For Gaussian noise it can be computed **exactly**. By how much can one person move the numbers that the
# noise is added to? Divide that distance by the standard deviation, and call it $\mu$. If one teacher changes
# its vote, one count falls by 1 and another rises by 1: the distance is $\sqrt{2}$. With $k$ answers and
# standard deviation $\sigma$
#
# $$\mu = \frac{\sqrt{2k}}{\sigma}$$
#
# and $\mu$ alone decides ε for each δ (Gaussian differential privacy, GDP; Dong, Roth and Su, 2019). Check
# one by hand: 8 answers with $\sigma = 4$ give $\mu = 1$. The figure compares three ways to add up the same
# noise.

# %%
print(f"{gnmax_mu(8, sigma=4)=} {gaussian_epsilon(1.0, delta=1e-5)=:.2f}")
show(
    pictures.draw_composition(sigma=40, delta=1e-5),
    alt=_("ε against the number of answers. Adding up ε grows fastest, the exact curve least."),
)

# %% [markdown]
# ## Teachers
#
# MNIST's 60,000 training images are now the private data of 250 hospitals. They are dealt out so that each
# image belongs to **exactly one** hospital: 240 images for each. This is what privacy rests on. Whoever
# changes one image, or all the images of one hospital, changes one teacher, and so at most one vote in each
# question. The first 9,000 test images are public, without labels. The last 1,000 are for the final exam, and
# nothing else.
#
# With 240 images one can't learn much, so teachers bring along what everybody knows about writing.
# `Straighten` moves the ink to the middle and takes the slant away; `Strokes` measures, in 7 x 7 places, how
# much ink begins in each of 12 directions. These layers are **fixed**: they never saw private data. While
# training, `Bend` bends the paper of each image, in eight ways, as different hands would. What a teacher
# learns is one matrix of 588 by 10 numbers. The work is done once: the notebooks in other languages find it
# on your machine.


# %% tags=["nbval-ignore-output", "reason:progress"]
def network():
    fixed = Fixed(Bend(), Straighten(), Strokes())
    return nn.Sequential(fixed, nn.BatchNorm1d(588), nn.Linear(588, 10))


(private_images, private_labels), (test_images, test_labels) = mnist.load_data()
public_images, exam_images, exam_labels = test_images[:9000], test_images[9000:], test_labels[9000:]


@cached
def teachers_predictions(teachers, seed):
    parts = disjoint_parts(len(private_images), teachers=teachers, seed=seed)
    training = Training(
        epochs=8, batch_size=120, learning_rate=0.02, views=8, label_smoothing=0.3, decay=True
    )
    ensemble = train_teachers(
        network, private_images, private_labels, parts=parts, training=training, seed=seed
    )
    return {"predictions": ensemble.predict(public_images).astype(np.int8)}


predictions = teachers_predictions(teachers=250, seed=1)["predictions"]

# %% [markdown]
# ## When do teachers agree?
#
# Each teacher gives each public image a label, and we count. Below are six images with their votes. On most
# of the images nearly all teachers agree; on some, not even a person would be sure. We now look at the true
# labels of the public images, to learn about votes; the student never gets them. The second figure says what
# PATE lives on: **where teachers agree, they are right**.

# %% tags=["nbval-ignore-output", "reason:training"]
votes = vote_counts(predictions, classes=10)
top_votes, public_labels = votes.max(axis=1), test_labels[:9000]
some = top_votes.argsort(kind="stable")[[8999, 700, 350, 150, 40, 3]]
show(
    pictures.draw_votes(public_images[some], votes[some]),
    alt=_("Six digits, from clear to unreadable, and their votes, from unanimous to divided."),
)
show(
    pictures.draw_agreement(votes, public_labels),
    alt=_(
        "On most images over 225 teachers agree, and these are almost all right; with fewer, more are wrong."
    ),
)
print(f"{(predictions == public_labels).mean()=:.0%} {(votes.argmax(axis=1) == public_labels).mean()=:.0%}")

# %% [markdown]
# ## Noise on the votes
#
# The class with the most votes wins: the **plurality**. Without noise a single vote may decide, and whoever
# knows the data of all other hospitals can then read that vote from the answer. So noise is added to each
# count, and only the winner of the noisy counts is told, never the counts. **LNMax** (2017) takes Laplace
# noise, **GNMax** (2018) Gaussian noise.
#
# An answer on which the teachers disagree is often wrong, and costs as much as a good one.
# **Confident-GNMax** first looks whether the top count, with noise, reaches a threshold, and only then
# answers. The look has its price, too; but it tells nothing except yes or no, so its noise may be large, and
# the price is small. **Interactive-GNMax** goes one step further: it compares the votes with what the student
# already believes, and spends an answer only where the teachers know better. Elsewhere the student is told to
# trust itself, which costs nothing but the look.
#
# By hand, GNMax and Confident-GNMax are a few lines. First we ask both ten times about the clearest and the
# least clear of the six images. Then the mechanisms of the library, which draw their noise from a generator
# that you name, answer for all 9,000. The columns are the share of the questions that is answered, the share
# of these answers that is right, and ε if 100 questions are asked.


# %% tags=["nbval-ignore-output", "reason:training"]
def gnmax(votes, sigma, random):
    return int((votes + random.normal(scale=sigma, size=votes.shape)).argmax())


def confident_gnmax(votes, threshold, sigma_threshold, sigma, random):
    agreed = votes.max() + random.normal(scale=sigma_threshold) >= threshold
    return gnmax(votes, sigma, random) if agreed else NO_ANSWER


for row in (votes[some[0]], votes[some[-1]]):
    print(row, [gnmax(row, 40, random) for _repeat in range(10)], end=" ")
    print([confident_gnmax(row, 200, 80, 40, random) for _repeat in range(10)])

confident = ConfidentGNMax(threshold=200, sigma_threshold=80, sigma=40)
for mechanism in (LNMax(scale=42), GNMax(sigma=40), confident):
    given = mechanism.answers(votes, noise=SeededNoise(4))
    answered = given != NO_ANSWER
    right = (given == public_labels)[answered].mean()
    looks = [mechanism.look_event] * 100 if mechanism.look_event else []
    spent = looks + [mechanism.answer_event] * round(100 * answered.mean())
    print(f"{answered.mean():.0%} {right:.1%} {epsilon_of(spent, delta=1e-5):.2f} {mechanism}")

# %% [markdown]
# The clear digit survives this noise. On the unreadable one GNMax guesses, while Confident-GNMax stays silent
# (`NO_ANSWER` is -1). Over all images it answers fewer questions, a larger share of them right, for less.
# Gaussian noise beats Laplace noise at the same ε, because its tails are thinner: rarely does a class win
# that nobody voted for.
#
# ### Exercise 2
#
# Write Interactive-GNMax. `believed` holds the student's probability for each class. The **surplus** of a
# class is its votes, less the votes that the student expects for it, `votes.sum() * believed`. If the largest
# surplus, with noise of `sigma_threshold`, reaches the threshold, return the answer of `gnmax` (write it
# anew, in one line). Otherwise return the student's own class if its probability is above `confidence`, else
# -1.


# %% tags=["exercise"]
def interactive_gnmax(votes, believed, threshold, sigma_threshold, sigma, confidence, random):
    ### BEGIN SOLUTION
    surplus = votes - votes.sum() * believed
    if surplus.max() + random.normal(scale=sigma_threshold) >= threshold:
        return int((votes + random.normal(scale=sigma, size=votes.shape)).argmax())
    return int(believed.argmax()) if believed.max() > confidence else -1
    ### END SOLUTION


check("pate.interactive_gnmax", interactive_gnmax)

# %% [markdown]
# ## Which ε may be published?
#
# Teachers who agree protect each other: if 248 of 250 say seven, no single vote matters, and noise hides it
# almost for free. A **data-dependent** ε counts this in (Papernot et al., 2018). But it is computed from the
# votes, so it is private itself! To publish it one adds noise to it, as much as its **smooth sensitivity**
# asks for; this is called **sanitising**. A **data-independent** ε holds for any votes, and may be published
# as it is.
#
# Tutorials mix these up. For 100 teachers, $\sigma = 5$ and 9,000 answers, one finds each of the following
# numbers called "the ε". The votes are those of 100 other teachers, which travel with the course. (In a
# terminal: `course pate analyse VOTES.npy --sigma 5 --delta 1e-5`.) The last line is the setting of the 2018
# paper: 250 teachers and 640 questions, of which Confident-GNMax answered 286.

# %%
votes_of_100 = pate_votes.load_data(teachers=100)[:9000]
found = accounting.analyse(votes_of_100, sigma=5, delta=1e-5)
orders = accounting.PAPER_ORDERS
from_two_up = accounting.analyse(votes_of_100, sigma=5, delta=1e-5, rdp_orders=orders)

independent, dependent, release = found.data_independent, found.data_dependent, found.data_dependent.release
paper = gnmax_mu(286, sigma=40, looks=640, sigma_threshold=150)
for meaning, value in {
    _("data-dependent ε before sanitising: never to be published"): dependent.before_sanitising.epsilon,
    _("data-dependent ε after sanitising: one draw may be published"): dependent.expected_after_sanitising,
    _("... and one standard deviation of that draw"): release.plus_minus,
    _("smooth sensitivity: no ε at all"): release.smooth_sensitivity,
    _("data-independent ε, exact"): independent.exact_gaussian_epsilon,
    _("data-independent ε, by Rényi divergence"): independent.classic.epsilon,
    _("the same, with orders from 2 up only"): from_two_up.data_independent.classic.epsilon,
    _("data-independent ε at the paper's setting, exact"): gaussian_epsilon(paper, delta=1e-5),
}.items():
    print(f"{value:6.1f}   {meaning}")

# %% [markdown]
# The first one must never leave the aggregator. Of the second, one draw may be published, together with how
# far it may be off. The fourth is the smallest number, and no ε. The three after it may be published, and
# speak of the same noise: one is computed best.
#
# None of these ε is good privacy: ε = 34 allows a factor of $e^{34}$. To ask little is the way, and at the
# paper's setting ε is 2.5. The paper states 1.97 there, before sanitising; after sanitising there is not much
# left of the difference. The exact, data-independent ε needs no sanitising: **from here on we use it alone.**
#
# ## The ledger
#
# A promise about *all* answers needs somebody who counts them. The aggregator keeps a **ledger**: a file with
# a **budget** that was fixed beforehand. Each answer is written down before it is given out. What would
# exceed the budget is refused, and a file that was cut off or edited is refused, too, and never begun again.
#
# We ask about 100 public images, drawn at random, with a budget of 1.36. Then we ask once more. The noise has
# a seed, so that you get our answers, and the ledger says what that means: it protects nobody. With
# `SecureNoise()` in its place, it would.

# %% tags=["nbval-ignore-output", "reason:training"]
folder = tempfile.TemporaryDirectory()
ledger = Ledger.create(f"{folder.name}/ledger.jsonl", budget=1.36, delta=1e-5)
aggregator = Aggregator(GNMax(sigma=40), noise=SeededNoise(4), ledger=ledger)

asked = np.random.default_rng(4).choice(len(public_images), size=100, replace=False)
answers = aggregator.ask_all(votes[asked])
print(f"{ledger}\n{(answers == public_labels[asked]).mean()=:.0%}")

try:
    aggregator.ask(votes[0])
except BudgetExceeded as error:
    print(error)

# %% [markdown]
# ## The student
#
# A student that learns from 100 labelled images alone (**supervised learning**) is about as good as one of
# our teachers. But it has 8,900 more images, only without labels. In **semi-supervised learning** these help:
# join each image with those most like it, and let the labels wander along the joints (*label spreading*).
#
# It costs less to ask *other questions*. Public images cost nothing, so the student first sorts them into
# groups that look alike, without any label. Then it asks **one question for each group**. Every teacher casts
# one vote for a group: the label that it gives most often to the group's images. So one teacher still moves
# one vote in each question, and the accounting stays as it is. But now twenty questions are enough: first
# twelve about all images, then eight about those of which the student is least sure.


# %% tags=["nbval-ignore-output", "reason:progress"]
@cached
def exam_of_two_students(seed):
    supervised = train_supervised(public_images[asked], answers, classes=10, seed=seed)
    semi_supervised = train_semi_supervised(public_images, asked, answers, classes=10, seed=seed)
    return {"supervised": supervised.predict(exam_images), "semi": semi_supervised.predict(exam_images)}


@cached
def exam_of_thrifty_student(seed):
    shown, given = [], []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.create(f"{folder}/ledger.jsonl", budget=0.5, delta=1e-5)
        aggregator = Aggregator(GNMax(sigma=45), noise=SeededNoise(seed), ledger=ledger)

        def ask(groups):
            shown.extend(np.resize(group, 5) for group in groups)
            given.extend(aggregator.ask_all(group_votes(predictions, groups, classes=10)))
            return given[-len(groups) :]

        student = train_from_clusters(public_images, ask, classes=10, seed=seed)
        epsilons = [entry.epsilon for entry in ledger.entries]
    return {"exam": student.predict(exam_images), "groups": shown, "given": given, "epsilons": epsilons}


two, thrifty = exam_of_two_students(seed=1), exam_of_thrifty_student(seed=1)

# %% [markdown]
# The picture shows five images of each group, and the answer that the group got. The ledgers: at the same σ,
# an answer about a group costs as much as one about an image; here the groups got a little more noise. And at
# last the exam: 1,000 images that nobody has used before.

# %% tags=["nbval-ignore-output", "reason:training"]
show(
    pictures.draw_groups(public_images, thrifty["groups"], thrifty["given"]),
    alt=_("Twenty groups of five digits each, and the answer to each group."),
)
epsilons = {
    _("100 images"): [entry.epsilon for entry in ledger.entries],
    _("20 groups"): list(thrifty["epsilons"]),
}
show(
    pictures.draw_ledger(epsilons, budget=ledger.budget),
    alt=_(
        "Two rising curves of ε. A hundred answers about images end at the budget of 1.36, twenty about groups at 0.49."
    ),
)
exams = {
    _("supervised, 100 images"): (ledger.spent(), two["supervised"]),
    _("semi-supervised, 100 images"): (ledger.spent(), two["semi"]),
    _("semi-supervised, 20 groups"): (thrifty["epsilons"][-1], thrifty["exam"]),
}
shares = {name: (epsilon, (exam == exam_labels).mean()) for name, (epsilon, exam) in exams.items()}
show(
    pictures.draw_accuracies(shares),
    alt=_("Three bars: supervised is lowest; with 20 groups the student costs a third of the ε."),
)

# %% [markdown]
# ## Move the trade-off
#
# More noise lowers ε, and spoils answers. More teachers drown out the same noise, which is why PATE needs
# many data owners. Choose the number of teachers and of answers below the figure, and move σ. (The fewer
# teachers are the first 50 or 100 of ours.)

# %% tags=["nbval-ignore-output", "reason:training"]
rows = []
for teachers in (50, 100, 250):
    some_votes = vote_counts(predictions[:teachers], classes=10)
    for sigma in range(10, 160, 10):
        noisy = GNMax(sigma=sigma).answers(some_votes, noise=SeededNoise(4))
        right = float((noisy == public_labels).mean())
        for count in (10, 20, 50, 100, 200, 500, 1000):
            epsilon = gaussian_epsilon(gnmax_mu(count, sigma=sigma), delta=1e-5)
            row = {"teachers": teachers, "answers": count, "sigma": sigma}
            rows.append(row | {"epsilon": round(epsilon, 2), "right": round(right, 3)})

show_interactive(
    pictures.trade_off_chart(rows),
    alt=_("Share of right answers against ε, for each σ. Choose teachers, answers and σ below it."),
    still=pictures.draw_trade_off(rows),
)

# %% [markdown]
# ## Beside it: DP-SGD
#
# There is another way: collect all images in one place, and train one model there under noise. **DP-SGD**
# (Abadi et al., 2016) cuts each image's gradient to a length of at most 1, adds up those of a random batch,
# and adds Gaussian noise to the sum. So no single image moves the model by much. The first lines do one step
# by hand: the gradient (3, 4) has length 5 and becomes (0.6, 0.8).
#
# Then the real thing, with Opacus, on 60,000 images. The model gets the same fixed layers as our teachers.
# The seed is for you to get our numbers; it protects nobody.

# %% tags=["nbval-ignore-output", "reason:progress"]
gradients = np.array([[3.0, 4.0], [0.3, 0.4]])
cut = gradients / np.maximum(1, np.linalg.norm(gradients, axis=1, keepdims=True))
print(cut.sum(axis=0).round(6), (cut.sum(axis=0) + random.normal(size=2)).round(1))


@cached
def exam_of_dp_sgd(epsilons, seed):
    layers = nn.Sequential(Straighten(), Strokes())
    public, private, exam = (
        fixed_features(layers, as_input(images)) for images in (public_images, private_images, exam_images)
    )
    scaled, stated, exams = PublicScaling.of(public), [], []
    for epsilon in epsilons:
        model, promise = nn.Linear(100, 10), {"epsilon": epsilon, "delta": 1e-5}
        stated.append(train_dp_sgd(model, scaled(private), private_labels, **promise, seed=seed))
        exams.append(model(scaled(exam)).argmax(dim=1).numpy())
    return {"stated": stated, "exams": exams}


dp_sgd = exam_of_dp_sgd(epsilons=[0.5, 2.0], seed=1)
for epsilon, exam in zip(dp_sgd["stated"], dp_sgd["exams"], strict=True):
    print(f"{epsilon:.2f} {(exam == exam_labels).mean():.1%}")

# %% [markdown]
# Here DP-SGD does as well as our best student, or nearly so. So which one? Look at what the two promise.
#
# - DP-SGD's ε counts neighbours that have one image more or less; to *exchange* one image costs about twice
#   as much. PATE's ε is for a hospital's **whole part**, 240 images at once, exchanged as one likes.
# - For DP-SGD all images lie in one place, and somebody trusted trains on them. For PATE they stay where they
#   are; only votes travel.
# - PATE's student may be any model, made by any method, from labels that everybody may read. But it needs
#   public images, and many data owners.
#
# ## Prove it to yourself
#
# Don't believe us: change one hospital. Hospital 17 now has other images, and its teacher gives every public
# image another label. In each question one count falls by one and another rises by one, and no other number
# changes. Then we ask about the unreadable image, a hundred thousand times in each of the two worlds (with a
# seed, and without a ledger, which would not allow it). The two worlds are hard to tell apart: no frequent
# answer is likelier in one of them by more than $e^{\varepsilon}$, where ε is that of one answer.

# %% tags=["nbval-ignore-output", "reason:training"]
other_predictions = predictions.copy()
other_predictions[17] = (other_predictions[17] + 1) % 10
other_votes = vote_counts(other_predictions, classes=10)
print(f"{abs(votes - other_votes).sum(axis=1).max()=} {abs(votes - other_votes).max()=}")

worlds = []
for row in (votes[some[-1]], other_votes[some[-1]]):
    given = GNMax(sigma=40).answers(np.tile(row, (100_000, 1)), noise=SeededNoise(5))
    worlds.append(np.bincount(given, minlength=10) / len(given))
frequent = worlds[0] > 0.05
factors = worlds[0][frequent] / worlds[1][frequent]
largest = max(factors.max(), 1 / factors.min())
print(f"{largest=:.3f} {np.exp(gaussian_epsilon(gnmax_mu(1, sigma=40), delta=1e-5))=:.3f}")
show(
    pictures.draw_worlds(worlds),
    alt=_("How often each digit is the answer, in two worlds: ten pairs of bars, each almost equal."),
)

# %% [markdown]
# ## What it costs
#
# Measured here and now: what one answer costs in milliseconds, with noise that protects, and a ledger on
# disk; what the same costs when a hundred are asked at once; and the ledger's size.

# %% tags=["nbval-ignore-output", "reason:timing"]
secure = Ledger.create(f"{folder.name}/secure.jsonl", budget=2.0, delta=1e-5)
aggregator = Aggregator(GNMax(sigma=40), noise=SecureNoise(), ledger=secure)
start = time.perf_counter()
aggregator.ask(votes[0])
one = time.perf_counter() - start
aggregator.ask_all(votes[:100])
many = time.perf_counter() - start - one
print(f"{number(one * 1000)} ms, {number(many * 10, 1)} ms, {number(secure.path.stat().st_size / 1000)} kB")
print(secure)
folder.cleanup()

# %% [markdown]
# ## Where it breaks
#
# - **Several images of one person.** The promise is for one hospital's part. A patient of three hospitals
#   moves three votes; the exercise below shows what that costs.
# - **The aggregator sees everything.** Votes tell much about the images behind them. Ways to count votes
#   without seeing them are built from the tools of lessons 05 to 10.
# - **Public images must be like the private ones.** Where they are not, teachers disagree and groups mix
#   classes.
# - **To choose settings costs, too.** Who tries ten values of σ on private data, and keeps the best, has
#   asked ten times. We chose ours on other images.
# - **ε is about one hospital's part, not about what all of them have in common.** If everybody's images say
#   that a seven has a bar, the student learns it. That is the point.
# - **A small ε is no proof of a right program.** Parts that overlap, noise from a seed, a ledger begun anew:
#   each breaks the promise, and no number shows it.
#
# ### Exercise 3
#
# The same patient has images in several hospitals: then as many votes may move from one class to another.
# Return the exact ε for this patient, for GNMax with the given number of answers, at δ = 0.00001.


# %% tags=["exercise"]
def epsilon_of_patient(hospitals, answers, sigma):
    ### BEGIN SOLUTION
    return gaussian_epsilon(hospitals * gnmax_mu(answers, sigma=sigma), delta=1e-5)
    ### END SOLUTION


check("pate.epsilon_of_patient", epsilon_of_patient)

# %% [markdown]
# ## What we saw
#
# - Noise hides one vote in many: ε bounds by which factor any answer can become likelier, δ how often that
#   may fail.
# - Gaussian noise adds up exactly. Its ε holds for any votes, and may be published.
# - What costs is the number of answers. Questions about groups of public images make few answers go a long
#   way.
# - A budget that is written down before each answer, and that can say no, turns a number into a promise.
# - DP-SGD protects single images that lie in one place; PATE protects whole data owners that keep theirs.
#
# ## Sources
#
# - S. Warner: *Randomized Response: A Survey Technique for Eliminating Evasive Answer Bias*, JASA 1965.
# - C. Dwork, A. Roth: *The Algorithmic Foundations of Differential Privacy*, 2014.
# - N. Papernot, M. Abadi, U. Erlingsson, I. Goodfellow, K. Talwar: *Semi-supervised Knowledge Transfer for
#   Deep Learning from Private Training Data*, ICLR 2017 (PATE, LNMax).
# - N. Papernot, S. Song, I. Mironov, A. Raghunathan, K. Talwar, U. Erlingsson: *Scalable Private Learning
#   with PATE*, ICLR 2018 (GNMax and its kin, smooth sensitivity).
# - J. Dong, A. Roth, W. Su: *Gaussian Differential Privacy*, 2019 (exact accounting).
# - M. Abadi et al.: *Deep Learning with Differential Privacy*, CCS 2016 (DP-SGD).
# - D. Zhou et al.: *Learning with Local and Global Consistency*, NIPS 2004 (label spreading).
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: *Gradient-Based Learning Applied to Document Recognition*,
#   1998 (straightened digits).
