# %% [markdown]
# # An encrypted network: convolution, square, and every multiplication accounted for
#
# Lesson 05 classified encrypted digits with a linear model, and 8 of 100 were wrong. A convolutional network gets
# fewer than 1 of 100 wrong. But it has layers, one after the other, and encryption makes each of them dear. In this
# lesson we build one that answers in a fraction of a second, and we account for each multiplication that it spends.
#
# After this lesson you will be able to
#
# - say what a network can do that no linear model can, and why a square stands where a ReLU used to;
# - count the depth of a computation, and choose a chain of primes for it;
# - read a compiled plan: which rotations, at which level, with which keys;
# - lay out an image so that a convolution needs almost no rotation;
# - say what all this costs in accuracy, seconds and bytes, and where it breaks.
#
# **Time:** about 40 minutes to read; the cells run in less than two minutes, and in half a minute the second time.
# **Memory:** under 2 GB, the service included. We build on lesson 05: slots, rotations, scale, level, lanes.
#
# ## Who trusts whom with what
#
# | | the client | the service |
# |---|---|---|
# | has | the image, the secret key | the network's weights, the client's public keys |
# | sees | the scores, the network's *shape* | ciphertexts, their number, the key id, when they arrive and from where |
# | should not learn | the weights (but see the end of this lesson) | the image, the scores, any value in between |
#
# As in lesson 05, the service is curious but follows the protocol. Two things are new. The client must know how large
# the network's kernel is and how it moves, because it lays out the image for it. And the public keys now hold one
# more key, for multiplying two ciphertexts.

# %% tags=["imports"]
import json
import sys
import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from tqdm import tqdm

from course_lib.cache import cached
from course_lib.data import mnist
from course_lib.exercises import check
from course_lib.figures import show
from course_lib.he import EILinearRegressionClient, EINetworkClient, EINetworkServer, EIServer, pictures
from course_lib.he import network_pictures as network_figures
from course_lib.he.batch import MOST_IMAGES, BatchClient, BatchServer
from course_lib.he.deployment import deploy_network
from course_lib.he.image_packing import NetworkShape
from course_lib.he.keystore import KeyStore
from course_lib.he.network import Network
from course_lib.he.parameters import MAX_COEFF_MODULUS_BITS
from course_lib.he.plan import network_plan
from course_lib.he.training import train_network
from course_lib.i18n import _, number

# %% [markdown]
# ## Why a linear model is not enough
#
# In a linear model each pixel votes by itself, and the votes are added. So let us ask a question that no pixel can
# answer by itself: *are the stripes vertical or horizontal?* The figure shows four tiny images: two with vertical
# stripes, two with horizontal ones.
#
# Take any weights you like. Laid on top of each other, the two vertical images are all ones, and so are the two
# horizontal images. Therefore the scores of the vertical pair have the same sum as those of the horizontal pair. It
# is impossible that both vertical images score higher than both horizontal ones: **no linear model can tell them
# apart.**
#
# A tiny network can. Its **kernel** is a pattern of 2 x 2 weights: left column plus, right column minus. We lay it on
# the image, multiply and add, and move it on by two pixels (the **stride**). That is a **convolution**, and the
# numbers that it gives are a **feature map**. They are 2 or -2 for vertical stripes, according to which column is
# dark, and 0 for horizontal ones. Now **square** them: 4 or 0. Add them up: 16 for vertical, 0 for horizontal.
#
# The square made the difference. $(a - b)^2 = a^2 - 2ab + b^2$ holds the product $ab$: how one pixel votes depends on
# its neighbour.


# %%
def convolve(image, kernel, stride):
    size = len(kernel)
    starts = range(0, len(image) - size + 1, stride)
    return np.array([[(image[y : y + size, x : x + size] * kernel).sum() for x in starts] for y in starts])


vertical = np.tile([1, 0, 1, 0], (4, 1))
images = [vertical, 1 - vertical, vertical.T, 1 - vertical.T]
maps = [convolve(image, np.array([[1, -1], [1, -1]]), stride=2) for image in images]
squares = [feature_map**2 for feature_map in maps]
print([int(square.sum()) for square in squares])
show(
    network_figures.draw_layers({_("image"): images, _("feature map"): maps, _("square"): squares}),
    alt=_(
        "Four images of 4 by 4 pixels, their feature maps and the squares: 4 for vertical stripes, 0 for others."
    ),
)

