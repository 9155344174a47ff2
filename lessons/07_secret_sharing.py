# %% [markdown]
# # Secret sharing: three parties compute on what none of them sees
#
# Three companies offer to classify digits together. Each gets numbers that look like noise, they compute on
# the noise, and only whoever asked can read the answer. How can that be? In this lesson we build it by hand,
# in NumPy. In lessons 08 to 10 a real engine does the same between three real processes.
#
# After this lesson you will be able to
#
# - split a secret into shares, and say why one share tells nothing;
# - add and multiply secrets, and count the messages that this takes;
# - work with fixed-point numbers, and say how truncation rounds and when it fails;
# - explain why ReLU is expensive and average pooling is not, in rounds and in bytes;
# - say what two parties that work together can do, and a party that cheats.
#
# **Time:** about 45 minutes to read; the cells run in less than one minute. **Memory:** under 1 GB.
#
# ## Who trusts whom with what
#
# | | who asks | the model's owner | alice, bob, carol |
# |---|---|---|---|
# | has | the digit | the weights | shares of both |
# | sees | the answer | nothing of a question | random numbers, shapes, when and how often |
# | should not learn | the weights (but see the end) | the digit, the answer | the digit, the weights, the answer |
#
# This holds if **all three parties follow the protocol, and at most one of them is curious**: it keeps and
# studies all that it gets. Two that put together what they have see everything; you will see them do it. And
# here, for learning, all three sit in one process, so nothing is secret yet.

# %% tags=["imports"]
import time

import numpy as np
from scipy.stats import chisquare
from sklearn.neural_network import MLPClassifier

from course_lib.data import mnist
from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _, number
from course_lib.mpc import sharing_pictures as pictures
from course_lib.mpc.comparison import is_negative
from course_lib.mpc.sharing import FRACTION_BITS, PARTIES, Link, decode, encode, from_seed, from_system

# %% [markdown]
# ## A secret in three parts
#
# Take a clock with 100 hours, 0 to 99: after 99 comes 0 again. The secret is 42. Draw two numbers, say 71 and
# 93, and choose the third so that all three add up to 42 on this clock: 78, since 71 + 93 + 78 = 242. These
# are **additive shares**. Alice gets 71, bob 93, carol 78.
#
# What does alice learn from 71? Suppose that the secret were 17. Then 71 and 93 would go with 53. So 71 fits
# 42 as well as 17, and every other secret: alice learns *nothing*, however fast she computes. Bob learns
# nothing from his 93. Carol's number was not drawn, but computed; still, each of the 100 values is equally
# likely for it, because those that were drawn are. Even two of the three together learn nothing: 71 and 93 go
# with every secret, each time with another third number.
#
# The real clock has $2^{64}$ hours. NumPy's `uint64` computes on it by itself: what is too large wraps
# around. Who draws the numbers? `from_seed(7)` draws the same ones each time, so that you see the numbers
# that we describe; it protects nobody. `from_system` asks the operating system's cryptographic generator:
# **whatever must stay secret is split with that one.**
#
# The second cell splits a digit from MNIST: 784 pixels, each on its own. Each picture of a part is noise. Their
# sum is the digit, exactly.


# %% tags=["exercise-setup"]
def split(secret, draw, parties=PARTIES):
    parts = [draw(secret.shape) for _other in range(parties - 1)]
    return [*parts, secret - add_up(parts)]


def add_up(parts):
    return np.sum(parts, axis=0, dtype=np.uint64)


parts = split(np.array([42], dtype=np.uint64), from_seed(7))
print(*parts, "->", add_up(parts))

# %%
(x_train, y_train), (x_test, y_test) = mnist.load_data()
digit = x_test[0]

parts = split(digit.astype(np.uint64), from_system)
print((add_up(parts) == digit).all())
shown = {_("the digit"): digit, _("part 0"): parts[0], _("part 1"): parts[1], _("part 2"): parts[2]}
show(
    pictures.draw_images(shown | {_("all three added up"): add_up(parts)}),
    alt=_("A handwritten seven, three squares of noise, and the same seven again."),
)

