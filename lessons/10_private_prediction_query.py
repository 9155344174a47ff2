# %% [markdown]
# # Ask without showing: a digit is classified, and nobody who computes sees it
#
# Three servers hold a network in shares (lesson 09). Now we are the client: we have a digit and want to know
# which it is. The servers may see neither the digit nor the answer. And we want to know what they do get.
#
# After this lesson you will be able to
#
# - connect to a shared model and ask it, without having the model;
# - look at what each party received for your question, and judge whether it tells anything;
# - notice one kind of cheating, and say which kinds you can't notice;
# - read what a question costs: seconds, bytes and messages, and what a slower network would add;
# - choose between secret sharing and homomorphic encryption (lesson 05).
#
# **Time:** about 30 minutes to read; the cells run in less than two minutes. **Memory:** under 2 GB, the
# parties included.
#
# ## Who trusts whom with what
#
# | | the client (this notebook) | alice, bob, carol |
# |---|---|---|
# | has | the image | shares of the weights and of the question |
# | sees | the answer, the shapes of the model | random numbers, shapes, when and how often we ask |
# | should not learn | the weights | the image, the answer, the weights |
#
# It is lesson 07's promise: it holds if all three parties follow the protocol, and no two of them put together
# what they have. **Here all three run on your machine, so nothing is protected yet**; you look at all sides.

# %% tags=["imports"]
import time

import numpy as np

import course_lib.mpc as sy
from course_lib.data import mnist
from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _
from course_lib.mpc import classroom, digits, serving_pictures
from course_lib.mpc.recordings import looks_uniform, recorded
from course_lib.mpc.sharing import add_up, decode, encode, open_shares
from course_lib.mpc.spec import PARTIES

# %% [markdown]
# ## Find the parties
#
# If lesson 09 is open beside this notebook, with its cluster running, `visit` finds it. If not, it starts
# three parties, and a fourth process that plays the owner: that one takes the trained network (or trains it,
# which takes less than a minute, once), shares it, and ends. Either way, **this notebook never has the model**,
# and does not even load TensorFlow. The line that is printed says which way it went.
#
# If lesson 09 stops its cluster while you are here, a question ends with an error that says so. Then run the
# next two code cells again. And where memory is short, as on Binder: let lesson 09 reach its section "Open it
# for lesson 10" first, or shut its kernel down, so that only one of the two has parties running.

# %% tags=["nbval-ignore-output", "reason:machine"]
visit = classroom.visit()
print(visit.cluster)

# %% [markdown]
# ## Connect
#
# A `TFEWorker` without a place is a client. It connects with the shapes that it expects: one image in, ten
# **logits** out, one for each digit; the largest wins. Both begin with the number of images. If the model has
# other shapes, we are told so at once.

# %%
client = sy.TFEWorker()
try:
    client.connect_to_model((1, 32, 32, 3), (1, 10), visit.cluster)
except ValueError as error:
    print(error)
client.connect_to_model((1, 28, 28, 1), (1, 10), visit.cluster)

# %% [markdown]
# ## Ask
#
# A question is an array of floating-point numbers, scaled as for training, from 0 to 1. `query_model` splits
# it into shares, gives each party its own, and adds up the shares of the answer.

# %%
(_images, _labels), (x_test, y_test) = mnist.load_data()
images = digits.scale_images(x_test)

image = images[:1]
logits = client.query_model(image)
print(f"{logits.shape=} {logits.argmax()=} {y_test[0]=}")
show(
    serving_pictures.draw_logits(image[0, ..., 0], logits[0]),
    alt=_("A handwritten seven, and ten bars: that of the seven is the highest."),
)

# %% [markdown]
# ## Prove it to yourself: one pixel by hand
#
# The parties record what they get (that is a setting of this course, see lesson 09). Take the brightest pixel
# of the image. It is 1.0, or nearly: as a fixed-point number, that times $2^{18}$. Each line below is what
# one party received for this pixel, two integers modulo $2^{64}$. Alice's second integer is bob's first, bob's
# second is carol's first, and carol's second is alice's first. Add up the three first ones: it is the pixel.