# %% [markdown]
# ## Why the square stands for ReLU
#
# Most networks put a **ReLU** after each convolution: it keeps positive numbers and makes the negative ones 0. But
# CKKS ciphertexts can only be added and multiplied. With these two you get polynomials, and *is this number
# positive?* is none. So, without another scheme or the client's help, there are two ways.
#
# **Imitate ReLU by a polynomial.** The figure shows what comes close to ReLU between -3 and 3. The cell prints for
# each degree how far off it is there at most, how far off at 6, and how many multiplications stand one after the
# other to compute it. A higher degree is closer inside, but **further out it is off by hundreds**. And one such
# number spoils everything that comes after it.
#
# **Take the simplest polynomial that bends**, $x^2$, and let training find weights for which it works. It does not
# look like ReLU, and it need not: what a network needs is that pixels can act together. It takes one multiplication.
# The price is that squares grow: double a number, and after two squares it is 16 times as large. We come back to that
# twice.

# %%
x = np.linspace(-3, 3, 601)
fits = {degree: np.polynomial.Polynomial.fit(x, np.maximum(x, 0), degree) for degree in (2, 4, 8)}
for degree, fit in fits.items():
    inside, outside = abs(fit(x) - np.maximum(x, 0)).max(), abs(fit(6.0) - 6.0)
    print(f"{degree}: {inside:.2f} {outside:6.1f} {np.ceil(np.log2(degree)):.0f}")
show(
    network_figures.draw_activations(
        {_("degree {degree}").format(degree=degree): fit for degree, fit in fits.items()}, fitted_to=3
    ),
    alt=_(
        "ReLU, the parabola, and three polynomials close to ReLU from -3 to 3; beyond that they rush away from it."
    ),
)

# %% [markdown]
# ## Depth
#
# What counts is not how many products you make but how many stand **one after the other**: the **depth**. Each level
# of them uses up room below the modulus, as in the toy of lesson 05. $x \cdot x \cdot x \cdot x$, from left to right,
# has depth 3. $(x^2)^2$ is the same number at depth 2. A polynomial of degree $d$ needs a depth of at least
# $\log_2 d$, rounded up.
#
# ### Exercise 1
#
# Raise `x` to the power of 7. You may only call `multiply(a, b)`. Stay within a depth of 3, and within four
# multiplications.


# %% tags=["exercise"]
def seventh_power(x, multiply):
    ### BEGIN SOLUTION
    square = multiply(x, x)
    cube, fourth = multiply(square, x), multiply(square, square)
    return multiply(cube, fourth)
    ### END SOLUTION


check("encrypted_network.seventh_power", seventh_power)

# %% [markdown]
# ## The network, and its chain of primes
#
# Our network has five steps: **convolution, square, dense, square, dense.** A **dense** layer is a matrix, as in
# lesson 05. The image gets a border of 2 pixels, so it is 32 pixels wide; 16 kernels of 8 x 8 pixels move over it in
# strides of 4, and each meets it at 7 x 7 positions. These 784 numbers are squared, a matrix makes 64 **hidden
# units** of them, these are squared, and another matrix makes the ten scores.
#
# What does a square cost? A ciphertext is a pair: the masked number $b$, and the ingredient $a$ of its mask, so that
# $b + as$ opens with the secret $s$. The square of that is $b^2 + 2ab \cdot s + a^2 \cdot s^2$: **three** parts, and
# the third opens with $s^2$. The client's **relinearisation key** (made from $s^2$, encrypted under $s$) turns the
# three parts back into two. Then comes **rescaling**, as in lesson 05: it divides by a prime, and that prime is gone.
#
# **Our rule: rescale after a square, and never after a product with weights.** A product with weights makes the scale
# larger, and the next square's rescaling takes that away as well. So two squares cost two primes, and the whole
# network needs three. Three thick primes are better than six thin ones: a rotation works on each prime by itself, so
# with fewer of them it is faster.
#
# The **plan** lists all that, before anything is encrypted. Follow the scale in the figure. It starts at $2^{20}$.
# Times weights at $2^{16}$: $2^{36}$. Squared: $2^{72}$, and divided by a prime of 52 bits: $2^{20}$. Times weights
# at $2^{21}$: $2^{41}$. Squared: $2^{82}$, divided: $2^{30}$. Times weights at $2^{15}$: $2^{45}$. The last prime,
# too, has 52 bits. One is for the sign, and 45 are taken; what remains, 6 bits, is the **room**: the scores must stay
# between -64 and 64.

