# %% [markdown]
# # Train in the open: a network that three parties can run on shares
#
# In lesson 09 three parties will run a network that none of them sees. Before that, somebody has to train it.
# We do so in the open, with Keras, and build it so that it is cheap to run on shares: what costs nothing in
# the open may cost a lot there, and the other way round.
#
# After this lesson you will be able to
#
# - build and train a convolutional network that reads at least 98 of 100 digits correctly;
# - count what its layers cost on shares, before you share anything;
# - choose layers, and their order, so that there are few comparisons;
# - check that the network works with rounded numbers in a limited range;
# - save weights so that whoever loads them runs no code of a stranger.
#
# **Time:** about 30 minutes to read; the cells run in less than two minutes. **Memory:** under 2 GB.
#
# ## Who trusts whom with what
#
# | | who trains (this lesson) | alice, bob, carol (lesson 09) | who asks (lesson 10) |
# |---|---|---|---|
# | has | the training images, the weights | shares of weights and questions | the digit |
# | sees | all of the training images | random numbers, **and the architecture** | the answer |
# | should not learn | the digit that is asked about | the weights, the digit, the answer | the weights |
#
# **Nothing protects the training images here.** Whoever trains sees every one of them. And a trained network
# may give some of them away to those who ask it (lesson 03); noise while training limits that (lesson 04).
# What lessons 08 to 10 protect is the *question*, the *answer*, and the *weights*.

# %% tags=["imports"]
import math
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from scipy.special import softmax
from tqdm import tqdm

from course_lib.cache import cached
from course_lib.data import mnist
from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _, number
from course_lib.mpc import digits
from course_lib.mpc import training_pictures as pictures
from course_lib.mpc.comparison import relu
from course_lib.mpc.digits import scale_images
from course_lib.mpc.sharing import FRACTION_BITS, Link, from_system, multiply_numbers, share, truncate

keras = digits.tensorflow().keras  # as `import tensorflow`, without its notes about the processor

# %% [markdown]
# ## Three layers by hand
#
# Our network repeats three steps. Take an image of 4 x 4 pixels. A **convolution** lays a small kernel of 3 x
# 3 weights on each place where it fits, multiplies number by number, and adds up. It fits in 2 x 2 places.
# **Average pooling** takes the average of each 2 x 2 numbers. **ReLU** keeps a number if it is positive, and
# makes it 0 if not.
#
# Check it with a pencil. Each row of the image is 0, 3, 4, 0, and each row of the kernel -1, 0, 1. In the left
# place, each of the three rows gives 4 - 0, together 12. In the right place it is three times 0 - 3, so -9.
# The average of 12, -9, 12, -9 is 1.5.
#
# Now swap the last two steps. ReLU turns the -9 into 0, and the average is 6. So **the order matters** for
# what the network computes. (With the maximum in place of the average it would not: try it.) It matters for
# the price, too, as we shall see.


