# %% [markdown]
# # Serve it shared: three servers run a network that none of them knows
#
# You have trained a network that reads digits, and want to offer it as a service. Whoever asks does not want
# to show the digit, and you don't want to hand out the network. So three companies run it for you, each with
# a share of the weights that looks like noise, and no company sees the weights, a question, or an answer.
#
# After this lesson you will be able to
#
# - start three parties as processes of their own, share a Keras model among them, and serve it;
# - look at what a party stores, and show that it is noise, but that any two parties have everything;
# - serve a fixed number of requests, and see the next one refused;
# - say what happens when a party dies, and what three parties on three machines need;
# - say what sharing a model costs, and what it does not protect.
#
# **Time:** about 30 minutes to read; the cells run in less than two minutes. **Memory:** under 2 GB, the
# parties included.
#
# ## Who trusts whom with what
#
# | | the owner (this notebook) | alice, bob, carol | the client (lesson 10) |
# |---|---|---|---|
# | has | the model | shares of the weights and of the questions | the image |
# | sees | how many requests were answered | random numbers, shapes, when and how often somebody asks | the answer |
# | should not learn | the image, the answer | the weights, the image, the answer | the weights |
#
# As in lesson 07, this holds if all three follow the protocol and no two of them put together what they have.
# **Here all three run on one machine, and you control it. So nothing is protected yet**: you see how it
# works. It protects when three parties who would not work together run one process each.

# %% tags=["imports"]
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil

import course_lib.mpc as sy
from course_lib.data import mnist
from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _, language, number
from course_lib.mpc import classroom, digits, serving_pictures
from course_lib.mpc.recordings import looks_uniform, recorded
from course_lib.mpc.sharing import add_up, decode, encode, open_shares

# %% [markdown]
# ## Five roles
#
# The owner splits each weight into shares and gives each party its own, once. A client splits its question in
# the same way, gives each party its own share, and adds up the shares of the answer that come back. Nobody
# passes on what belongs to others: owner and client talk to each of the three parties themselves. The dashed
# lines in the figure are the messages of lesson 07, with which the three compute together.
#
# ## Start three processes
#
# A `TFEWorker` is a place for a party; without an address it gets a free port on this machine. `start` starts
# three processes and returns when they hold connections to each other. They run
# [SPU](https://github.com/secretflow/spu), an engine for secret sharing, with the protocol ABY3: the same
# replicated shares as in lesson 07, modulo $2^{64}$ and with 18 bits after the point.
#
# One setting is there for this lesson alone. With `record`, each party also writes all that it gets into a
# folder, as a curious party would do in secret. The cell prints the three processes with their memory.

# %% tags=["nbval-ignore-output", "reason:machine"]
alt = _("The owner gives shares to alice, bob and carol, and so does the client, who gets shares back.")
show(serving_pictures.draw_roles(), alt=alt)

record = tempfile.TemporaryDirectory(prefix="course-record-")
cluster = sy.TFECluster(sy.TFEWorker(), sy.TFEWorker(), sy.TFEWorker())

start = time.perf_counter()
cluster.start(record=record.name)
seconds = {_("start three parties"): time.perf_counter() - start}

parties = classroom.running_parties()
for name, process in parties.items():
    print(f"{name:6} {process.pid:7} {process.memory_info().rss / 1e6:4.0f} MB")

# %% [markdown]
# ## Share the model
#
# The network is that of lesson 08: three convolutions with average pooling and ReLU, and a linear layer, with
# 22,158 weights in eight arrays. Each weight becomes three parts, and a party holds *two* of them.
#
# ### Exercise 1
#
# Predict what one party will store. `shapes` is the list of the arrays' shapes, and a part is an integer of 64
# bits. Return the number of bytes.


# %% tags=["exercise"]
def bytes_for_a_party(shapes):
    ### BEGIN SOLUTION
    return sum(int(np.prod(shape)) * 2 * 8 for shape in shapes)
    ### END SOLUTION


check("private_prediction_serve.bytes_for_a_party", bytes_for_a_party)

# %% [markdown]
# If you have trained the network in lesson 08, we take your weights; otherwise it is trained now, once, which
# takes less than a minute. Then `share` does three things. It turns the network into a program for the engine,
# in which the weights are left open. It lets three threads here run the program once, on random numbers, and
# compares the answer with that of Keras. And it splits the weights, with the system's cryptographic generator,
# and sends them. The program is public: the parties know the **architecture**, and none of the weights.

# %% tags=["nbval-ignore-output", "reason:progress"]
model = digits.trained_network()