# %%
shape = NetworkShape()
plan = network_plan(shape)
print(plan.table())
print(f"{sum(plan.parameters.coeff_modulus_bits)=} {MAX_COEFF_MODULUS_BITS[8192]=} {plan.max_score:.0f}")
show(
    network_figures.draw_chain(plan),
    alt=_(
        "A bar of three primes of equal size for each step. After each square one prime is gone; the scale ends within the last."
    ),
)

# %% [markdown]
# All primes together have 214 bits, 58 of them for the special prime that only rotating and relinearising use. At
# $N = 8192$ SEAL allows 218, and the stricter guidelines of 2024 allow 214.
#
# Read the columns on the right. **Products with weights** are cheap, and few: one ciphertext holds 4,096 numbers.
# **Rotations** are dear, and the plan has 30. 20 of them are in the first dense layer, and there one prime is gone
# already, which makes them cheaper. It meets 64 shifts, and yet needs no 63 rotations for them. Think of a lock with
# two dials: each number from 0 to 63 is $8g + b$, with $g$ and $b$ from 0 to 7. Seven **baby steps** turn the inputs
# by 1 to 7; seven **giant steps** turn sums of products by 8. With six to fold, that is 20. The last layer does the
# same with 16 lanes: 3, 3 and 2. The first two rotations belong to the convolution; we come to them now.
#
# ### Exercise 2
#
# How deep could we go? Suppose that each activation of degree $d$ takes $\log_2 d$ primes, rounded up, of 52 bits
# each, in place of the two that we have. The last prime (52 bits) and the special one (58) stay. Return the smallest
# degree $N$ in `MAX_COEFF_MODULUS_BITS` that allows a network whose activations have the degrees in the list
# `activations`. With ReLUs of degree 27, for example, one of the steps that encrypted ReLUs are made of in practice,
# you will see what depth costs.


# %% tags=["exercise"]
def smallest_degree(activations):
    ### BEGIN SOLUTION
    primes = sum((degree - 1).bit_length() for degree in activations)
    bits = 52 + 58 + 52 * primes
    return min(degree for degree, most in MAX_COEFF_MODULUS_BITS.items() if bits <= most)
    ### END SOLUTION


check("encrypted_network.smallest_degree", smallest_degree)

# %% [markdown]
# ## The client lays out the image
#
# A convolution brings together neighbours, that is, numbers from different slots. So we should expect many rotations:
# one for each of the 64 places in the kernel. But must a pixel lie in one slot only? The client knows the image, and
# copying is free before encryption.
#
# Think of one place in the kernel, say the top left corner. As the kernel moves, this place meets every fourth pixel
# of every fourth row: a coarse **view** of the image. The next place meets another view, one pixel to the right. The
# figure shows three of the 64 views. The convolution is then a weighted sum *of views*: the weight of a place times
# its view, added up over all places. Everything that has to meet lies in the same slot, so **nothing is rotated**.
# (The field calls this layout **im2col**.)
#
# A view has 8 x 8 = 64 slots; 49 of them are positions of the kernel, and the rest is never read. Every one of the 16
# feature maps needs a copy, as it has its own weights: 1,024 slots. So four views fit into a ciphertext, and 16
# ciphertexts hold the image. Only at the end the four blocks of a ciphertext have to be added: these are the two
# rotations of the plan.
#
# The cell does that in NumPy, with random kernels. It is what client and server do, and it agrees with PyTorch.