# %% [markdown]
# ## Is it really noise?
#
# Look at a hundred digits, and count how often each byte occurs. Among the pixels one byte, 0, is the paper,
# and occurs most of the time. In a part all 256 bytes should occur equally often. Equally, up to chance: the
# **chi-squared test** says how far apart the counts may be. Its **p-value** is the chance that truly uniform
# bytes would be at least as far apart as these. For good shares any p-value between 0 and 1 is equally
# likely. One far below 0.001 would be a reason to doubt. The first line shows the p-values of the pixels and of
# three parts.
#
# A test can find a fault, but it can't prove a secret safe. See for yourself: parts that were drawn from a
# seed pass the same test. Yet whoever guesses the seed draws the same numbers and reads the secret: the last
# line. What protects is the argument with the clock, *and* a generator that nobody can guess.


# %% tags=["nbval-ignore-output", "reason:random"]
def p_value(integers):
    counts = np.bincount(np.frombuffer(integers.tobytes(), dtype=np.uint8), minlength=256)
    return chisquare(counts).pvalue


digits = x_test[:100].astype(np.uint64)
parts = split(digits, from_system)
print(f"{p_value(digits)=:.3f}", *(f"{p_value(part):.3f}" for part in parts))
show(
    pictures.draw_histograms({_("pixels"): x_test[:100], _("the bytes of part 2"): parts[2]}),
    alt=_("Two histograms of bytes. Pixels: one bar at 0 towers over all. The share: flat."),
)

carol, draw = split(digits, from_seed(7))[2], from_seed(7)  # carol has guessed the seed
guessed = carol + draw(carol.shape) + draw(carol.shape)
print(f"{p_value(carol)=:.3f} {(guessed == digits).all()=}")

# %% [markdown]
# ## Addition for free
#
# Two secrets, each in three parts. If alice adds her two numbers, bob his and carol hers, then the three
# results add up to the sum of the secrets. **Nobody sent anything.** The same goes for a secret times a
# public integer: each multiplies what it holds.
#
# ### Exercise 1
#
# Three hospitals want to know how many patients they have on average, and none tells its own number. Each
# hospital splits its number with `split`, keeps one part, and gives one to each of the others. Each adds up the
# three parts that it then has, and tells that sum to everybody. `counts` holds the three numbers. Return the
# list of the three sums
# that are told (arrays of `uint64` of shape `(1,)`), and the mean, computed from these sums alone.


# %% tags=["exercise"]
def secret_mean(counts, draw):
    ### BEGIN SOLUTION
    parts = [split(np.array([count], dtype=np.uint64), draw) for count in counts]
    told = [add_up([own[hospital] for own in parts]) for hospital in range(3)]
    return told, int(add_up(told)[0]) / len(counts)
    ### END SOLUTION


check("secret_sharing.secret_mean", secret_mean)

# %% [markdown]
# ## Numbers with a point
#
# Pixels and weights have digits after the point, and may be negative. In **fixed-point** numbers a value $v$
# is stored as the integer $v \cdot 2^{18}$, rounded: one **unit** is $2^{-18}$, about 0.000004. Negative
# numbers live in the upper half of the clock: -1 unit is $2^{64} - 1$, the hour before 0. `encode` does
# this, and `decode` undoes it.

# %%
integers = encode([0.5, -1.0, 3.14159265])
print(*integers)
print(*decode(integers).round(6))
show(
    pictures.draw_ring(),
    alt=_("A clock. Positive numbers go right from 0, negative ones left; they meet at the bottom."),
)