# %% tags=["nbval-ignore-output", "reason:random"]
question = recorded(visit.record, "question")
brightest = np.unravel_index(image.argmax(), image.shape)
for name, share in zip(PARTIES, question, strict=True):
    print(f"{name:6}", *share[brightest])
pixel = add_up([share[brightest][0] for share in question])
print(pixel, "->", decode(pixel), image[brightest])

# %% [markdown]
# ## The whole image
#
# Now all 784 pixels: the digit, one part for each party, and all three parts added up. Under each, how often
# each byte occurs. In the encoded digit most bytes are 0. In a share all are equally frequent, up to chance:
# `looks_uniform` is the chi-squared test of lesson 07, which lets uniform bytes fail once in a million times.
# The shares pass. The control, the encoded digit, does not: the test *can* fail. And the three together are
# the digit.

# %%
encoded = encode(image)
pictures = {_("the digit"): encoded[0, ..., 0]}
pictures |= {name: share[0, ..., 0, 0] for name, share in zip(PARTIES, question, strict=True)}
pictures |= {_("all together"): open_shares(question)[0, ..., 0]}
show(
    serving_pictures.draw_shares(pictures),
    alt=_("A seven, three squares of noise, a seven. The bytes of the noise are equally frequent."),
)

print([looks_uniform(share) for share in question], looks_uniform(encoded))
print(f"{np.abs(decode(open_shares(question)) - image).max() <= 2**-18=}")

# %% [markdown]
# A test can't prove that there is nothing to find; the argument of lesson 07 does. It rests on parts that are
# drawn anew, by a cryptographic generator, *each time*. So we ask the same question again. No party gets any
# number that it got before. It can't even tell that it is the same question. (It can tell when we asked, from
# where, and how many images.)
#
# The answer is the same digit. The logits may differ in the last digits, because the parties truncate with
# fresh random numbers. The parties hold the answer, too, as shares only.

# %%
again = client.query_model(image)
new_question, answer = (recorded(visit.record, what) for what in ("question", "answer"))
equal = [int((old == new).sum()) for old, new in zip(question, new_question, strict=True)]
print(f"{equal=} {again.argmax()=} {np.abs(again - logits).max() < 1e-3=}")
print(f"{np.array_equal(decode(open_shares(answer)).astype(np.float32), again)=}")

# %% [markdown]
# ## A party that lies
#
# What if alice does not follow the protocol? Say she adds 100 to her share of the logit of the three. The
# client adds up what it gets, and reads a three.

# %%
lie = encode(100 * (np.arange(10) == 3))
lied = [answer[0].copy(), *answer[1:]]
lied[0][0, :, 0] += lie
print(decode(open_shares(answer)).argmax(), decode(open_shares(lied)).argmax())

# %% [markdown]
# ### Exercise 1
#
# This lie can be noticed: each part of the answer comes from *two* parties. `shares` are the three shares, in
# the order of the parties. Return `True` if each part is the same at both of its holders, otherwise `False`.
# (The engine's client does not look.)


# %% tags=["exercise"]
def copies_agree(shares):
    ### BEGIN SOLUTION
    return all(np.array_equal(shares[rank][..., 1], shares[(rank + 1) % 3][..., 0]) for rank in range(3))
    ### END SOLUTION


check("private_prediction_query.copies_agree", copies_agree)

# %% [markdown]
# Would that be enough? No. In lesson 07 bob lied *during* the computation, and all copies agreed. Protocols
# against such parties exist; they cost more, and this engine has none of them.

# %%
print(f"{copies_agree(answer)=} {copies_agree(lied)=}")