start = time.perf_counter()
shared = sy.share(model, cluster)
seconds[_("share the model")] = time.perf_counter() - start
print(number(model.count_params()), bytes_for_a_party([weight.shape for weight in model.weights]))

# %% [markdown]
# ## Prove it to yourself: what a party stores
#
# `recorded` reads what the three parties wrote down: their shares of the first convolution's ten small
# kernels. Take one weight by hand. Each line is what a party has of it, two integers of up to twenty digits.
# The second of alice is the first of bob, and so on around. Add the three first ones, as `uint64`, and divide
# by $2^{18}$: that is the weight. (Your integers differ from ours: they are drawn anew each time.)

# %% tags=["nbval-ignore-output", "reason:random"]
kernels = recorded(record.name, "weight-0")
for name, share in zip(parties, kernels, strict=True):
    print(name, share[0, 0, 0, 0])
weight = add_up([share[0, 0, 0, 0, 0] for share in kernels])
print(weight, "->", decode(weight), model.weights[0].numpy()[0, 0, 0, 0])

# %% [markdown]
# Now all ten kernels, as pictures: as they are, as the two parts that alice has of them, and as the sum of
# the three parts. Then the statistics, for the largest array of weights. `looks_uniform` counts bytes and
# compares them with equal counts, as in lesson 07 (chi-squared test). It lets uniform bytes fail once in a
# million times. All three parties' shares pass. The fourth answer is a control: the same weights, encoded but
# not shared, do *not* pass. And is the sum exact? Up to rounding to 18 bits, yes.

# %%
weights = [weight.numpy() for weight in model.weights]
rows = {
    _("the weights"): weights[0],
    _("alice, part 0"): kernels[0][..., 0],
    _("alice, part 1"): kernels[0][..., 1],
    _("all three parts"): decode(open_shares(kernels)),
}
show(
    serving_pictures.draw_kernels(rows),
    alt=_("Ten kernels of 3 by 3 pixels. The two parts are noise; the sum shows the kernels again."),
)

largest = recorded(record.name, "weight-4")
print([looks_uniform(share) for share in largest], looks_uniform(encode(weights[4])))
print(f"{np.abs(decode(open_shares(largest)) - weights[4]).max() <= 2**-18=}")

# %% [markdown]
# ### Exercise 2
#
# Somebody hands you two arrays of `uint64` in a list. One is a party's share; the other was only encoded, so
# whoever has it can read it. Return the index of the share, 0 or 1. `looks_uniform` is yours to use.


# %% tags=["exercise"]
def which_is_a_share(arrays):
    ### BEGIN SOLUTION
    return 0 if looks_uniform(arrays[0]) else 1
    ### END SOLUTION


check("private_prediction_serve.which_is_a_share", which_is_a_share)

# %% [markdown]
# ### Exercise 3
#
# One party has noise. Two have everything: so sharing protects against *one* curious party, and not against
# two that talk to each other. `shares` are the three shares in the order alice, bob, carol, but only those of
# the parties `first` and `second` (0, 1 or 2) may be used. Return the secret, as `uint64`. Party 0 holds the
# parts 0 and 1, party 1 the parts 1 and 2, and party 2 the parts 2 and 0.
#
# The cell after it lets each pair of parties do so with what they recorded.


# %% tags=["exercise"]
def recombine(shares, first, second):
    ### BEGIN SOLUTION
    if (first + 1) % 3 != second:  # now the second comes just after the first
        first, second = second, first
    return shares[first].sum(axis=-1) + shares[second][..., 1]
    ### END SOLUTION


check("private_prediction_serve.recombine", recombine)

# %%
for first, second in ((0, 1), (1, 2), (0, 2)):
    opened = decode(recombine(largest, first, second))
    print(*(list(parties)[rank] for rank in (first, second)), np.abs(opened - weights[4]).max() <= 2**-18)

# %% [markdown]
# ## Serve three requests
#
# A shared model is not served yet. `serve(3)` lets the parties answer three requests and returns at once;
# `wait` shows how many are answered, and returns after the third. (With the hook that we meet below,
# `model.serve(num_requests=3)` does both.)
#
# Who asks? Nobody, if you run this notebook alone. So a second thread of it plays the client here. What it
# does is all that a client has to do: connect with the shapes that it expects, and ask. It uses nothing of
# the model. In lesson 10, the client is another process.
#
# After that come the three answers, with the labels, and a fourth request. It is refused, by each of the
# parties itself. To bound the requests is worth something, because answers tell about a model (lesson 05).