# %% [markdown]
# ## Multiplication
#
# A sum of three parts times a sum of three parts is a sum of *nine* products:
#
# $$(x_0 + x_1 + x_2)(y_0 + y_1 + y_2) = x_0 y_0 + x_0 y_1 + x_0 y_2 + \dots + x_2 y_2$$
#
# Somebody must know both factors of each. So each party now gets *two* of the three parts: alice 0 and 1, bob
# 1 and 2, carol 2 and 0. These are **replicated shares**. One part is missing for each, so each alone still
# knows nothing; but now two of them together have everything. That is the price of it. And every one of the
# nine products has a party that can make it, as the figure shows:
# three for each.
#
# Each party adds up its three products: now the result is in three parts, one for each party. To go on, each
# needs a second part again, and gets it from its neighbour. That is the one message.
#
# But these sums are not random: they hang together with the parts that the neighbour has, and would tell it
# something. So the three first add a **shared zero**: three random numbers that add up to 0. Each two parties
# have a common seed, so they draw these without a message (Araki et al., 2016).
#
# All that travels goes through a `Link`, which counts. A **round** is a set of messages that do not wait for
# each other.


# %% tags=["exercise-setup"]
def replicate(parts):
    return [np.stack([parts[rank], parts[(rank + 1) % PARTIES]], axis=-1) for rank in range(PARTIES)]


def share(values, draw, bits=FRACTION_BITS):
    return replicate(split(encode(values, bits), draw))


def open_shares(shares):
    return add_up([held[..., 0] for held in shares])


show(
    pictures.draw_products(),
    alt=_("A grid of nine products of parts. Alice, bob and carol make three each."),
)


# %% tags=["exercise-setup"]
def add(x, y):
    return [mine + other for mine, other in zip(x, y, strict=True)]


def scale(x, factor):
    return [mine * np.uint64(factor % 2**64) for mine in x]


def zeros(shape, draw):
    common = [draw(shape) for _pair in range(PARTIES)]
    return [common[rank] - common[(rank + 1) % PARTIES] for rank in range(PARTIES)]


def multiply(x, y, link, times=np.multiply):
    sums = [
        times(mine[..., 0], other[..., 0])
        + times(mine[..., 0], other[..., 1])
        + times(mine[..., 1], other[..., 0])
        for mine, other in zip(x, y, strict=True)
    ]
    masks = zeros(sums[0].shape, link.draw)
    return link.pass_on([part + mask for part, mask in zip(sums, masks, strict=True)])


# %% [markdown]
# This takes one round, and one number of 8 bytes from each party. For a whole dot product it is *the same*:
# each party
# adds up all its products before it sends one number. So what a layer costs depends on how many numbers come
# out, not on how many go in.
#
# ## Truncation
#
# The product of two fixed-point numbers is scaled by $2^{36}$ instead of $2^{18}$. We must divide by $2^{18}$,
# or the next product runs out of room. But each party has only parts! Alice adds her two parts, so that there
# are two parts in all: hers, and the one that bob and carol know. Now divide *each* by $2^{18}$. Alice splits
# hers again, with a number that bob draws as well, and sends the rest to carol (ABY3, 2018).
#
# Each of the two divisions rounds. So the result is off by less than one unit, up or down by chance; the
# figure shows how far, for 100,000 numbers. On average the errors cancel. (There is also a small chance that
# the result is *far* off. We come to that at the end.)


# %%
def divide(integers, bits):
    return (integers.astype(np.int64) >> np.int64(bits)).astype(np.uint64)


def truncate(x, link, bits=FRACTION_BITS):
    both = x[0][..., 0] + x[0][..., 1]  # alice knows these two parts,
    last = x[1][..., 1]  # bob and carol know this one
    fresh = link.draw(both.shape)  # from the seed that alice and bob have in common
    rest = divide(both, bits) - fresh
    link.send(0, 2, rest)
    link.rounds += 1
    return replicate([rest, fresh, -divide(-last, bits)])


def multiply_numbers(x, y, link, times=np.multiply):
    return truncate(multiply(x, y, link, times), link)


x, y, link = share([1.5], from_system), share([-0.5], from_system), Link(from_system)
print(decode(open_shares(multiply(x, y, link)), bits=36), f"{link.rounds=} {link.sent_bytes=}")
print(decode(open_shares(multiply_numbers(x, y, Link(from_system)))).round(4))

