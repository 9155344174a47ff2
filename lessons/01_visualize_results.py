# %% [markdown]
# # Show results: from three lines to an app
#
# Your model is trained. Now people who don't program ask: how good is it, where does it err, and can we
# believe that number? In this lesson you build the page that answers them, step by step, and learn to read
# what it shows.
#
# After this lesson you will be able to
#
# - build a data app with Streamlit, and say what is run again when somebody moves a slider;
# - keep what is slow in a cache that never shows a stale answer;
# - build a chart with Altair, from one mark to a view in which people select;
# - read AUC, a confusion matrix and a calibration curve, and compute each by hand;
# - choose a figure and its colours so that everybody can read it, and notice what a chart hides.
#
# **Time:** about 45 minutes to read; the cells run in less than two minutes. **Memory:** under 1.5 GB, the
# app included.
#
# ## Who trusts whom with what
#
# | | the app's process | a visitor | whoever gets the link |
# |---|---|---|---|
# | has | the model, the training data, the test data | a browser | the address, with the choices in it |
# | sees | what every visitor chooses | the figures, and **all rows sent to the browser** | the same page |
# | should not learn | | other visitors' choices, rows and columns that no figure needs | what it was not sent |
#
# A chart is drawn in the visitor's browser. So the numbers travel there, also those that nobody sees. At
# the end we look at what was sent.

# %% tags=["imports"]
import json
import time
from itertools import permutations
from unittest.mock import patch

import altair as alt
import numpy as np
import streamlit as st
from IPython.display import Markdown, display
from matplotlib.colors import to_hex, to_rgb
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course_lib.data import wine_quality
from course_lib.exercises import check
from course_lib.figures import show, show_interactive
from course_lib.i18n import _, number
from course_lib.visualize import lesson_pictures, stages
from course_lib.visualize.app.server import show_app, start_app

# %% [markdown]
# ## Three lines
#
# Streamlit turns a Python script into a page. Here is a whole app: 150 flowers as points. We build ours in
# five stages, each a script of its own in the folder `course_lib/visualize/stages`. `start_stage` starts
# one as a process, and the page stands below; the printed command does the same in a terminal. (Put another
# name in the place of `three_lines` later, and look at that stage: `slider`, `cached`, `form`, `linked`.)
#
# This chart already answers to the mouse: point at a flower, and its numbers appear.

# %% tags=["nbval-ignore-output", "reason:machine"]
display(Markdown(f"```python\n{stages.source_of('three_lines')}\n```"))
stage = stages.start_stage("three_lines")
print(stage.command)
stage_frame = display(show_app(stage, height=450), display_id="stage")

# %% [markdown]
# ## What is run again
#
# There are no callbacks to write, and nothing that listens. The rule is simple: **whenever a visitor
# changes something, the whole script is run again**, from the first line to the last, and the page shows
# what the new run says. `st.slider` draws a slider and returns its value of this run.
#
# The second stage trains a model, so that we can count. `open_page` runs a stage without a browser, as one
# visitor has it (it is Streamlit's own tool for tests, `AppTest`). We move the slider three times: from 10 to
# 20, then to 30, then to 20 again. The model is trained **four times**: once when the page is opened, and once
# for each move, the last time for a model that we had already. On a large table each would take minutes.
#
# So we let Streamlit keep results in a **cache**, in the third stage. It makes a **key** from the arguments
# of a call and the function's own code; for a key that it knows, it returns what it has. Now there are
# **three** trainings, and **none** for the next visitor. There are two caches, and they differ in what you
# get:
#
# - `st.cache_data` is for **data**: tables, numbers, texts. Every call returns a copy of its own, so nobody
#   can spoil it for the others.
# - `st.cache_resource` is for **things** that are shared: a model, a connection to a database. Every call
#   returns the same object, for all visitors at once. Don't change it.
#
# The last line shows the difference: what was appended to a copy is lost; what was appended to the shared
# list is there for everybody.

# %%
for each in ("slider", "cached"):
    display(Markdown(f"```python\n{stages.source_of(each)}\n```"))