# %% tags=["nbval-ignore-output", "reason:progress"]
def ask(images):
    client = sy.TFEWorker()
    client.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
    return [int(client.query_model(image[np.newaxis]).argmax()) for image in images]


(_images, _labels), (x_test, y_test) = mnist.load_data()
images = digits.scale_images(x_test)

shared.serve(3)
with ThreadPoolExecutor(1) as another_thread:
    visitor = another_thread.submit(ask, images[:3])
    shared.wait()

# %%
print(visitor.result(), y_test[:3], shared.served)
try:
    ask(images[3:4])
except RuntimeError as refusal:
    print(refusal)

# %% [markdown]
# ## Are the answers right?
#
# The owner can compare, since the owner has the model: 64 test images at once, once with Keras and once
# through the parties, with no limit on the requests. The same digit for all 64, and no logit is off by 0.001
# or more.

# %%
shared.serve()
client = sy.TFEWorker()
client.connect_to_model((64, 28, 28, 1), (64, 10), cluster)
private, in_the_open = client.query_model(images[:64]), model.predict(images[:64], verbose=0)
same = (private.argmax(axis=1) == in_the_open.argmax(axis=1)).sum()
print(f"{same=} {np.abs(private - in_the_open).max() < 1e-3=}")

# %% [markdown]
# ## What it costs
#
# Measured here and now. Starting and sharing happens once. For a question we compare with Keras in the same
# process: it is faster by far. That is the price. Where the time goes, how it grows with the number of
# images, and what a slow network adds: lesson 10.
#
# A party stores 354,528 bytes for our 22,158 weights, four times as many as the weights have themselves, and
# its process takes some hundred megabytes of memory.