# %%
def lay_out(image):
    padded = np.pad(image, (2, 10))
    views = [padded[y : y + 32 : 4, x : x + 32 : 4] for y in range(8) for x in range(8)]
    copies = np.repeat(np.reshape(views, (64, 1, 64)), 16, axis=1)  # one for each feature map
    return copies.reshape(16, 4096)


def convolve_in_slots(slots, kernels):
    weights = kernels.reshape(16, 64).T.repeat(64, axis=1).reshape(16, 4096)
    total = (slots * weights).sum(axis=0)
    total = total + np.roll(total, -1024)
    return total + np.roll(total, -2048)


(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = x_train / np.float32(255), x_test / np.float32(255)
image, kernels = x_test[0].astype(float), np.random.default_rng(0).normal(size=(16, 8, 8))
maps = convolve_in_slots(lay_out(image), kernels)[:1024].reshape(16, 8, 8)[:, :7, :7]
tensors = (torch.tensor(array) for array in (image[None], kernels[:, None]))
print(np.allclose(maps, torch.conv2d(*tensors, stride=4, padding=2)))
views = network_figures.draw_views(image, plan.values, shown=((0, 0), (0, 1), (5, 2)))
show(views, alt=_("A seven with a grid of dots in three colours, and the three coarse images at these dots."))

# %% [markdown]
# ## Fewer bytes for more rotations
#
# Sixteen ciphertexts are 3.9 MB for one small image. If the connection is slow, there is a **compact** layout. It
# sends only the 16 views that start within one stride: 4 ciphertexts, under 1 MB. All other views are the same ones,
# moved: by one column of the view (a rotation by 1), by one row (by 8), or by both. The server pays with twelve more
# rotations, at the top of the chain, where they are dearest. Bytes against time: further down we measure both.
#
# ### Exercise 3
#
# Where does the server find the pixels that the place `y, x` of the kernel meets? Return the view, as its first row
# and column (two numbers below `stride`), and by how many slots to rotate it. A view is `grid` slots wide, and lies
# row by row. A rotation by 1 moves everything one slot to the left.


# %% tags=["exercise"]
def view_and_rotation(y, x, stride, grid):
    ### BEGIN SOLUTION
    return (y % stride, x % stride), y // stride * grid + x // stride
    ### END SOLUTION


check("encrypted_network.view_and_rotation", view_and_rotation)

# %% [markdown]
# ## Training with encryption in mind
#
# The network is trained in the open, on images that are no secret, in PyTorch. Three things are as encryption wants
# them. Squares are the activations. There is no max pooling, which would have to compare; the stride makes the
# image smaller instead. And each layer but the last is followed by **batch normalisation**: while the network
# learns, it subtracts the mean of what comes out and divides by its spread, so that squares do not keep growing
# while it learns. After training, it is only a constant factor and a constant summand. The factor is multiplied
# into the weights before it, the summand becomes the layer's constant; encrypted evaluation has no step more to do.
#
# Half of each batch is turned, stretched, slanted and moved a little, so that the network sees more digits than
# there are. The size of the network was chosen on 5,000 training images that were held back. Nothing was chosen by
# the test images.


# %%
class Square(nn.Module):
    def forward(self, x):
        return x * x


def square_network(shape):
    return nn.Sequential(
        nn.Conv2d(1, shape.maps, shape.kernel, shape.stride, shape.padding, bias=False),
        nn.BatchNorm2d(shape.maps),
        Square(),
        nn.Flatten(),
        nn.Linear(shape.maps * shape.side**2, shape.hidden, bias=False),
        nn.BatchNorm1d(shape.hidden),
        Square(),
        nn.Linear(shape.hidden, shape.classes),
    )


print(number(sum(weights.numel() for weights in square_network(shape).parameters())))


# %% tags=["nbval-ignore-output", "reason:progress"]
@cached
def trained_network(epochs, seed):
    network = train_network(x_train, y_train, shape=NetworkShape(), epochs=epochs, seed=seed)
    return network.arrays()


@cached
def trained_linear_model(iterations):
    model = LogisticRegression(C=0.1, tol=6e-4, max_iter=iterations).fit(x_train.reshape(-1, 784), y_train)
    return {"coeffs": model.coef_, "intercept": model.intercept_}


network = Network.from_arrays(trained_network(epochs=12, seed=1))
linear = trained_linear_model(iterations=300)

# %% [markdown]
# On the 10,000 test images, the network is right on more than 99 of 100: the linear model makes about ten times as
# many errors. The figure shows what it has learnt. Orange pixels of a kernel count as plus, purple ones as minus.
# Some are edges or strokes in one direction, as in our tiny network. Below, the squares say where in the seven each
# kernel found its pattern, or the opposite of it.

# %% tags=["nbval-ignore-output", "reason:training"]
plain_scores = network.scores(x_test)
linear_scores = x_test.reshape(-1, 784) @ linear["coeffs"].T + linear["intercept"]
errors = [(scores.argmax(axis=1) != y_test).sum() for scores in (linear_scores, plain_scores)]
print([f"{1 - count / 10_000:.1%}" for count in errors])
show(
    network_figures.draw_feature_maps(image, network.kernels, network.feature_maps(image) ** 2),
    alt=_("A seven, sixteen kernels with edges and strokes, and the sixteen squared feature maps."),
)

# %% [markdown]
# ## The service
#
# It is the service of lesson 05, with another model in it: the same addresses, the same key store, the same messages.
# The plan decides what the client has to send. The keys are uploaded once, 12.6 MB of them: a key for each of the 16
# distances by which the plan rotates, and the relinearisation key. After that, a question is a list of ciphertexts
# and the key id.

# %% tags=["nbval-ignore-output", "reason:machine"]
service = deploy_network(network)
print(service.process.command)
print(service.process.browser_url + "/docs")

client = EINetworkClient(shape)
key_id, public_keys = client.get_public_keys()
service.upload_keys(key_id, public_keys)
print(f"{number(len(public_keys) / 1e6, 1)} MB")

start = time.perf_counter()
answer = service.run(json.dumps({"data": client.encrypt(image), "key_id": key_id}))
scores = client.decrypt(answer)
print(f"{scores.argmax()} {number(time.perf_counter() - start, 2)} s")
show(
    pictures.draw_scores(image, scores, plain_scores[0]),
    alt=_("A handwritten seven and its ten scores, the same with and without encryption."),
)

# %% [markdown]
# ## A hundred digits
#
# Now a hundred digits, with the same client and server but without the web between them. All hundred decisions are
# the same as without encryption, and no score is off by 0.05 or more. That is a coarser answer than lesson 05's:
# most of the error comes from rounding the weights, for which the smaller scales leave fewer bits. For a decision
# it does not matter, as long as the best score leads by more than twice that. (`benchmarks/he_network.py` asks
# about 1,000.)


# %% tags=["nbval-ignore-output", "reason:progress"]
@cached
def encrypted_scores(count):
    network = Network.from_arrays(trained_network(epochs=12, seed=1))
    client, server = EINetworkClient(network.shape), EINetworkServer(network)
    _key_id, public_keys = client.get_public_keys()
    scores = []
    for digit in tqdm(x_test[:count], desc=_("digits"), file=sys.stdout):
        answer = server.predict(client.encrypt(digit), public_keys)
        scores.append(client.decrypt(answer))
    return {"scores": scores}


hundred = encrypted_scores(count=100)["scores"]

# %%
same = (hundred.argmax(axis=1) == plain_scores[:100].argmax(axis=1)).sum()
print(f"{same=} {abs(hundred - plain_scores[:100]).max() < 0.05=}")

# %% [markdown]
# ## Prove it to yourself
#
# The client encrypts the same seven twice. What does the service receive? Noise both times, and *different* noise:
# the service cannot even tell that it was asked the same question again.
#
# The key store holds the keys of the plan and no others: a key for each distance that is printed, and one to
# relinearise. The service checks that each is there: a client that takes the network for one with 20 classes
# compiles another plan, and makes one key less (it never rotates by 16). The service refuses its keys when they are
# uploaded, long before a question could fail.

# %%
questions = [client.encrypt(image)[0] for _time in range(2)]
show(
    network_figures.draw_questions(image, questions),
    alt=_("A handwritten seven, and two squares of noise that are not the same."),
)
print(f"{questions[0] == questions[1]=} {KeyStore(service.key_store).key_ids() == [key_id]=}")
print(plan.needs.steps)

other_key_id, other_keys = EINetworkClient(NetworkShape(classes=20)).get_public_keys()
try:
    service.upload_keys(other_key_id, other_keys)
except ValueError as error:
    print(error)
service.delete()

# %% [markdown]
# ## What it costs
#
# Three servers, measured here and now, on your machine: the linear model of lesson 05, the network, and the network
# with the compact layout. Each axis is logarithmic. For a tenth of the errors you pay with much more time, and with
# about 90 times as many bytes in a question, or 22 times as many in the compact one. Without encryption, the network
# takes a fraction of a millisecond.


# %% tags=["nbval-ignore-output", "reason:timing"]
def cost(mistakes, client, server, values):
    question, keys, seconds = client.encrypt(values), client.get_public_keys()[1], []
    for _repeat in range(5):
        start = time.perf_counter()
        server.predict(question, keys)
        seconds.append(time.perf_counter() - start)
    return {
        _("errors in 10,000 images"): mistakes,
        _("server, milliseconds"): 1000 * min(seconds),
        _("question, kilobytes"): sum(map(len, question)) / 1000,
        _("keys, kilobytes"): len(keys) / 1000,
    }


linear_server = EIServer(linear["coeffs"], linear["intercept"])
compact = EINetworkClient(shape, "compact"), EINetworkServer(network, "compact")
rows = {_("linear model"): cost(errors[0], EILinearRegressionClient(), linear_server, image.ravel())}
rows[_("network")] = cost(errors[1], client, EINetworkServer(network), image)
rows[_("network, compact")] = cost(errors[1], *compact, image)
show(
    network_figures.draw_comparison(rows),
    alt=_("Four bar charts for three models: both networks err less, and cost more time and more bytes."),
)

# %% [markdown]
# ## Many images at once
#
# One image at a time, the slots hold *copies*. If you have thousands of images, put **a different image into each
# slot**, and use a ciphertext for each of the 784 pixels. A weight is then the same number in all slots, so nothing
# is ever rotated and no Galois key is needed. But each of the network's 94,080 products has to be made one by one,
# for one image or for 4,094 (two slots stay empty, to notice accidents). Nobody would wait that long for one digit; a
# hospital with thousands of them does not mind. **Latency** and **throughput** want different layouts.
#
# The cell encrypts, scores and decrypts 4,094 test images, and prints how many that is in a second of one processor
# core, and how many decisions are as without encryption. CryptoNets, the work of 2016 that made this known, states
# about 59,000 images in an hour, 16 in a second. Code that one of its authors published with others in 2019 takes
# 25.6 seconds for the layers of a batch of 8,192, encryption and decryption not included, which is 320 in a second;
# ours includes both. Both are published numbers, from their authors' machines and for another network; they show
# the order of magnitude and no more.


# %% tags=["nbval-ignore-output", "reason:timing"]
@cached
def batch(count):
    network = Network.from_arrays(trained_network(epochs=12, seed=1))
    client, server = BatchClient(network.shape), BatchServer(network)
    _key_id, public_keys = client.get_public_keys()
    start = time.process_time()
    pixels = tqdm(client.encrypt(x_test[:count]), total=784, desc=_("pixels"), file=sys.stdout)
    scores = client.decrypt(server.score(pixels, public_keys))
    return {"scores": scores, "seconds": time.process_time() - start}


result = batch(count=MOST_IMAGES)
same = (result["scores"].argmax(axis=1) == plain_scores[:MOST_IMAGES].argmax(axis=1)).mean()
print(f"{number(MOST_IMAGES / result['seconds'])} / s, {same:.2%}")

# %% [markdown]
# ## Where it breaks
#
# **Values out of range.** Squares grow. The cell prints the largest number that each layer made of the 10,000 test
# images, beside its room. There is room to spare everywhere; the tightest are the scores, whose limit is 64. Then
# we make the network louder: its hidden units become 20 times as large, and the square makes 400 times of that. The
# scores are now far beyond 64. They wrap around, and the client notices, because lanes that should be empty are
# not. That finds accidents, not malice. And the client refuses pixels beyond 0 to 1, because nobody else could: a
# ciphertext does not show them.
#
# **Depth.** After two squares the last prime is reached, and that is the end. A deeper network needs a longer
# chain, so a larger $N$, and everything gets slower. Or it needs **bootstrapping**: the server runs the
# *decryption* inside the encryption, with an encrypted secret key. Out comes nearly the same value, with some of
# its primes back. That is a deep computation by itself; it needs $N = 32768$ or more in practice, takes seconds on
# a CPU, and SEAL does not offer it. A network of 20 layers has been run on encrypted images in this way, with
# imitated ReLUs (Lee et al., 2022).
#
# **The answers still give the model away.** With enough questions anyone can train a copy of a network. Encryption
# hides the questions from the service, which makes it *harder* to notice someone who does that.
#
# **Decrypted scores can give the key away** (Li and Micciancio, lesson 05). Pass on the class alone, never raw
# scores.
#
# **Time and shape are visible.** The service sees when you ask, how often, and in which layout. The client, on its
# part, knows the network's shape.

# %% tags=["nbval-ignore-output", "reason:training"]
rooms = [f"2^{step.room_bits:.0f}" for step in plan.steps() if not step.relinearisations][1:]
layers = (network.feature_maps(x_test), network.hidden_units(x_test), plain_scores)
for room, values in zip(rooms, layers, strict=True):
    print(f"{room:>6} {abs(values).max():6.1f}")

hidden = {name: 20 * getattr(network, name) for name in ("hidden_weights", "hidden_constants")}
louder = Network(**vars(network) | hidden)
client = EINetworkClient(shape)
reply = EINetworkServer(louder).predict(client.encrypt(image), client.get_public_keys()[1])
try:
    client.decrypt(reply)
except ValueError as error:
    print(error)

# %% [markdown]
# ## What we saw
#
# - A square lets pixels act together, which no linear model can. It is the cheapest activation that encryption
#   offers.
# - Depth is what you pay for. Two squares, two primes; weights cost none, if the next square's rescaling takes their
#   scale away.
# - A plan says beforehand which rotations there are, at which level, and which keys the client has to make.
# - Where a number lies decides what it costs: the client's copies save the convolution's rotations, and cost bytes.
# - The network makes about a tenth of the linear model's errors, for more time and more bytes, and is still there in
#   a fraction of a second.
#
# ## Sources
#
# - R. Gilad-Bachrach, N. Dowlin, K. Laine, K. Lauter, M. Naehrig, J. Wernsing: *CryptoNets: Applying Neural Networks
#   to Encrypted Data with High Throughput and Accuracy*, ICML 2016 (the square; about 59,000 predictions per hour).
# - A. Brutzkus, R. Gilad-Bachrach, O. Elisha: *Low Latency Privacy Preserving Inference*, ICML 2019, and its code,
#   [CryptoNets](https://github.com/microsoft/CryptoNets) (25.6 seconds: the sum of the layers' times in its
#   README).
# - J. H. Cheon, A. Kim, M. Kim, Y. Song: *Homomorphic Encryption for Arithmetic of Approximate Numbers*, ASIACRYPT
#   2017.
# - S. Halevi, V. Shoup: *Faster Homomorphic Linear Transformations in HElib*, CRYPTO 2018 (baby steps and giant
#   steps).
# - K. Chellapilla, S. Puri, P. Simard: *High Performance Convolutional Neural Networks for Document Processing*, 2006
#   (im2col).
# - J. H. Cheon, K. Han, A. Kim, M. Kim, Y. Song: *Bootstrapping for Approximate Homomorphic Encryption*, EUROCRYPT
#   2018.
# - J.-W. Lee et al.: *Privacy-Preserving Machine Learning with Fully Homomorphic Encryption for Deep Neural Network*,
#   IEEE Access, 2022.
# - J.-P. Bossuat et al.: *Security Guidelines for Implementing Homomorphic Encryption*, ePrint 2024/463.
# - B. Li, D. Micciancio: *On the Security of Homomorphic Encryption on Approximate Numbers*, EUROCRYPT 2021.
# - F. Tramèr et al.: *Stealing Machine Learning Models via Prediction APIs*, USENIX Security 2016.