def trainings(stage, positions):
    fit = RandomForestClassifier.fit
    with patch.object(RandomForestClassifier, "fit", autospec=True, side_effect=fit) as counted:
        page = stages.open_page(stage)
        for trees in positions:
            page.slider[0].set_value(trees).run()
    return counted.call_count


stages.without_warnings()  # Streamlit warns that there is no browser
st.cache_data.clear(), st.cache_resource.clear()
print(*[trainings(stage, [20, 30, 20]) for stage in ("slider", "cached", "cached")])

copied, shared = st.cache_data(lambda: []), st.cache_resource(lambda: [])
copied().append(1), shared().append(1)
print(copied(), shared())

# %% [markdown]
# **The key must hold all that the result depends on.** A file that has changed, a global variable that the
# function reads: the cache knows nothing of them, and goes on showing the old answer. An argument whose
# name begins with an underscore is left out of the key on purpose, for things that can't be turned into
# one. Use it only where the other arguments say already which thing it is.
#
# ## What a visitor has
#
# Since each run begins anew, ordinary variables forget. `st.session_state` does not: it belongs to one
# visitor, and lives as long as the page is open. And a **form** collects several choices and sends them
# together, so that moving two sliders costs one run's work, not two.
#
# Two visitors open the fourth stage. The first moves both sliders; nothing is trained before *Train* is
# pressed. The second sees nothing of it.

# %%
display(Markdown(f"```python\n{stages.source_of('form')}\n```"))

first, second = stages.open_page("form"), stages.open_page("form")
first.slider[0].set_value(30)
first.slider[1].set_value(5)
print(len(first.run().session_state.tried))
first.slider[0].set_value(30)
first.slider[1].set_value(5)
print(len(first.button[0].click().run().session_state.tried), len(second.run().session_state.tried))

# %% [markdown]
# ### Exercise 1
#
# This page should count how often its button was pressed, but never gets beyond 1:
#
# ```python
# presses = 0
# if st.button("Press"):
#     presses = presses + 1
# st.metric("presses", presses)
# ```
#
# Write what counts right. `pressed` is True in the run that follows a press, and `state` is
# `st.session_state`. Return how often this visitor has pressed.
#
# ### Exercise 2
#
# This function is in a cache, but the page for Wine shows the number for Iris:
#
# ```python
# @st.cache_data
# def column_mean(_load, _name, column):
#     return _load(_name)[column].mean()
# ```
#
# Write it so that the key holds all that the answer depends on. `load(name)` is slow: call it once for the
# same `name` and `column`, however often one asks. `load` itself never changes.


# %% tags=["exercise"]
def count_presses(pressed, state):
    ### BEGIN SOLUTION
    if "presses" not in state:
        state["presses"] = 0
    if pressed:
        state["presses"] = state["presses"] + 1
    return state["presses"]
    ### END SOLUTION


check("visualize_results.count_presses", count_presses)


# %% tags=["exercise"]
def mean_of(load, name, column):
    ### BEGIN SOLUTION
    @st.cache_data
    def column_mean(_load, name, column):
        return _load(name)[column].mean()

    return column_mean(load, name, column)
    ### END SOLUTION


check("visualize_results.mean_of", mean_of)

# %% [markdown]
# ## A grammar for charts
#
# Altair does not ask *which kind of chart* you want. You say three things: which **data**, which **mark**
# stands for a row, and which column decides which **channel** of the mark: its place, colour, shape, size.
# That is the *encoding*. All charts are sentences of this grammar, and a sentence can be extended: the
# second chart below is the first one and two channels more, the third one has a panel for each species
# besides. What comes out is no picture but a text in JSON, which the browser draws.
#
# The last cell goes one step further. `selection_interval` lets people draw a rectangle with the mouse: the
# **brush**. The points outside it fade; and the bars on the right count only what lies inside, since they
# are filtered by the same brush. This is called a **linked view**: *where* does the model err, and *how
# often* there? Try it: drag over the crosses, drag the rectangle to another place, double-click to remove
# it. This chart works without Python, and it is the fifth stage of our app.