# %% [markdown]
# ## What it costs
#
# Each party tells what the last question cost it: the seconds that it computed and waited, the bytes that it
# sent to the other two, and the number of its messages. The three deal the work out among themselves by
# chance, so the numbers by party change a little from question to question. Their sums don't: 1.1 MB and 143
# messages for one image. The client sends a frame to each party, 37,728 bytes in all, for an image of 784
# bytes.
#
# The figure shows where alice's time, messages and bytes go, operation by operation, under the engine's names.
# `convolution` and `dot` are the linear layers. `less` is the comparison in ReLU; `multiply` then keeps the
# positive numbers, and divides in the pooling. Comparing alone takes half of all messages, as lesson 07 led us
# to expect, and the convolutions send about half of the bytes. Pooling sends nothing for its sums.

# %% tags=["nbval-ignore-output", "reason:timing"]
for name, cost in client.costs.items():
    print(f"{name:6} {cost.seconds:6.3f} s {cost.sent_bytes:8} B {cost.messages:4}")
total = [sum(getattr(cost, what) for cost in client.costs.values()) for what in ("sent_bytes", "messages")]
print(_("all three:"), *total)
show(
    serving_pictures.draw_operations(client.costs["alice"]),
    alt=_("Bars for each operation. Most messages come from comparing, most bytes from convolutions."),
)

# %% [markdown]
# ## More images at once
#
# A question may hold many images, up to 64 here; fewer than a program is made for are filled up with zeros.
# We ask about 1, 16 and 64 images. Bytes grow with the number of images. The number of messages **does not**:
# a message just gets longer.
#
# That matters on a real network. Here a message arrives at once. Between two machines it takes the
# **latency**, about a millisecond within a city, about 20 between distant cities, and the messages of a party
# wait for each other. The figure adds that wait: messages of a party times latency. (We tried it once, with a
# relay that held back each packet for 20 ms: one image took a second longer, as the estimate says.)

# %% tags=["nbval-ignore-output", "reason:timing"]
seconds, messages = {}, 0
for count in (1, 16, 64):
    client.connect_to_model((count, 28, 28, 1), (count, 10), visit.cluster)
    client.query_model(images[:count])  # the first one of its kind does not count
    start = time.perf_counter()
    client.query_model(images[:count])
    seconds[count] = time.perf_counter() - start
    messages = max(cost.messages for cost in client.costs.values())
    sent = sum(cost.sent_bytes for cost in client.costs.values())
    print(f"{count:3} {seconds[count]:6.2f} s {sent / 1e6:6.1f} MB {messages:3}")

waits = {_("this machine"): 0.0, _("1 ms"): messages * 0.001, _("20 ms"): messages * 0.020}
show(
    serving_pictures.draw_batches(seconds, waits),
    alt=_("Seconds an image, for 1, 16 and 64 images at once. The more at once, the less latency matters."),
)

# %% [markdown]
# ### Exercise 2
#
# Estimate how long a question takes on another network. `cost` is one party's cost. Each message waits
# `milliseconds`, and the line carries `megabits` (a million bits) in a second. Add three things: what the
# party took here, the wait for its messages, one after the other, and the time to send its bytes.


# %% tags=["exercise"]
def seconds_on_network(cost, milliseconds, megabits):
    ### BEGIN SOLUTION
    waiting = cost.messages * milliseconds / 1000
    sending = cost.sent_bytes * 8 / (megabits * 1e6)
    return cost.seconds + waiting + sending
    ### END SOLUTION


check("private_prediction_query.seconds_on_network", seconds_on_network)

# %% [markdown]
# ### Exercise 3
#
# A client has any number of images, and the model takes `size` at once. `ask(batch)` answers for exactly
# `size` images, an array of shape `(size, 28, 28, 1)`, with logits of shape `(size, 10)`. Return the logits of
# all images, in their order. Ask no more often than needed.


# %% tags=["exercise"]
def ask_all(images, ask, size):
    ### BEGIN SOLUTION
    answers = []
    for start in range(0, len(images), size):
        batch = np.zeros((size, 28, 28, 1), dtype=np.float32)
        part = images[start : start + size]
        batch[: len(part)] = part
        answers.append(ask(batch)[: len(part)])
    return np.concatenate(answers)
    ### END SOLUTION


check("private_prediction_query.ask_all", ask_all)

# %% [markdown]
# With it we ask about a hundred images, in two questions of 64. How many of the hundred are right depends on
# the training alone; sharing does not change the decision.