# %% tags=["nbval-ignore-output", "reason:timing"]
def measure(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


single = sy.TFEWorker()
single.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
seconds |= {
    _("1 image, shared"): measure(lambda: single.query_model(images[:1])),
    _("1 image, Keras"): measure(lambda: model(images[:1])),
    _("64 images, shared"): measure(lambda: client.query_model(images[:64])),
    _("64 images, Keras"): measure(lambda: model(images[:64])),
}
alt = _("Six bars in seconds, on a logarithmic axis. Keras is far below the shared model.")
show(serving_pictures.draw_bars(seconds, unit=_("seconds")), alt=alt)
for name, process in parties.items():
    print(f"{name:6} {process.memory_info().rss / 1e6:4.0f} MB")

# %% [markdown]
# ## When a party dies
#
# All three are needed for an answer. We kill carol, without a warning, and ask again. The parties hold
# connections to each other, so the two that are left notice it, and end: what remains of a cluster is of no
# use, and should not hold shares any longer. The client gets an error within seconds, not silence. Nothing is
# left of the three then. (`stop` tidies up, and is allowed at any time.)

# %% tags=["nbval-ignore-output", "reason:machine"]
parties["carol"].kill()
start = time.perf_counter()
try:
    single.query_model(images[:1])
except RuntimeError as error:
    print(error)
print(number(time.perf_counter() - start, 1), "s")

# %%
gone, alive = psutil.wait_procs(parties.values(), timeout=10)
cluster.stop()
record.cleanup()
print(f"{len(gone)=} {len(alive)=}")

# %% [markdown]
# ## Three machines
#
# So far everything was on this machine. For real protection each party runs elsewhere, and people there start
# it. Then the three need certificates, so that nobody can listen, and nobody can pretend to be a party. One
# command makes them. It prints what goes to whom, and the command that starts each party there.

# %%
hosts = ["alice.example:4000", "bob.example:4000", "carol.example:4000"]
words = ["--lang", language(), "mpc", "certificates", "certificates", *hosts]
with tempfile.TemporaryDirectory() as folder:
    made = subprocess.run(
        [sys.executable, "-m", "course_lib.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
print(made.stdout)

# %% [markdown]
# The folders of the parties travel to their machines, that of the owner stays here, and each client gets the
# folder `client`. Then the owner's notebook says that people start the parties, and where; `start` prints the
# three commands, and waits until all three parties answer:
#
# ```python
# workers = [sy.TFEWorker(host, auto_managed=False) for host in hosts]
# cluster = sy.TFECluster(*workers, credentials="certificates")
# cluster.start()
# ```
#
# A client's notebook makes the same cluster, does *not* start it, and connects. Beyond this machine, parties
# refuse to talk without TLS.
#
# One port needs a firewall all the same: the engine's own, over which the parties send each other messages. TLS
# protects those. But the port also accepts what strangers send, and keeps it: a stranger can neither read along
# nor join in, but can fill a party's memory. Add `--link-port PORT` to each party's command, and let only the
# other two reach that port.
#
# ## Open it for lesson 10
#
# Now start the cluster again, and leave it open. Lesson 10 finds it by itself: a note with the three
# addresses lies in a folder that only you can read, beside the tokens that the parties ask for. **Open lesson
# 10 beside this notebook** and work through it. Its questions arrive here, at the cluster of this notebook.
# (If it finds no cluster, lesson 10 starts one of its own.)
#
# We share the model as it was done with Syft Keras, where these names come from: `KerasHook` gives Keras
# models the methods `share`, `serve`, `stop` and `shutdown_workers`. Without a number, `serve` returns at
# once, and the parties answer until somebody stops them.

# %%
tf = digits.tensorflow()
hook = sy.KerasHook(tf.keras)

record = tempfile.TemporaryDirectory(prefix="course-record-")
cluster.start(record=record.name)
model.share(cluster)
model.serve()
classroom.open_to_visitors(cluster, record=record.name)

# %% [markdown]
# If you have used Syft Keras 0.1 or 0.2 (it needed TF Encrypted and TensorFlow 1):
#
# | then | now |
# |---|---|
# | `import syft as sy` | `import course_lib.mpc as sy` |
# | `hook = sy.KerasHook(tf.keras)` | the same; or `sy.share(model, cluster)`, which changes no class of Keras |
# | `sy.TFEWorker(host="localhost:4000", auto_managed=True)` | the same; without a host, a free port |
# | `cluster = sy.TFECluster(alice, bob, carol)`, `cluster.start()` | the same |
# | `model.share(cluster)`, `model.serve(num_requests=3)` | the same |
# | `model.stop()`, `model.shutdown_workers()` or `cluster.stop()` | the same |
# | `Conv2D(10, (3, 3), batch_input_shape=(1, 28, 28, 1))` | `Input((28, 28, 1))`; also `Input((28, 28, 1), batch_size=1)` |
#
# ## Where it breaks
#
# - **Two parties together see everything.** Exercise 3 did it in three lines, and nobody else would notice.
#   Who runs the three parties decides whether this protects anybody.
# - **A party that does not follow the protocol** can change answers, and nobody notices (lesson 07). The
#   engine protects against curious parties, not against malicious ones.
# - **The architecture is public**, and so are the shapes, the times and the number of requests.
# - **Answers give the model away.** Who may ask often enough can train a copy. `num_requests` is a bound for
#   all clients together; bounds for each client need somebody who knows the clients.
# - **Numbers have a range.** What is shared may be up to ±1,048,576, and what comes up inside the network has
#   to stay below $2^{26}$, about 67 million. Beyond that, numbers wrap around without a word. `share` warns
#   when the rehearsal's answer is not that of Keras, but it rehearses on random images only.
# - **What was shared can't be taken back.** `stop` asks the parties to forget. A curious party keeps a copy.
# - **All three have to be there.** One that stops, stops the service.
#
# ## Clean up
#
# **Are you working in lesson 10? Then run this last cell when you are done there.** If you run it while
# lesson 10 is still connected, it waits until that notebook has left (ten minutes at most; interrupt the
# kernel to stop at once). After that no process is left, no port is taken, and the recordings are gone.

# %%
classroom.close(cluster)
record.cleanup()
hook.remove()
print(f"{len(classroom.running_parties())=}")

# %% [markdown]
# ## What we saw
#
# - Three processes hold a network's weights as noise, and run it together on questions that are noise, too.
# - What one party stores passes a test for uniformity; what two parties store is the model.
# - The answers are those of Keras, up to the rounding to 18 bits. They take far longer.
# - A dead party is an error within seconds, and nothing is left behind.
# - All this rests on three parties that don't work together, and here they are all yours.
#
# ## Sources
#
# - P. Mohassel, P. Rindal: *ABY3: A Mixed Protocol Framework for Machine Learning*, CCS 2018 (the protocol).
# - J. Ma et al.: *SecretFlow-SPU: A Performant and User-Friendly Framework for Privacy-Preserving Machine
#   Learning*, USENIX ATC 2023 (the engine).
# - M. Dahl et al.: *Private Machine Learning in TensorFlow using Secure Computation*, 2018 (TF Encrypted, the
#   engine of Syft Keras).
# - F. Tramèr et al.: *Stealing Machine Learning Models via Prediction APIs*, USENIX Security 2016.