# %%
iris = load_iris(as_frame=True)
flowers = iris.data[["petal length (cm)", "petal width (cm)"]].set_axis(["length", "width"], axis=1)
flowers["species"] = iris.target_names[iris.target]

points = alt.Chart(flowers, width=200, height=200).mark_point()
points = points.encode(
    x=alt.X("length", title=_("petal length in cm")), y=alt.Y("width", title=_("petal width in cm"))
)
palette = alt.Scale(range=["#0072B2", "#E69F00", "#009E73"])
by_species = points.encode(color=alt.Color("species", scale=palette), shape="species")
panels = by_species.properties(width=130).encode(column="species")

specification = by_species.to_dict()
print(specification["mark"], json.dumps(specification["encoding"]["shape"]))
show_interactive(
    (points | by_species) & panels,
    alt=_(
        "Three charts of the same flowers: points; points with colour and shape; a panel for each species."
    ),
    still=lesson_pictures.draw_grammar(flowers),
)


# %%
def linked_view(wines):
    brush = alt.selection_interval()
    wines = wines.assign(answer=wines["right"].map({True: _("right"), False: _("wrong")}))
    base = alt.Chart(wines).encode(
        x=alt.X("flavanoids", title=_("flavanoids")),
        y=alt.Y("color_intensity", title=_("colour intensity")),
        opacity=alt.when(brush).then(alt.value(1)).otherwise(alt.value(0.2)),
    )
    cultivar = alt.Color("cultivar", title=_("cultivar")).scale(range=["#0072B2", "#E69F00", "#009E73"])
    points = base.mark_point(filled=True, size=60).encode(color=cultivar, shape="cultivar")
    crosses = base.mark_text(text="✗", size=20).transform_filter("!datum.right")
    bars = alt.Chart(wines, width=200, height=100).mark_bar(color="#0072B2")
    bars = bars.transform_filter(brush).encode(
        x=alt.X("count()", title=_("selected wines")),
        y=alt.Y("cultivar", title=None),
        row=alt.Row("answer", title=None),
    )
    return (points + crosses).add_params(brush) | bars


# %%
x, y = load_wine(return_X_y=True, as_frame=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0)
model = RandomForestClassifier(10, max_depth=2, random_state=0).fit(x_train, y_train)
wines = x_test[["flavanoids", "color_intensity"]].round(2)
wines = wines.assign(cultivar=(y_test + 1).astype(str), right=model.predict(x_test) == y_test)

show_interactive(
    linked_view(wines),
    alt=_("Wines as points, a cross on each error; drag to select, and the bars count the selection."),
    still=lesson_pictures.draw_linked(wines),
)
display(Markdown(f"```python\n{stages.source_of('linked')}\n```"))

# %% [markdown]
# ## AUC: how often is a pair ranked right?
#
# A classifier gives each example a score. Take one example that is positive and one that is not. Does the
# positive one have the higher score? The **AUC** is the share of pairs for which it does. 1 is perfect, 0.5
# is what guessing gives, and no threshold is needed.
#
# Six wines, three of them good, make nine pairs. Count the check marks in the figure: seven of nine. The
# *ROC curve* goes through the same squares. Walk through the wines from the highest score to the lowest,
# one step up for each good wine, one step to the right for each other: the squares below your path are the
# pairs ranked right. That is where the name comes from: *area under the curve*.
#
# With more than two classes, take two at a time, leave the others out, and take the mean over all these
# (*one-vs-one, macro*): that is what the app shows. For our three cultivars it is 0.99, although the model
# erred on 8 of 89 wines: AUC speaks of the order alone, not of where the line is drawn.

# %%
scores = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.2])
labels = np.array([1, 0, 1, 1, 0, 0])


def auc_by_hand(labels, scores):
    good, others = scores[labels == 1], scores[labels == 0]
    return np.mean([one > other for one in good for other in others])