# %%
values = np.random.default_rng(7).integers(-(2**40), 2**40, size=100_000)
shares = replicate(split(values.astype(np.uint64), from_seed(7)))
truncated = open_shares(truncate(shares, Link(from_seed(8)))).astype(np.int64)
errors = truncated - values / 2**FRACTION_BITS
print(f"{abs(errors).max() < 1=} {abs(errors.mean()) < 0.01=}")
show(
    pictures.draw_errors(errors),
    alt=_("A histogram like a tent: most errors near 0, none beyond one unit up or down."),
)

# %% [markdown]
# ## Comparison, the expensive part
#
# A neural network needs more than sums and products. ReLU keeps a number if it is positive, and makes it 0 if
# it is negative. Is a secret negative? Then it lies in the upper half of the clock: the highest bit of the
# parts' *sum* is 1. But the highest bit depends on all bits below it. In 71 + 93 + 78 = 242 you can't tell the
# tens without adding up the ones first, because they **carry**.
#
# Here is the addition of two numbers bit by bit. XOR (`^`) adds two bits without the carry, AND (`&`) says
# whether both are 1. A place *makes* a carry where both bits are 1, and *passes one on* where just one of
# them is. Waiting place by place would take 64 steps. Doubling the distance takes six (Kogge and Stone,
# 1973).
#
# The parties do this on *shares of bits*. There XOR takes the place of the sum and AND that of the product: so
# XOR is free, and **each AND costs a message**, as a multiplication does. Count the rounds. One turns the sum
# of three parts into a sum of two numbers, one makes the first carries, six double the distance, and two turn
# the bit that comes out into a number: ten in all. Each waits for the one before. (`is_negative`, in
# `course_lib.mpc.comparison`, does just this, in a hundred lines.)
#
# With that, ReLU is $x - x \cdot [x < 0]$: one more product, which needs no truncation, since a bit has no
# digits after the point.


# %% tags=["exercise-setup"]
def carries(x, y):
    makes, passes = x & y, x ^ y
    distance = 1
    while distance < 64:
        from_below, passes_below = makes << distance, passes << distance
        makes, passes = makes ^ (passes & from_below), passes & passes_below
        distance *= 2
    return makes


def relu(x, link):
    return add(x, scale(multiply(x, is_negative(x, link), link), -1))


x, y = from_seed(7)((2, 1000))
print((x ^ y ^ (carries(x, y) << np.uint64(1)) == x + y).all())

link = Link(from_system)
print(decode(open_shares(relu(share([-2.5], from_system), link))), f"{link.rounds=} {link.sent_bytes=}")

# %% [markdown]
# A sum costs nothing, a product one round and 8 bytes from each party. A ReLU takes eleven rounds and 136
# bytes, of which the comparison takes ten rounds and 128 bytes. That is **17 times as many bytes** as a
# product, and above all eleven times as long to wait.
#
# ### Exercise 2
#
# Write the larger of two secrets, number by number, on shares. `a` and `b` are shares, and the result should
# be shares, too. Use `add`, `scale` and `relu`; one `relu` is enough.


# %% tags=["exercise"]
def maximum(a, b, link):
    ### BEGIN SOLUTION
    return add(b, relu(add(a, scale(b, -1)), link))
    ### END SOLUTION


check("secret_sharing.maximum", maximum)

# %% [markdown]
# ## A network on shares
#
# Now all of it together. We train a small network in the open: average pooling over 4 x 4 pixels leaves 49
# numbers; a linear layer makes 32 of them; ReLU; a second linear layer makes ten scores. It is right for about
# 94% of the test images, enough for us. Lesson 08 has a better one.
#
# Then its owner splits the weights, and whoever asks splits a digit. The three parties run the network on
# shares of both, and send the shares of the scores to whoever asked, who adds them up. We ask about the first
# 1,000 test images and compare with the same network in the open.
# (In lesson 08's network pooling comes in between. Here, whoever asks could do it before sharing.)


# %% tags=["nbval-ignore-output", "reason:training"]
def pool(images):
    return images.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)