# %% tags=["nbval-ignore-output", "reason:training"]
answers = ask_all(images[:100], client.query_model, 64)
print((answers.argmax(axis=1) == y_test[:100]).sum())

# %% [markdown]
# ## Beside lesson 05
#
# In lesson 05 one server computed on ciphertexts. Which is better? They trust differently, and they cost
# differently. The networks are not the same, so compare orders of magnitude:
#
# | | homomorphic encryption (lesson 05) | secret sharing (here) |
# |---|---|---|
# | who computes | one server, alone | three, at the same time |
# | who must be trusted | nobody with the image; the server to compute what it promised | no two of the three to work together; all three to follow the protocol |
# | rests on | a hard problem of mathematics | randomness, and three separate parties |
# | model | linear, one layer; the server has it in the open | a convolutional network; nobody has it in the open |
# | a ReLU | not possible directly | eight messages from each party to compare, then a product |
# | the client sends | 44 kB, and keys of 0.7 MB once | 38 kB in all |
# | the servers send each other | nothing | 1.1 MB, in about 50 messages each |
# | an answer takes | milliseconds | a fraction of a second here; seconds between distant cities |
#
# ## What is refused
#
# Mistakes are cheap to make, and expensive to find in noise: no party could see that your image has another
# scale. So the client checks before it splits. Each of these four is refused with a sentence. An image that is
# scaled wrongly but has the right form, from 0 to 255 as floating-point numbers, is *not* noticed: the
# answer would just be worse.

# %%
client.connect_to_model((1, 28, 28, 1), (1, 10), visit.cluster)
not_a_number = np.where(image == image.max(), np.nan, image)
for wrong in (images[:2], x_test[:1, ..., np.newaxis], not_a_number, image * 1e9):
    try:
        client.query_model(wrong)
    except ValueError as error:
        print(error)

# %% [markdown]
# ## Where it breaks
#
# - **Two parties that work together read your image.** Choose three that have reasons not to.
# - **Nobody checks the answer.** A party that cheats during the computation changes it, and you can't tell.
# - **Nobody checks the question.** A client can send anything, such as images made to learn about the model:
#   the parties see noise, and can't tell an attack from a digit. Only the number of questions can be bounded.
# - **The answer tells about the model.** The logits of many questions are enough to train a copy, and what
#   comes out may tell about the images that it was trained on.
# - **Time, place and size are visible**: when you ask, from which address, and how many images.
# - **You give a share to whoever answers.** Beyond this machine, certificates say who that is (lesson
#   09); a client that skips them may give all three shares to one listener.
# - **Numbers have a range**: beyond $2^{26}$ inside the network they wrap around without a word.
#
# ## Clean up
#
# We leave. If this notebook started the parties, they end now, and their recordings are gone. Those of lesson
# 09 go on until you clean up there. The last line counts the parties that this notebook has started and that
# still run: none.

# %%
visit.leave()
print(f"{len(classroom.running_parties())=}")

# %% [markdown]
# ## What we saw
#
# - A client asks a network that it does not have, and servers answer a question that they do not see.
# - What a party receives is uniform, drawn anew for each question; all three together are the digit.
# - ReLU costs messages, convolutions cost bytes. Messages times latency is the wait, and it is the same for 64
#   images as for one.
# - The protection is against curious parties that don't work together. Against cheating, this has none.
# - Secret sharing needs three parties and a good connection between them; homomorphic encryption one server
#   and simple models.
#
# ## Sources
#
# - T. Araki et al.: *High-Throughput Semi-Honest Secure Three-Party Computation with an Honest Majority*, CCS
#   2016, and P. Mohassel, P. Rindal: *ABY3*, CCS 2018 (what the parties run).
# - J. Ma et al.: *SecretFlow-SPU*, USENIX ATC 2023 (the engine).
# - F. Tramèr et al.: *Stealing Machine Learning Models via Prediction APIs*, USENIX Security 2016.
# - The comparison: lesson 05, and the sources there.