print(f"{auc_by_hand(labels, scores)=:.3f} {roc_auc_score(labels, scores)=:.3f} {7 / 9=:.3f}")

probabilities, duels = model.predict_proba(x_test), []
for one, other in permutations(range(3), 2):
    two = np.isin(y_test, [one, other])
    duels.append(auc_by_hand(y_test[two] == one, probabilities[two, one]))
print(f"{np.mean(duels)=:.2f} {roc_auc_score(y_test, probabilities, multi_class='ovo')=:.2f}")
show(
    lesson_pictures.draw_pairs(scores, labels),
    alt=_("Nine squares, one for each pair. Seven lie below the ROC curve and have a check mark."),
)

# %% [markdown]
# ## The confusion matrix: what is taken for what?
#
# Now a question with few positives. The 1,599 red wines of lesson 00 have marks from tasters. We call a
# wine *good* from 7 up. First we drop rows that repeat an earlier one, or the test would ask about wines
# that the model has seen. 1,359 remain, and 184 of them, 14%, are good. We train two models on one half,
# and ask about the other.
#
# A **confusion matrix** counts: a row for what a wine is, a column for what the model says. On the diagonal
# the model is right. Read along a row: of the good wines, how many were found (*recall*)? Read down a
# column: of the wines called good, how many are good (*precision*)?
#
# Logistic regression is right for 87 of 100 wines. That sounds fine, until you look at the row of the good
# wines: it finds 29 of 92. Whoever says *not good* each time, and has learned nothing, is right for 86 of
# 100. **An average over classes of different size hides the small one.** Naive Bayes is right less often,
# and finds twice as many.
#
# How sure is the AUC? Draw as many wines from the test, with repetition, five hundred times, and compute it
# each time (the *bootstrap*). The middle 95% of the results are a **confidence interval**. The intervals of
# our two models overlap. Yet both were asked about the same wines, so look at the *difference* in each
# draw: its interval begins above 0. Logistic regression ranks better.

# %%
table = wine_quality.load_data().drop_duplicates()
good = (table.pop("quality") >= 7).to_numpy()
parts = train_test_split(table, good, test_size=0.5, random_state=0, stratify=good)
learned, asked, learned_good, asked_good = parts

logistic = make_pipeline(StandardScaler(), LogisticRegression()).fit(learned, learned_good)
bayes = GaussianNB().fit(learned, learned_good)
chances = {
    _("logistic regression"): logistic.predict_proba(asked)[:, 1],
    _("naive Bayes"): bayes.predict_proba(asked)[:, 1],
}


def confusion(truth, said):
    counts = np.zeros((2, 2), int)
    np.add.at(counts, (truth.astype(int), said.astype(int)), 1)
    return counts


print(confusion(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 1])).tolist())

# %%
random, aucs = np.random.default_rng(0), {name: [] for name in chances}
for _draw in range(500):
    drawn = random.integers(len(asked_good), size=len(asked_good))
    for name, chance in chances.items():
        aucs[name].append(roc_auc_score(asked_good[drawn], chance[drawn]))

for name, chance in chances.items():
    low, high = np.quantile(aucs[name], (0.025, 0.975))
    print(f"{roc_auc_score(asked_good, chance):.2f} ({low:.2f} - {high:.2f}) {name}")
low, high = np.quantile(np.subtract(*aucs.values()), (0.025, 0.975))
print(f"     ({low:.2f} - {high:.2f})", _("difference"))

show(
    lesson_pictures.draw_confusions(
        {name: confusion(asked_good, chance > 0.5) for name, chance in chances.items()},
        [_("not good"), _("good")],
    ),
    alt=_("Two confusion matrices. Logistic regression finds 29 of 92 good wines, naive Bayes 58."),
)