model = MLPClassifier(hidden_layer_sizes=[32], learning_rate_init=0.01, random_state=7)
for _epoch in range(10):
    model.partial_fit(pool(x_train) / 255, y_train, classes=np.arange(10))
print(f"{model.score(pool(x_test) / 255, y_test):.0%}")


# %%
def average_pooling(x, link):
    sums = [mine.reshape(-1, 7, 4, 7, 4, 2).sum(axis=(2, 4)).reshape(-1, 49, 2) for mine in x]
    return truncate(sums, link, bits=4)  # divided by 16


def linear(x, weights, intercept, link):
    return add(multiply_numbers(x, weights, link, np.matmul), intercept)


def network(x, model, link):
    hidden = relu(linear(average_pooling(x, link), *model[:2], link), link)
    return linear(hidden, *model[2:], link)


weights = [model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1]]
draw = from_seed(7)  # not from_system: the end of the lesson says why
shared_model = [share(values, draw) for values in weights]
questions = share(x_test[:1000] / 255, draw)
scores = decode(open_shares(network(questions, shared_model, Link(draw))))

hidden = np.maximum(pool(x_test[:1000]) / 255 @ weights[0] + weights[1], 0)
expected = hidden @ weights[2] + weights[3]
print(f"{(scores.argmax(axis=1) == expected.argmax(axis=1)).sum()=} {abs(scores - expected).max() < 1e-3=}")

# %% [markdown]
# The same decision for all 1,000 images, and no score is off by 0.001 or more.
#
# ## What it costs
#
# First here and now: what the three parties' arithmetic takes on your machine, for one image and for a
# thousand, in milliseconds, beside the same in the open. Nothing travels here, so the waiting is missing. The
# rounds are the same for one image and for a thousand: a round carries as many numbers as you like. So it pays
# to ask about many at once.
#
# On a network, a party waits in each round for its neighbour's message. How long that takes is the
# **latency**: about a millisecond within a city, say, and 20 between distant cities. The second cell counts for
# the network of lesson 08: three times convolution, average pooling over 2 x 2 and ReLU, then a linear layer. A
# convolution is a linear layer, too. First we measure what *one* number costs in rounds and in alice's bytes;
# then we multiply by how many numbers come out of the layers of each kind. The first of the two
# lines with `relus` is for the same network with each ReLU *before* its pooling, where there are more numbers.

# %% tags=["nbval-ignore-output", "reason:timing"]
for count in (1, 1000):
    question, link = share(x_test[:count] / 255, from_system), Link(from_system)
    start = time.perf_counter()
    network(question, shared_model, link)
    on_shares = time.perf_counter() - start
    model.predict(pool(x_test[:count]) / 255)
    in_the_open = time.perf_counter() - start - on_shares
    print(f"{count:5} {number(on_shares * 1000, 1)} ms, {number(in_the_open * 1000, 1)} ms; {link.rounds=}")


# %%
def price(operation):
    link = Link(from_system)
    operation(share([-1.5], from_system), link)
    return link.rounds, link.sent_bytes[0]


prices = {"linear": price(lambda x, link: multiply_numbers(x, x, link))}
prices |= {"average pooling": price(truncate), "ReLU": price(relu)}
print(prices)
layers = {"linear": 4, "average pooling": 3, "ReLU": 3}
rounds = {kind: layers[kind] * prices[kind][0] for kind in layers}

convolved = 26 * 26 * 10 + 11 * 11 * 32 + 3 * 3 * 64  # numbers before each pooling
pooled = 13 * 13 * 10 + 5 * 5 * 32 + 1 * 1 * 64  # and after it
for relus in (convolved, pooled):
    numbers = {"linear": convolved + 10, "average pooling": pooled, "ReLU": relus}
    sent = {kind: numbers[kind] * prices[kind][1] for kind in layers}
    print(f"{relus=} {sent=}")

