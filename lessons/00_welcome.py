# %% [markdown]
# # Welcome: from a trained model to a service people can trust
#
# Your model works. Now people want to see what it does, use it, and trust it. Sometimes they want it to work with
# data that nobody may see. This course shows how, on real data, with
# real services that run on your own machine.
#
# After this notebook you will
#
# - know what the lessons answer, and in which order to read them;
# - have checked that your machine is ready;
# - know how exercises, hints and your list of solved exercises work;
# - have seen the data that most lessons use.
#
# **Time:** 10 minutes. **Memory:** under 500 MB. **Trust:** everything here stays on your machine; this notebook starts no service and sends nothing.

# %% [markdown]
# ## Is your machine ready?
#
# The doctor looks at Python, the packages, memory, ports, the data and the fonts. Where something is wrong, it says what to do. In a terminal, `course doctor` does the same.

# %% tags=["nbval-ignore-output", "reason:machine"]
from course_lib.doctor import doctor

doctor()

# %% tags=["imports"]
import matplotlib.pyplot as plt
import numpy as np

from course_lib import course_map
from course_lib.data import mnist, wine_quality
from course_lib.exercises import check, progress
from course_lib.figures import show
from course_lib.i18n import _, number

# %% [markdown]
# ## The map
#
# Follow the arrows. After lesson 03 you can take any of the four paths.

# %%
show(
    course_map.draw(),
    alt=_(
        "The lessons as boxes with arrows: 01 to 03 in a row, then four paths: 04; 05 and 06; 07 to 10; 11."
    ),
)

# %% [markdown]
# | lesson | the question it answers |
# |---|---|
# | 01 | How do I show people what a model does, and where it errs? |
# | 02 | How do I put it behind an address, and notice when it goes wrong? |
# | 03 | What does a model give away about the people in its training data? |
# | 04 | How can a model learn from private data without telling on anyone? |
# | 05 | How can a service classify an image that it can't see? |
# | 06 | How far does that go: a convolutional network on encrypted images? |
# | 07 | How do three parties compute on a number that none of them knows? |
# | 08, 09, 10 | How do I train, share and ask a network so that no server sees the question? |
# | 11 | How do I work with data that may not leave its owner? |
#
# ## How a lesson works
#
# Run the cells from top to bottom with **Shift + Enter**. Change the numbers and run a cell again: nothing can break that *Kernel → Restart* does not mend. Each lesson can be run alone.
#
# The course speaks five languages. Each has a folder of its own beside this one: `en`, `de`, `pt-BR`, `ja` and `zh-CN`. The code is the same in all of them. To have
# JupyterLab itself in another language, start it in a terminal with the language's code, for example `make lab COURSE_LANG=ja`.

# %% [markdown]
# ## A first look at the data
#
# MNIST holds 70,000 images of handwritten digits, each 28 by 28 pixels. They travel with the course, so there is nothing to download.

# %%
(x_train, y_train), (x_test, y_test) = mnist.load_data()
print(x_train.shape, x_test.shape, x_train.dtype)

# %%
figure, axes = plt.subplots(2, 10, figsize=(8, 2), layout="constrained")
for panel, index in zip(axes.flat, range(20), strict=True):
    panel.imshow(x_train[index], cmap="gray_r")
    panel.set_title(str(y_train[index]))
    panel.axis("off")
show(figure, alt=_("Twenty handwritten digits, each with its label above it."))

# %% [markdown]
# How often does each digit occur? If one were much rarer than the others, a model could ignore it and still look good.

# %%
counts = np.bincount(y_train, minlength=10)
figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
bars = axes.bar(range(10), counts, color="#0072B2")
axes.bar_label(bars, labels=[number(count) for count in counts])
axes.set_xticks(range(10))
axes.set_xlabel(_("digit"))
axes.set_ylabel(_("images"))
axes.spines[["top", "right"]].set_visible(False)
show(
    figure,
    alt=_("A bar for each digit. All are close to 6,000; the digit 1 is the most frequent, 5 the rarest."),
)

# %% [markdown]
# The second data set describes 1,599 red wines by eleven measurements, and the quality that tasters gave them.

# %%
wines = wine_quality.load_data()
wines.describe().loc[["mean", "min", "max"]].round(2).T

# %% [markdown]
# Each data set has a card beside it, `data/mnist/CARD.md` and `data/wine-quality/CARD.md`: who made it, its licence, and its known faults. Read it before you trust a result.
#
# ## Exercise
#
# In an exercise you replace the dots by your own code and run the cell. The check says "not yet" and gives a hint, or notes that you are done. The solution is in the folded cell below: click it to open it.
#
# Write a function that takes labels and returns ten counts, one for each digit. We used the NumPy function for it a moment ago.


# %% tags=["exercise"]
def count_digits(labels):
    ### BEGIN SOLUTION
    return np.bincount(labels, minlength=10)
    ### END SOLUTION


check("welcome.count_digits", count_digits)

# %% [markdown]
# Here is what you have solved so far, in all lessons. It is kept on this machine only; in a terminal, `course progress` shows it too.

# %% tags=["nbval-ignore-output", "reason:machine"]
progress()

# %% [markdown]
# ## What we saw
#
# - The course goes from showing a model, to serving it, to protecting the people behind the data.
# - The doctor says whether your machine is ready.
# - Exercises give hints, and remember what you solved.
# - The digits are evenly spread; the data's faults are on its card.
#
# ## Sources
#
# - Y. LeCun, C. Cortes, C. J. C. Burges: *The MNIST Database of Handwritten Digits*.
# - P. Cortez, A. Cerdeira, F. Almeida, T. Matos, J. Reis: *Modeling wine preferences by data mining from physicochemical properties*, Decision Support Systems 47(4), 2009.