# %% [markdown]
# ## Calibration: is 90% nine times out of ten?
#
# AUC asks for the order of the scores alone. Square all of them, and the order stays, and so does the AUC.
# But people read a score as a **probability**: "good with 90%". A model is **calibrated** if, of all wines
# that get 90%, about nine in ten are good. So put the wines into bins by what the model says, and count in
# each bin what came true.
#
# On the dotted line, what was said and what was found agree. Naive Bayes is far below it: of the wines that
# it calls good with 91% on average, 45% are good. It treats the eleven measurements as if they were
# independent witnesses, and takes one piece of evidence for several. Logistic regression keeps close to the
# line. Look at the counts, too: its last bin has seven wines, and says little.


# %%
def calibration(truth, chance, bins=5):
    bin_of = np.minimum((chance * bins).astype(int), bins - 1)
    members = [bin_of == each for each in range(bins) if (bin_of == each).any()]
    return [(chance[some].mean(), truth[some].mean(), some.sum()) for some in members]


curves = {name: calibration(asked_good, chance) for name, chance in chances.items()}
said, found, count = curves[_("naive Bayes")][-1]
print(f"{said=:.2f} {found=:.2f} {count=}")
chance = chances[_("logistic regression")]
print(f"{roc_auc_score(asked_good, chance**2) == roc_auc_score(asked_good, chance)=}")
show(
    lesson_pictures.draw_calibration(curves),
    alt=_("Two calibration curves. Logistic regression is near the diagonal, naive Bayes far below it."),
)

# %% [markdown]
# ### Exercise 3
#
# Two scores can be equal, for example when a tree puts two wines into the same leaf. Such a pair counts
# half. Write the AUC for this case, too. `labels` are 0 or 1.
#
# ### Exercise 4
#
# Write the confusion matrix as a chart in Altair. `table` has the columns `truth`, `said` and `count`, a
# row for each cell of the matrix. Return a chart with the mark *rect*: what the model says goes to the
# right, the truth down, and the count becomes a colour that grows with the number.
#
# ### Exercise 5
#
# By how much does a model promise too much, where it is sure? Take the examples whose `chance` is at least
# `sure`. Return the mean of what was said minus the share that came true. `truth` is 0 or 1.


# %% tags=["exercise"]
def auc(labels, scores):
    ### BEGIN SOLUTION
    good, others = scores[labels == 1], scores[labels == 0]
    higher = good[:, None] > others
    equal = good[:, None] == others
    return np.mean(higher + 0.5 * equal)
    ### END SOLUTION


check("visualize_results.auc", auc)


# %% tags=["exercise"]
def confusion_chart(table):
    ### BEGIN SOLUTION
    return alt.Chart(table).mark_rect().encode(x="said:N", y="truth:N", color="count:Q")
    ### END SOLUTION


check("visualize_results.confusion_chart", confusion_chart)


# %% tags=["exercise"]
def promised_too_much(truth, chance, sure):
    ### BEGIN SOLUTION
    chosen = chance >= sure
    return chance[chosen].mean() - truth[chosen].mean()
    ### END SOLUTION


check("visualize_results.promised_too_much", promised_too_much)

# %% [markdown]
# ## The right figure, in colours for everybody
#
# The first figure shows the same five numbers in four channels. Is A larger than C? By position you see it
# at once; by area or shade you have to guess. Cleveland and McGill ranked the channels in 1984 by how well
# people read them: **position first, then length and angle, then area; shade last.** So give the best
# channel to the question that people came with.
#
# | the question | the figure | watch out for |
# |---|---|---|
# | which model is better? | dots or bars from zero, with intervals | a cut axis |
# | how well are classes told apart? | ROC curve and AUC | few positives: look at precision, too |
# | what is taken for what? | confusion matrix, counts and shares | classes of different size |
# | can I believe the probability? | calibration curve, with counts | bins with few members |
# | where does it err? | scatter with errors marked, linked | points on top of each other |
#
# About one man in twelve, and one woman in two hundred, sees red and green differently (of North European
# descent; elsewhere it is less frequent). The matrix below (Machado and others, 2009) computes what is seen
# by somebody who has no cones for green. Red and green become two kinds of brown. **Okabe and Ito's
# palette**, which this course uses everywhere, stays apart. Still, colour is never enough: the lower row
# says the same by shape, so that it survives a copier, too.
#
# ## What a chart can hide
#
# In the upper row of the last figure, from left to right: the same two numbers, with an axis that begins
# just below them, and one that begins at zero. And 191,734 points, as many as there are in a test set that
# you will meet in the app: on paper a blot. One place in it holds a tenth of all points; only a figure that
# counts shows it.
#
# In the lower row: Anscombe's four data sets (1973). Mean, spread, correlation and fitted line are the same
# in all four, to two digits. One is a cloud, one a bend, one a line with an outlier, and in one a single
# point makes the line. **A summary fits many data sets; look at the data.**