# %% tags=["exercise-setup"]
def convolve(image, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return (windows * kernel).sum(axis=(2, 3))


def average_pool(image):
    rows, columns = image.shape[0] // 2, image.shape[1] // 2  # an odd row or column at the end is left out
    return image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


def positive_part(numbers):
    return np.maximum(numbers, 0)


image = np.tile([0, 3, 4, 0], (4, 1))
kernel = np.tile([-1, 0, 1], (3, 1))
convolved = convolve(image, kernel)
print(convolved)
print(positive_part(average_pool(convolved)), average_pool(positive_part(convolved)))

# %% [markdown]
# ### Exercise 1
#
# A square image has `side` pixels in each row. How many numbers are in a row after a convolution with a
# kernel of `kernel` x `kernel` that must fit wholly inside, followed by pooling over `pool` x `pool`?


# %% tags=["exercise"]
def side_after(side, kernel, pool):
    ### BEGIN SOLUTION
    return (side - kernel + 1) // pool
    ### END SOLUTION


check("private_prediction_train.side_after", side_after)

# %% [markdown]
# ## The network
#
# Three blocks of convolution, average pooling and ReLU, with 10, 32 and 64 kernels. Then a linear layer
# (`Dense`) with ten **logits**: the largest is the answer. Three choices are made with a view to lesson 09.
#
# - **Average pooling, not max pooling.** An average is a sum, and sums are free on shares. The largest of
#   four numbers takes three comparisons.
# - **ReLU after pooling, not before it.** A comparison is what costs most on shares, and pooling leaves a
#   quarter
#   of the numbers, or less.
# - **No softmax at the end.** Softmax turns logits into probabilities. It needs the exponential function and a
#   division, both expensive on shares, and it never changes which one is largest. Whoever asks can apply it
#   to the answer, in the open and for free.
#
# Pooling makes numbers smaller: an average of four is usually closer to zero than they are. So the training
# starts
# with kernels that are twice as large as usual (`gain=2`), and at right angles to each other (`Orthogonal`).
#
# You may have met this network in code for Keras 2 and Syft Keras. What has changed:
#
# | then | now |
# |---|---|
# | `Conv2D(10, (3, 3), batch_input_shape=(1, 28, 28, 1))` | `Input((28, 28, 1))`, or `Input((28, 28, 1), batch_size=1)`, and `Conv2D(10, 3)` |
# | `Activation('relu')` | `ReLU()` |
# | one-hot labels, `categorical_crossentropy` with a function for logits | labels 0 to 9, `SparseCategoricalCrossentropy(from_logits=True)` |
#
# In old code you also find `batch_size=1` fixed for good. Ours leaves it open.


# %%
def build_network():
    layers = keras.layers
    network = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (10, 32, 64):
        start = keras.initializers.Orthogonal(gain=2)
        network.add(layers.Conv2D(filters, 3, kernel_initializer=start))
        network.add(layers.AveragePooling2D(2))
        network.add(layers.ReLU())
    network.add(layers.Flatten())
    network.add(layers.Dense(10))
    return network


for layer in build_network().layers:
    print(f"{type(layer).__name__:17} {layer.output.shape[1:]!s:14} {layer.count_params():6}")

# %% [markdown]
# ## Count before you share
#
# The last column above is the number of weights: 22,158 in all. What will a question cost on shares? Lesson
# 07 gave the prices. A layer that multiplies and adds costs by the numbers that come *out* of it: each party
# adds up its products in silence, and sends one number for the sum. A comparison costs much more, and here
# each ReLU is one.
#
# `prices` measures with lesson 07's own code what alice sends for one number. The left panel counts
# multiplications and comparisons; mind its axis, where each step is a factor of ten. The right panel shows
# what alice sends: **575,848 multiplications cost half as much as 2,554 comparisons.**


# %%
def price(operation):
    link = Link(from_system)
    operation(share([-1.5], from_system), link)
    return link.sent_bytes[0]


prices = [price(lambda x, link: multiply_numbers(x, x, link)), price(truncate), price(relu)]
kinds = (_("products"), _("pooling"), _("ReLU"))
multiplications, comparisons, sent = {}, {}, {kind: {} for kind in kinds}
layers = [layer for layer in build_network().layers if not isinstance(layer, keras.layers.Flatten)]
for place, name in enumerate((_("block 1"), _("block 2"), _("block 3"), _("linear"))):
    block = layers[3 * place : 3 * place + 3]
    numbers = [math.prod(layer.output.shape[1:]) for layer in block] + [0, 0]
    multiplications[name] = numbers[0] * math.prod(block[0].kernel.shape[:-1])
    comparisons[name] = numbers[2]
    for kind, count, each in zip(kinds, numbers, prices, strict=False):
        sent[kind][name] = count * each

print(f"{prices=} {sum(multiplications.values())=} {sum(comparisons.values())=}")
counts = {_("multiplications"): multiplications, _("comparisons"): comparisons}
alt = _("Two bar charts by layer. There are far more multiplications; ReLU sends the most in block 1.")
show(pictures.draw_counts(counts, sent), alt=alt)

# %% [markdown]
# ### Exercise 2
#
# Was the order worth it? A block has a convolution whose result is `side` x `side` with `filters` kernels,
# pooling over 2 x 2, and ReLU. Return two numbers: how many comparisons it takes when ReLU stands *after* the
# pooling, and how many when it stands *before* it.


# %% tags=["exercise"]
def count_comparisons(side, filters):
    ### BEGIN SOLUTION
    after = (side // 2) ** 2 * filters
    before = side**2 * filters
    return after, before
    ### END SOLUTION


check("private_prediction_train.count_comparisons", count_comparisons)

# %% [markdown]
# ## Train
#
# 60,000 images, each seen twice (two **epochs**), in steps of 64. Pixels are scaled from 0 to 255 to between 0
# and 1: small numbers, for a reason that we come to. The optimiser is Adam. Its learning rate rises in the
# first tenth of the steps, and then falls again. The weights that we keep are a moving average over the last
# steps (`use_ema`), which evens out their ups and downs. (`fit` would do the loop for us, but wants all images
# as floating-point numbers at once, and those take 188 MB each time that they are copied.)
#
# All of these numbers were chosen with 10,000 *training* images kept out as judges. The test images were not
# asked: else they would tell us nothing new at the end.
#
# The work is done once: the notebooks in other languages find it on your machine.


# %% tags=["nbval-ignore-output", "reason:progress"]
@cached
def train_digits(seed=1):
    keras.utils.set_random_seed(seed)
    (images, labels), _test = mnist.load_data()
    steps = 2 * math.ceil(len(images) / 64)
    warmup = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.001, warmup_target=0.02, warmup_steps=warmup, decay_steps=steps - warmup, alpha=0.1
    )
    network = build_network()
    network.compile(
        optimizer=keras.optimizers.Adam(rate, beta_2=0.99, use_ema=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in (1, 2):
        order, title = np.random.permutation(len(images)), _("epoch {epoch}").format(epoch=epoch)
        for start in tqdm(range(0, len(images), 64), desc=title, file=sys.stdout):
            chosen = order[start : start + 64]
            network.train_on_batch(scale_images(images[chosen]), labels[chosen])
    network.optimizer.finalize_variable_values(network.trainable_weights)  # the averages
    return {f"weight_{place}": weights for place, weights in enumerate(network.get_weights())}


network = build_network()
network.set_weights(list(train_digits(seed=1).values()))

# %% [markdown]
# Now the 10,000 test images. At least 98% are right. The first figure shows ten of those that are wrong:
# the label, and what the network reads. Some of them you might read wrong yourself.
#
# What does a block do with a digit? The second figure shows the first one for a seven, and five of its ten
# kernels. Each kernel answers to edges in some direction. Pooling keeps a coarser picture of that. ReLU
# keeps only what speaks *for* the edge.

# %% tags=["nbval-ignore-output", "reason:training"]
_train, (test_images, test_labels) = mnist.load_data()
images = scale_images(test_images)
logits = network.predict(images, batch_size=1000, verbose=0)
answers = logits.argmax(axis=1)
accuracy = (answers == test_labels).mean()
print(f"{accuracy:.1%}")

wrong = np.flatnonzero(answers != test_labels)[:10]
titles = [f"{test_labels[place]} → {answers[place]}" for place in wrong]
show(
    pictures.draw_digits(images[wrong], titles),
    alt=_("Ten digits that the network reads wrong, most of them written unclearly."),
)

steps, values = {_("convolution"): None, _("pooling"): None, _("ReLU"): None}, images[:1]
for name, layer in zip(steps, network.layers[:3], strict=True):
    values = layer(values)
    steps[name] = np.asarray(values)[0]
show(
    pictures.draw_block(steps),
    alt=_("A seven after convolution, pooling and ReLU: edges in orange and purple, coarser, then one sign."),
)

# %% [markdown]
# ## Numbers must stay in range
#
# The parties compute with fixed-point numbers: a number is stored in units of $2^{-18}$, and what is smaller
# than half a unit becomes 0. At the other end, sums and products have to stay below $2^{26}$, about 67
# million. Beyond, they wrap around, and nobody is told. Keras' floating-point numbers know neither limit.
#
# So look at all that leaves each layer, for 500 test images. Nearly everything lies between $2^{-12}$ and
# $2^6$, far from both limits. Had we left the pixels at 0 to 255, all would lie eight powers of two further
# to the right: still in range, but closer. A deeper network, or one with large weights, may well leave it.

# %% tags=["nbval-ignore-output", "reason:training"]
outputs, values = [], images[:500]
for layer in network.layers:
    values = layer(values)
    outputs.append(np.asarray(values).ravel())

names = (_("convolution 1"), _("convolution 2"), _("convolution 3"), _("logits"))
activations = dict(zip(names, outputs[0:9:3] + outputs[-1:], strict=True))
for name, numbers in activations.items():
    print(name, number(abs(numbers).max(), 1))
show(
    pictures.draw_ranges(activations, fraction_bits=FRACTION_BITS, largest=26),
    alt=_("Four humps between one unit on the left and the limit on the right, far from both."),
)

# %% [markdown]
# ## Does rounding hurt?
#
# ### Exercise 3
#
# Round `numbers` to fixed-point numbers with `bits` bits after the point: each becomes the nearest multiple of
# $2^{-bits}$. Return an array of floating-point numbers.


# %% tags=["exercise"]
def round_to(numbers, bits):
    ### BEGIN SOLUTION
    return np.round(np.asarray(numbers) * 2.0**bits) / 2.0**bits
    ### END SOLUTION


check("private_prediction_train.round_to", round_to)

# %% [markdown]
# We round all weights, and what leaves each layer, and ask about the 10,000 test images again. With 18 bits
# after the point, as in the engine, at most one answer in 1,000 changes, and the accuracy stays. The figure
# goes down to whole numbers, with no bits after the point. With six bits and more one sees no difference; with
# whole numbers alone the network gets many digits wrong.
#
# Why not save bits, then? The 64 bits of the engine's numbers have to hold a product *before* it is rounded,
# with twice the bits after the point: $2 \cdot 18 + 26$ bits, and the sign. With fewer bits after the point
# there would be more room above. With 18, both ends are comfortable for networks like ours.


# %% tags=["nbval-ignore-output", "reason:training"]
def predict_rounded(images, bits):
    rounded = build_network()
    rounded.set_weights([round_to(weights, bits) for weights in network.get_weights()])
    found = []
    for values in np.split(round_to(images, bits), 10):
        for layer in rounded.layers:
            values = round_to(layer(values), bits)
        found.append(values)
    return np.concatenate(found)


accuracies = {}
for bits in (0, 1, 2, 3, 4, 6, 8, 12, 18):
    rounded_answers = predict_rounded(images, bits).argmax(axis=1)
    accuracies[bits] = (rounded_answers == test_labels).mean()
print(
    {bits: f"{share_right:.1%}" for bits, share_right in accuracies.items()},
    (rounded_answers != answers).sum(),
)
show(
    pictures.draw_rounding(accuracies, accuracy),
    alt=_("Accuracy against bits after the point: low for whole numbers, and flat from four bits on."),
)

# %% [markdown]
# ### Exercise 4
#
# Average pooling needs one thing that is not free: the division by 4, a truncation. It can be had for nothing.
# Leave the division out, so that pooling is a sum, four times too large. ReLU of four times a number is four
# times
# ReLU of it. So let the *next* layer make up for it: divide its kernel by 4, once, before sharing.
#
# `weights` is the list that `network.get_weights()` returns: kernel and bias of each convolution, and of the
# linear layer at the end, eight arrays. Return the list for the network with sums in place of averages.


# %% tags=["exercise"]
def without_division(weights):
    ### BEGIN SOLUTION
    first, *others = weights[0::2]  # what the first convolution gets has not been pooled yet
    biases = weights[1::2]
    kernels = [first] + [kernel / 4 for kernel in others]
    return [array for pair in zip(kernels, biases, strict=True) for array in pair]
    ### END SOLUTION


check("private_prediction_train.without_division", without_division)

# %% [markdown]
# ## Prove it to yourself
#
# Replace the pooling by sums, take your weights from exercise 4, and compare: the same logits, up to the last
# digits of a floating-point number.

# %%
logits_with_sums = images[:100]
with_sums = build_network()
with_sums.set_weights(without_division(network.get_weights()))
for layer in with_sums.layers:
    factor = 4 if isinstance(layer, keras.layers.AveragePooling2D) else 1  # four averages are a sum
    logits_with_sums = layer(logits_with_sums) * factor
print(f"{np.abs(logits_with_sums - logits[:100]).max() < 1e-3=}")

# %% [markdown]
# ## Save the weights, and nothing else
#
# A `.weights.h5` file holds arrays, by name. The network that they belong to is in your code. We save it to a
# folder of your own, where lesson 09 finds it, and load it into a fresh network: the same answers.
#
# `network.save("digits.keras")` would save the architecture too, and with it, if you let it, *code*: a
# `Lambda` layer holds a function, and whoever loads the file runs it. Somebody else's model file is then
# somebody else's program. Keras refuses such files by default (`safe_mode=True`), as the end of the cell
# shows. But that has been got around more than once: in 2025 alone, several holes were found that ran code
# from a prepared `.keras` file in spite of it. A pickle may run code always. **So: weights from strangers
# at most, never their models.** Load them into a network that you built yourself.

# %%
path = digits.save_weights(network)
print(path.name, f"{path.stat().st_size / 1000:.0f} kB")

again = build_network()
again.load_weights(path)
print((again.predict(images[:1000], verbose=0).argmax(axis=1) == answers[:1000]).all())

with h5py.File(path) as file:
    arrays = []
    file.visititems(lambda name, item: arrays.append(item.shape) if isinstance(item, h5py.Dataset) else None)
print(sorted(arrays))

with tempfile.TemporaryDirectory() as folder:
    stranger = Path(folder) / "stranger.keras"
    code = keras.layers.Lambda(lambda values: values * 2, output_shape=(1,))  # it could be any code
    keras.Sequential([keras.Input((1,)), code]).save(stranger)
    try:
        keras.models.load_model(stranger)
    except ValueError:
        print(_("Refused: the file wants to run code."))

# %% [markdown]
# ## What it costs
#
# Measured here and now, in the open: all 10,000 test images at once, and one image on its own. Training took
# as long as the line above says that began with ↻. In lesson 09 you will see how much longer a question takes
# on shares.


# %% tags=["nbval-ignore-output", "reason:timing"]
def milliseconds(action):
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


print(number(milliseconds(lambda: network.predict(images, batch_size=1000, verbose=0))), "ms")
print(number(milliseconds(lambda: network(images[:1])), 1), "ms")

# %% [markdown]
# ## Where it breaks
#
# **Another design, another price.** Counted for one image: our network; with ReLU before the pooling; with max
# pooling in place of the average; and with a hidden layer of 1,000 numbers after the last block. VGG-16, well
# known for photographs, is not in the figure: it has 13.6 million ReLUs, 5,308 times ours. Alice would send
# 1.8 GB
# for one photograph.

# %%
convolved = [26 * 26 * 10, 11 * 11 * 32, 3 * 3 * 64]  # numbers before each pooling
pooled = [13 * 13 * 10, 5 * 5 * 32, 1 * 1 * 64]  # and after it
designs = {_("ours"): sum(pooled), _("ReLU before pooling"): sum(convolved)}
designs |= {_("max pooling"): 4 * sum(pooled), _("a hidden layer more"): sum(pooled) + 1000}
print(list(designs.values()))
show(
    pictures.draw_designs(designs),
    alt=_("Four bars. ReLU before pooling and max pooling need about four times our comparisons."),
)

# %% [markdown]
# **A confident wrong answer.** Somebody photographs white chalk on a blackboard: bright and dark are swapped.
# Nothing like it was in the training images. The network does not say so. It answers with a digit, wrong in
# most cases, and gives its answer a probability of more than one half on average. Below are five such images
# with the answers, and then the accuracy and the mean probability of the answer, for 10,000 of them.
#
# In the open somebody could look at the questions and notice. **Private prediction takes that away**: nobody at
# the service sees that the questions have changed. So the client has to check its images, before it asks.

# %% tags=["nbval-ignore-output", "reason:training"]
swapped = 1 - images
probabilities = softmax(network.predict(swapped, batch_size=1000, verbose=0), axis=1)
swapped_answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
titles = [f"{answer}: {sure:.0%}" for answer, sure in zip(swapped_answers[:5], confidence[:5], strict=True)]
show(
    pictures.draw_digits(swapped[:5], titles),
    alt=_("Five bright digits on black, each with the network's answer and its probability."),
)
print(f"{(swapped_answers == test_labels).mean():.0%} {confidence.mean():.0%}")

# %% [markdown]
# - **The training images are not protected**, neither now nor later: answers may tell about them (lesson 03).
# - **The architecture becomes public.** The parties run it, so they know it. What stays secret are the numbers.
# - **The range is a promise of the data, not of the network.** An image with pixels up to 10,000,000 leaves
#   it. The client of lesson 10 checks what it sends.
#
# ## What we saw
#
# - On shares, multiplications inside a layer cost nothing to send; what comes out of a layer does, and
#   comparisons most of all.
# - Average pooling, ReLU after it, and logits at the end: three choices that leave 2,554 comparisons.
# - Two epochs are enough for 98%.
# - With 18 bits after the point the network is as good as with floating-point numbers, and far from the limits.
# - Save arrays, not programs.
#
# ## Sources
#
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: *Gradient-Based Learning Applied to Document Recognition*,
#   Proceedings of the IEEE 1998 (convolution, average pooling, MNIST).
# - P. Mohassel, P. Rindal: *ABY3*, CCS 2018 (what a ReLU costs among three parties).
# - D. Kingma, J. Ba: *Adam: A Method for Stochastic Optimization*, ICLR 2015.
# - B. Polyak, A. Juditsky: *Acceleration of Stochastic Approximation by Averaging*, SIAM Journal on Control and
#   Optimization 1992 (averaging the weights).
# - A. Saxe, J. McClelland, S. Ganguli: *Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear
#   Neural Networks*, ICLR 2014 (orthogonal kernels to start with).
# - K. Simonyan, A. Zisserman: *Very Deep Convolutional Networks for Large-Scale Image Recognition*, ICLR 2015
#   (VGG-16).
# - Keras: [weights-only saving](https://keras.io/api/models/model_saving_apis/weights_saving_and_loading/) and
#   [`load_model`](https://keras.io/api/models/model_saving_apis/model_saving_and_loading/) with `safe_mode`.
#   Holes in
#   it: CVE-2025-1550, CVE-2025-9906.
# - T. Ryffel et al.: *A generic framework for privacy preserving deep learning*, 2018 (PySyft), and M. Dahl
#   et al.:
#   *Private Machine Learning in TensorFlow using Secure Computation*, 2018 (TF Encrypted): where the network
#   comes from.