alt = _("Two bar charts. ReLU has most of the rounds and of the bytes, pooling few of both.")
show(pictures.draw_costs(rounds, sent), alt=alt)
for latency in (0.1, 1, 20):
    print(f"{latency:5} ms: {latency * sum(rounds.values()) + sum(sent.values()) * 8 / 1e6:4.0f} ms")

# %% [markdown]
# Of 44 rounds, 33 are for ReLU, and of 547 kB that alice sends, 347. (Of the three she sends the most, because
# of the truncations.) Average pooling is a sum, and sums are free; what it costs here is the division, and
# even that could be left to the weights of the next layer. Max pooling would compare, see exercise 3. And the
# order matters: ReLU before pooling means 4.4 times as many ReLUs.
#
# The last lines add the waiting for 44 messages, one after the other, to sending alice's bytes over a line of
# one gigabit per second. At 20 ms almost all of it is waiting. The time for computing is left out.
#
# This is an estimate for *our* code. The engine of lesson 09 is built on the same shares and the same
# multiplication. It compares with 36 bytes for each number in place of our 128, but takes more messages to
# truncate. In the end it comes to about the same: about 50 messages from each party, and less than 450 kB.
#
# ### Exercise 3
#
# What does *max* pooling over 2 x 2 cost? There are `windows` windows with four numbers each, and a maximum of
# two is your `maximum` from exercise 2. Return how many rounds it takes and how many bytes alice sends. What
# does not wait for each other shares its rounds.


# %% tags=["exercise"]
def max_pooling_cost(windows):
    ### BEGIN SOLUTION
    rounds = 2 * 11  # two maxima at once, then the larger of their results
    sent = 3 * 136 * windows
    return rounds, sent
    ### END SOLUTION


check("secret_sharing.max_pooling_cost", max_pooling_cost)

# %% [markdown]
# ## Prove it to yourself
#
# Don't believe us: write down everything that each party stores and receives during a whole query. That is
# its share of the digit, its shares of the weights, and each message. The cell prints for each party the
# number of messages and the p-value of it all together, and draws the first 576 numbers that came in messages.
# (Carol gets three messages more, from alice: one for each truncation.)
#
# ## Two parties that work together
#
# And this is the limit of it. Alice has parts 0 and 1, bob has 1 and 2. If bob gives part 2 to alice, she has
# all three. She adds them up, and reads the digit: the last picture. In the same way the two read the weights,
# and every number in between. Nothing in the mathematics stops them, and nobody would notice. So the three must
# be parties that *don't* work together, and whose owners have reasons not to.


# %% tags=["nbval-ignore-output", "reason:random"]
class RecordingLink(Link):
    def send(self, sender, receiver, message):
        super().send(sender, receiver, message)
        received[receiver].append(message.ravel())


received = [[], [], []]
question = share(digit / 255, from_system)
shared_model = [share(values, from_system) for values in weights]
network(question, shared_model, RecordingLink(from_system))

seen = {}
for rank, name in enumerate(("alice", "bob", "carol")):
    stored = [values[rank].ravel() for values in (question, *shared_model)]
    print(f"{name:6} {len(received[rank])} {p_value(np.concatenate([*stored, *received[rank]])):.3f}")
    seen[name] = np.concatenate(received[rank])[:576].reshape(24, 24)

alice, bob, carol = question
together = decode(alice[..., 0] + alice[..., 1] + bob[..., 1])
print(f"{abs(together - digit / 255).max() < 1e-5=}")
show(
    pictures.draw_images(seen | {_("alice and bob"): together}),
    alt=_("What alice, bob and carol received: three squares of noise. Alice and bob together: the seven."),
)