# %%
NO_GREEN_CONES = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]


def seen(colour, matrix):
    light = ((np.array(to_rgb(colour)) + 0.055) / 1.055) ** 2.4  # from a screen's numbers to amounts of light
    screen = 1.055 * np.clip(np.array(matrix) @ light, 0, 1) ** (1 / 2.4) - 0.055
    return to_hex(np.clip(screen, 0, 1))


GREY = [[0.2126, 0.7152, 0.0722]] * 3
palettes = {_("red and green"): ("#D62728", "#2CA02C"), _("Okabe and Ito"): ("#0072B2", "#E69F00")}
eyes = {_("as drawn"): np.eye(3), _("no green cones"): NO_GREEN_CONES, _("in grey"): GREY}
rows = {
    name: [[seen(colour, eye) for colour in pair] for eye in eyes.values()] for name, pair in palettes.items()
}
print({name: pairs[1] for name, pairs in rows.items()})

show(
    lesson_pictures.draw_channels({"A": 18, "B": 23, "C": 17, "D": 12, "E": 20}),
    alt=_("Five numbers as positions, lengths, areas and shades; order is clearest by position."),
)
show(
    lesson_pictures.draw_palettes(rows, columns=list(eyes)),
    alt=_("Red and green dots become similar browns; blue dots and orange triangles stay apart."),
)

# %%
random = np.random.default_rng(0)
cloud = random.normal(size=(191_734, 2))
cloud[:19_173] = random.normal((0.7, 0.5), 0.06, size=(19_173, 2))
show(
    lesson_pictures.draw_hidden({"A": 0.87, "B": 0.89}, cloud),
    alt=_("Two bars with a cut and a whole axis, a blot of points and its density, four equal summaries."),
)

# %% [markdown]
# ## The whole app
#
# `course_lib.visualize` holds the app that the stages lead to: data set, model and its settings in the
# sidebar, and beside them everything that you have just learned to read. It runs as a process of its own,
# as the service of a company would. The lines below are the address of its page and the command that starts
# it in a terminal.
#
# - The choices stand in the address: whoever gets the link sees the same view. We open it on Wine.
# - Open it in a second tab: that is a second visitor. Choices are separate, models shared.
# - Choose a second model under *Compare with*, and look at both intervals. Then switch *Show test
#   distributions* on, and draw a rectangle around the errors.
# - *Covertype* has 581,012 rows, and a third of them, 191,734, are its test. It is downloaded when you
#   choose it; everything else works without a network. Of the test rows only as many are sent as a browser
#   can bear, and the page says so.
#
# The page stays below until the cell after the next stops both processes.

# %% tags=["nbval-ignore-output", "reason:machine"]
app = start_app()
app_frame = display(show_app(app, query={"data": "wine", "model": "random_forest"}), display_id="app")


# %% [markdown]
# ## Prove it to yourself, and what it costs
#
# Don't believe what you see: look at what was sent. A chart's data is inside the chart. We put a column
# with the tasters' names into the table. The chart shows them nowhere; its JSON holds them all, and
# everybody who opens the page can read them. **Choose the columns before you draw.**
#
# And what is the price of too many points? Altair refuses more than 5,000 rows, for a good reason: the
# 191,734 points as JSON have more than eight million bytes, and the browser has to draw a mark for each.
# Their counts on a grid of 60 by 60 places say more, in less than a hundredth of the bytes. The last two
# lines are the time that a move of the slider takes without a cache and with it, here and now.

# %% tags=["nbval-ignore-output", "reason:timing"]
secret = wines.assign(taster=[f"taster {place}" for place in range(len(wines))])
needed = secret[["flavanoids", "color_intensity", "cultivar", "right"]]
print(["taster 17" in linked_view(sent).to_json() for sent in (secret, needed)])

counts, *_edges = np.histogram2d(*cloud.T, bins=60)
bytes_sent = [len(json.dumps(sent.tolist())) for sent in (cloud, counts.astype(int))]
print(*[f"{number(size / 1000)} kB" for size in bytes_sent])

for name in ("slider", "cached"):
    page = stages.open_page(name)
    for trees in (50, 40, 50):
        start = time.perf_counter()
        page.slider[0].set_value(trees).run()
    print(f"{number((time.perf_counter() - start) * 1000)} ms {name}")

# %%
for process, shown in ((stage, stage_frame), (app, app_frame)):
    process.stop()
    shown.update(Markdown(_("*A page was shown here while it ran. Run the cells again to see it.*")))
print(f"{stage.running=} {app.running=}")

# %% [markdown]
# ## Where it breaks
#
# - **Sliders learn from the test.** Whoever moves them until the AUC is best has chosen the model on the
#   test data. The number is then too good. Choose on one part of the data, report on another.
# - **An interval speaks of wines like these.** Draws from the test know nothing of next year's wines.
# - **A cache is as good as its key**, and it grows. Say how long and how much: `ttl`, `max_entries`.
# - **What is shared is shared.** Whoever changes a model from `cache_resource` changes it for all visitors.
# - **A calibrated average can hide a group** for which every probability is too high. Look at groups, too.
# - **The app has no password.** Here it listens to your own machine alone. Before you put it on a network,
#   put something in front of it that asks who is there; and remember that links, with the choices in them,
#   are kept in histories and logs.
#
# ## What we saw
#
# - Streamlit runs the script again at each change. A cache keeps what is slow, under a key that must hold
#   all that the result depends on; session state keeps what belongs to one visitor.
# - A chart is data, a mark, and channels. A brush links views, so that *where* and *how often* stand side
#   by side.
# - AUC is the share of pairs ranked right; a confusion matrix shows what an average hides; calibration says
#   whether a probability may be believed.
# - Position first, colour never alone; a cut axis, a blot of points, a summary can hide what matters.
# - What a browser draws was sent to it: send as little as the figure needs.
#
# ## Sources
#
# - [Streamlit](https://docs.streamlit.io) and [Vega-Altair](https://altair-viz.github.io), the libraries
#   used here.
# - L. Wilkinson: *The Grammar of Graphics*, 1999; A. Satyanarayan et al.: *Vega-Lite: A Grammar of
#   Interactive Graphics*, IEEE TVCG 2017.
# - W. S. Cleveland, R. McGill: *Graphical Perception*, JASA 79, 1984.
# - T. Fawcett: *An Introduction to ROC Analysis*, Pattern Recognition Letters 27, 2006.
# - A. Niculescu-Mizil, R. Caruana: *Predicting Good Probabilities with Supervised Learning*, ICML 2005.
# - F. J. Anscombe: *Graphs in Statistical Analysis*, The American Statistician 27, 1973.
# - G. M. Machado, M. M. Oliveira, L. A. F. Fernandes: *A Physiologically-based Model for Simulation of
#   Color Vision Deficiency*, IEEE TVCG 2009.
# - M. Okabe, K. Ito: *Color Universal Design*, 2002; J. Birch: *Worldwide Prevalence of Red-Green Color
#   Deficiency*, JOSA A 29, 2012.
# - P. Cortez et al.: *Modeling Wine Preferences by Data Mining from Physicochemical Properties*, 2009; R.
#   A. Fisher: *The Use of Multiple Measurements in Taxonomic Problems*, 1936 (the flowers); M. Forina et
#   al.: *PARVUS*, 1988 (the cultivars).