# %% [markdown]
# ## Where it breaks
#
# **Overflow.** The clock goes round without a word. 20,000 times 20,000 is 400 million, but with 36 bits
# after the point a product has room only up to $2^{27}$, about 134 million. The first line shows what comes
# out instead.
#
# **Truncation.** If the sum of the two parts goes round the clock, dividing each is not dividing the sum, and
# the result is off by $2^{28}$, about 268 million. The chance of that is $|v| / 2^{28}$ for a product $v$: one
# in 268 million for 1, but one in 256 for $1024 \cdot 1024$. We try this 10,000 times, and see how often it
# happens, and what comes out then. So keep numbers small. The thousand images above make 42,000 products, small
# ones: one run in about 3,000 would be far off somewhere. That is why they have a seed. (The engine of lesson
# 09 takes a dearer truncation,
# of Dalskov et al., 2020, that does not fail as long as products stay below $2^{26}$.)
#
# **A party that cheats.** Bob wants each digit to be a three. In the last product he adds 100 to the number
# that he passes on, in the place of the three. All shares still fit together, each part is the same at both
# of its holders, and the answer is wrong. Nobody notices. Protocols exist that do notice; they cost more, and
# the engine of lesson 09 has none of that.

# %%
large = share([20_000.0], from_seed(1))
print(decode(open_shares(multiply(large, large, Link(from_seed(2)))), bits=36)[0].round())

thousand = share(np.full(10_000, 1024.0), from_seed(1))
products = decode(open_shares(multiply_numbers(thousand, thousand, Link(from_seed(2)))))
far_off = abs(products - 1024 * 1024) > 1
print(far_off.sum(), products[far_off][0].round())


# %%
class CheatingLink(Link):
    def pass_on(self, parts):
        parts[1] = parts[1] + encode(100 * (np.arange(10) == 3), bits=2 * FRACTION_BITS)
        return super().pass_on(parts)


honest = Link(from_system)
hidden = relu(linear(average_pooling(question, honest), *shared_model[:2], honest), honest)
for link in (honest, CheatingLink(from_system)):
    answer = linear(hidden, *shared_model[2:], link)
    fits = all(
        (answer[rank][..., 1] == answer[(rank + 1) % PARTIES][..., 0]).all() for rank in range(PARTIES)
    )
    print(decode(open_shares(answer)).argmax(), f"{fits=}")

# %% [markdown]
# - **The answer itself tells.** Shares hide what goes in and what happens in between. Whoever asks gets the
#   answer in full, and with enough answers can copy the model, as in exercise 3 of lesson 05.
# - **Shapes, times and numbers of questions are visible** to all three parties, and so is the architecture.
# - **A wrong digit is shared as well as a right one.** Nobody can check a question that nobody sees.
# - **One party that stops, stops all.** No answer comes without the third.
#
# ## What we saw
#
# - A secret is split into random parts that add up to it. Too few of them tell nothing, and this is no matter
#   of computing power. A test of randomness can't prove it; the argument does.
# - Sums are free, a product is one message, and a truncation another. A layer costs what comes *out* of it.
# - A comparison needs the carries of all bits: ten rounds. That is why ReLU dominates.
# - Rounds times latency is the waiting. Many questions at once wait no longer than one.
# - It rests on three parties of which no two work together, and all of which follow the protocol.
#
# ## Sources
#
# - A. Shamir: *How to Share a Secret*, Communications of the ACM 1979 (where secret sharing began).
# - T. Araki, J. Furukawa, Y. Lindell, A. Nof, K. Ohara: *High-Throughput Semi-Honest Secure Three-Party
#   Computation with an Honest Majority*, CCS 2016 (multiplication, shared zeros).
# - P. Mohassel, Y. Zhang: *SecureML*, IEEE S&P 2017 (truncation on two parts, and when it fails).
# - P. Mohassel, P. Rindal: *ABY3: A Mixed Protocol Framework for Machine Learning*, CCS 2018 (the same for
#   three
#   parties; from numbers to bits and back).
# - A. Dalskov, D. Escudero, M. Keller: *Secure Evaluation of Quantized Neural Networks*, PoPETs 2020 (the
#   engine's truncation).
# - P. Kogge, H. Stone: *A Parallel Algorithm for the Efficient Solution of a General Class of Recurrence
#   Equations*, IEEE Transactions on Computers 1973.
# - J. Ma et al.: *SecretFlow-SPU*, USENIX ATC 2023 (the engine).
