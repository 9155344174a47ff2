# %% [markdown]
# # Encrypted inference: a service classifies a digit that it never sees
#
# A hospital has images, a company has a model. The hospital may not send the images, and the company does not
# give the model away. In this lesson the images are encrypted, the company computes on the ciphertexts, and
# only the hospital can read the answer.
#
# After this lesson you will be able to
#
# - encrypt, add and multiply numbers, and say what happens to their noise, scale and level;
# - choose CKKS parameters that give 128-bit security;
# - lay out a matrix product so that it needs few rotations, and say why that matters;
# - run an encrypted web service: keys uploaded once, then one request for each image;
# - say what this protects, and what it does not.
#
# **Time:** about 30 minutes to read; the cells run in less than two minutes. **Memory:** under 1.5 GB, the
# service included.
#
# ## Who trusts whom with what
#
# | | the client | the service |
# |---|---|---|
# | has | the image, the secret key | the model, the client's public keys |
# | sees | the scores | ciphertexts, the number of values, the key id, when they arrive and from where |
# | should not learn | the model (but see the end of this lesson) | the image, the scores |
#
# We assume that the service follows the protocol but is curious: it keeps and studies all that it receives. If
# it computes something other than what it promised, nobody notices.

# %% tags=["imports"]
import json
import sys
import time

import numpy as np
import tenseal as ts
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from course_lib.data import mnist
from course_lib.exercises import check
from course_lib.figures import show
from course_lib.he import EILinearRegressionClient, pictures
from course_lib.he.by_hand import MODULUS, SCALE
from course_lib.he.deployment import deploy
from course_lib.he.keystore import KeyStore
from course_lib.he.noise import fresh_error, noise_bits
from course_lib.he.packing import ValueLayout, WeightLayout
from course_lib.he.parameters import LINEAR, MAX_COEFF_MODULUS_BITS, Parameters, seal_context
from course_lib.he.wire import from_text
from course_lib.i18n import _, number

# %% [markdown]
# ## Encryption on paper
#
# We start with a toy in decimal. A secret is a list of four numbers, each -1, 0 or 1. To encrypt 3.14 we store it as 3140
# (the **scale**, `SCALE`, is 1000), add a small random **noise**, and hide the result behind a random mask. All numbers
# are remainders after division by one billion (the **modulus**, `MODULUS`).
#
# The ciphertext holds the ingredients of the mask, and the masked number at the end. Whoever knows the secret
# can compute the mask and take it away. The noise remains, in the last digit.


# %%
def toy_encrypt(value, secret, random):
    mask = random.integers(MODULUS, size=len(secret))
    noise = random.integers(-2, 3)
    return np.append(mask, round(value * SCALE) + noise - mask @ secret) % MODULUS


def toy_decrypt(ciphertext, secret, scale):
    remainder = (ciphertext[-1] + ciphertext[:-1] @ secret) % MODULUS
    if remainder > MODULUS // 2:  # the upper half of the remainders stands for negative numbers
        remainder = remainder - MODULUS
    return float(remainder / scale)


# A seed, so that you see the numbers that we describe. Real keys never come from a seeded generator.
random = np.random.default_rng(2)
secret = np.array([1, 0, -1, 1])
pi, two = toy_encrypt(3.14, secret, random), toy_encrypt(2.0, secret, random)
print(pi, "->", toy_decrypt(pi, secret, SCALE))

# %% [markdown]
# Check it by hand: the secret says *first minus third plus fourth*. Add that to the last number, divide by one
# billion, and look at the remainder. Without the secret you would have to try all 81 that are possible; only one
# gives a small number. Real secrets have thousands of entries.
#
# Now we compute *before* decrypting. The sum of two ciphertexts is a ciphertext of the sum; their noises add
# up too. To multiply by the weight 1.5, we store the weight as 1500. Then the scale of the product is
# $1000 \cdot 1000$, and the noise has grown with it: **each multiplication uses up room** below the modulus.
# When no room is left, numbers wrap around, and the result is nonsense. The last line shows that.

# %%
print(toy_decrypt((pi + two) % MODULUS, secret, SCALE))

product = pi * round(1.5 * SCALE) % MODULUS
print(toy_decrypt(product, secret, SCALE**2))

too_large = product * 200 % MODULUS
print(toy_decrypt(too_large, secret, SCALE**2), _("instead of"), 942.0)

# %% [markdown]
# ### Exercise 1
#
# A linear model is a weighted sum. Write it for toy ciphertexts: `ciphertexts` is an array with one ciphertext
# in each row, `weights` holds an integer for each row. You need no secret.


# %% tags=["exercise"]
def weighted_sum(ciphertexts, weights):
    ### BEGIN SOLUTION
    return weights @ ciphertexts % MODULUS
    ### END SOLUTION


check("encrypted_inference.weighted_sum", weighted_sum)

# %% [markdown]
# ## The real thing: CKKS
#
# CKKS (named after Cheon, Kim, Kim and Song, 2017) is the toy with polynomials. Where the toy holds one number,
# a CKKS ciphertext holds a whole vector of $N/2$ **slots**, which are added and multiplied slot by slot.
#
# The degree $N$ decides how many slots there are. The modulus is a product of primes: the more bits it has, the
# more room there is for multiplications. But more bits also make the scheme *easier to break*. How many bits
# are safe for which degree stands in a table of the HomomorphicEncryption.org standard. Microsoft SEAL, which
# computes for us, refuses anything beyond it, and so does our library, as the first cell shows. Newer estimates (2024)
# are a little stricter and allow 106 bits at $N = 4096$: we use exactly 106.
#
# The second cell watches one ciphertext while we compute. After each product CKKS can **rescale**: it divides by
# one of the primes, so that the scale is about as before, and that prime is gone. (TenSEAL does it by itself.) The number
# of primes that are left is the **level**. The columns are the operation, the exact value, the scale, the level, and the error.

# %%
print(_("degree N, slots, most bits for 128-bit security:"))
for degree, bits in MAX_COEFF_MODULUS_BITS.items():
    print(f"{number(degree):>7} {number(degree // 2):>9} {bits:6}")

try:
    seal_context(Parameters(4096, (60, 60), value_scale=2.0**26, weight_scale=2.0**23))
except ValueError as error:
    print(error)

# %% tags=["nbval-ignore-output", "reason:random"]
context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 40, 60])
context.global_scale = 2.0**40
context.generate_galois_keys()

x = ts.ckks_vector(context, [1.5])
steps = {"x": x, "x + x": x + x, "(x + x) * 2": (x + x) * [2.0]}
steps["((x + x) * 2)²"] = steps["(x + x) * 2"].square()
for (name, value), exact in zip(steps.items(), (1.5, 3.0, 6.0, 36.0), strict=True):
    inside = value.ciphertext()[0]
    error = abs(value.decrypt()[0] - exact)
    scale, level = np.log2(inside.scale), inside.coeff_modulus_size()
    print(f"{name:16} {exact:5}   2^{scale:.0f}   {level}   {error:.0e}")

# %% [markdown]
# The error grows with each step but stays small: CKKS computes *approximately*, as floating-point numbers do.
# After two multiplications one prime is left, and a third product would not fit.
#
# ## The model
#
# Multinomial logistic regression on MNIST has ten rows of 784 weights. For each digit it adds up weight times
# pixel, and a constant, the **intercept**; the largest of the ten **scores** wins. Only one multiplication deep: good news for encryption.

# %%
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (images.reshape(-1, 784) / np.float32(255) for images in (x_train, x_test))

model = LogisticRegression(C=0.1, tol=6e-4, max_iter=300).fit(x_train, y_train)
plain_scores = x_test.astype(float) @ model.coef_.T + model.intercept_
print(f"{(plain_scores.argmax(axis=1) == y_test).mean():.0%}")
show(
    pictures.draw_weights(model.coef_),
    alt=_("Ten images of weights. Orange pixels speak for the digit, purple ones against it."),
)

# %% [markdown]
# ## First try: what the library offers
#
# TenSEAL multiplies an encrypted vector by a matrix with one call. It works, but look at the clock (it takes some
# seconds), and at the size of the keys that a client has to send first.

# %% tags=["nbval-ignore-output", "reason:timing"]
encrypted_image = ts.ckks_vector(context, x_test[0].tolist())
start = time.perf_counter()
encrypted_image.matmul(model.coef_.T.tolist())
first_try = time.perf_counter() - start

public_keys_size = len(context.serialize(save_secret_key=False, save_galois_keys=True))
print(f"{first_try:.1f} s, {public_keys_size / 1e6:.0f} MB")

# %% [markdown]
# Where does the time go? To add and to multiply slots is fast. But the sum of weight times pixel brings together
# numbers from *different* slots, and for that there is only one tool: to **rotate** all slots. A rotation costs
# many times as much as a multiplication by weights, and each distance needs a key of its own, or several
# rotations one after the other. So how do we multiply
# by a matrix with few rotations?
#
# ## Packing: the diagonals
#
# **Packing** means to decide which number lies in which slot. Take a model with as many classes as features, and line up the *diagonals* of its weights. In the first product,
# each class meets the feature with its own number; after a rotation by one, the next feature; and so on. Each
# class's slot collects its sum, all classes at once.


# %%
def multiply_by_diagonals(weights, values):
    classes = np.arange(len(weights))
    total = np.zeros(len(weights))
    for shift in range(len(weights)):
        diagonal = weights[classes, (classes + shift) % len(weights)]
        total = total + diagonal * np.roll(values, -shift)
    return total


weights, values = np.array([[1, 2], [3, 4]]), np.array([10, 1])
print(multiply_by_diagonals(weights, values), weights @ values)

# %% [markdown]
# Our matrix is wide: 10 classes, 784 pixels, 2,048 slots. Three ideas make it fit:
#
# 1. **Lanes.** Slot $u$ works for class $u \bmod 16$. Ten lanes are used. Six stay empty and must decrypt to
#    zero: so the client almost always notices another key or a score out of range (an accident, not malice).
# 2. **Two copies.** The client puts the pixels into its one ciphertext twice, the second time shifted by eight.
#    Eight shifts on the server then do the work of sixteen.
# 3. **Folding.** At the end each lane holds 128 partial sums. Add to it a copy of itself rotated by 16, to the result a copy
#    of that rotated by 32, and so on: after seven rotations, every slot holds the whole sum of its lane.
#
# The picture shows the first 32 slots. The pixel stands still in its slot; from shift to shift, the weight of
# another class comes to meet it.

# %%
layout = WeightLayout(ValueLayout(features=784, slots=LINEAR.slots), classes=10)
show(
    pictures.draw_lanes(layout),
    alt=_("Eight shifts by 32 slots. From shift to shift the classes move one slot to the right."),
)
print(f"{layout.lanes=} {layout.shifts=}\n{layout.fold_steps=} {layout.rotations=}")

# %% [markdown]
# Fourteen rotations for the whole matrix: seven between the shifts, seven to fold. One more idea is about *noise*:
# all rotations come **after** the multiplication. (To rotate the products instead of the values gives the same sums, if
# the diagonals are laid out for it: that is why the weights move in the picture, and the pixels don't.) There the scale is $2^{50}$, and the noise that a rotation adds
# is far below the last digit that we care for; at a pixel's scale of $2^{26}$ it would drown the pixel. This lets us
# spend all the bits on one prime of 60 for the numbers and one of 46 for the rotations. Nothing is rescaled, and a
# rotation takes half the time that it takes with three primes.
#
# ### Exercise 2
#
# Write the folding: return an array in which *every* slot holds the sum of all slots. Use only addition and
# `rotate(slots, step)`, which moves all slots to the left by `step`. For 16 slots, four rotations are enough.


# %% tags=["exercise"]
def fold(slots, rotate):
    ### BEGIN SOLUTION
    step = 1
    while step < len(slots):
        slots = slots + rotate(slots, step)
        step = 2 * step
    return slots
    ### END SOLUTION


check("encrypted_inference.fold", fold)

# %% [markdown]
# ## The service
#
# Now the real thing: a web service in a process of its own, with the model and a store for public keys. The first
# line that is printed is the command that starts the same service once more, in a terminal in JupyterLab and on port
# 8000, as long as this one runs. The second is the address of its page, where you can read what it accepts.
#
# The client makes its keys. The secret key stays in the client's process. The public keys let the service
# rotate, not decrypt. They are uploaded **once**; the key id is their digest. After that, a question is one
# ciphertext and the key id, with no password for anybody's storage account.

# %% tags=["nbval-ignore-output", "reason:machine"]
service = deploy(model.coef_, model.intercept_)
print(service.process.command)
print(service.process.browser_url + "/docs")

client = EILinearRegressionClient()
key_id, public_keys = client.get_public_keys()
service.upload_keys(key_id, public_keys)
print(f"{len(public_keys) / 1e6:.1f} MB")


# %%
def classify(image):
    question = json.dumps({"data": client.encrypt(image), "key_id": key_id})
    answer = service.run(question)
    return client.decrypt(answer)


scores = classify(x_test[0])
print(f"{scores.argmax()=} {y_test[0]=}")
show(
    pictures.draw_scores(x_test[0].reshape(28, 28), scores, plain_scores[0]),
    alt=_("A handwritten seven and its ten scores, the same with and without encryption."),
)

# %% [markdown]
# ## A hundred digits
#
# Are the answers as good as without encryption? We ask about a hundred images and compare the scores. All hundred
# decisions are equal, and no score is off by 0.001 or more. The figure shows where the bits of a
# stored number go, measured on a fresh ciphertext and on these hundred answers.

# %% tags=["nbval-ignore-output", "reason:progress"]
images = tqdm(x_test[:100], desc=_("digits"), file=sys.stdout)
encrypted_scores = np.array([classify(image) for image in images])

# %%
errors = encrypted_scores - plain_scores[:100]
same = (encrypted_scores.argmax(axis=1) == plain_scores[:100].argmax(axis=1)).sum()
print(f"{same=} {abs(errors).max() < 1e-3=}")

pixel_noise = noise_bits(fresh_error(LINEAR), LINEAR.value_scale)
score_noise = noise_bits(errors.std(), LINEAR.score_scale)
show(
    pictures.draw_bits(LINEAR, noise_bits={_("a pixel"): (pixel_noise, 26), _("a score"): (score_noise, 50)}),
    alt=_("Two bars of 60 bits. Noise fills the low end; above it are the digits that count."),
)

# %% [markdown]
# ## Prove it to yourself
#
# Don't believe us: look at the wire. On the left is the digit, in the middle as many bytes of what the service
# received, drawn the same way. On the right is how often each byte occurs in the whole ciphertext: all equally
# often, but for those below 16, which occur more often. That is no leak: the numbers have 60 bits and are stored in eight bytes, so the
# last byte of each is below 16, whatever was encrypted.
#
# Then look into the key store. It holds one entry, the public keys, under their digest. They do contain the secret key,
# but rotated, and encrypted under itself. That this is safe is a widely held assumption (*circular security*), which no
# look at the bytes could prove. What we can try: does another secret key open our answer? It doesn't; what should be
# zero isn't.

# %%
ciphertext = from_text(client.encrypt(x_test[0])[0])
show(
    pictures.draw_wire(x_test[0].reshape(28, 28), ciphertext),
    alt=_("A handwritten seven, a square of noise, and a histogram of bytes that is flat from 16 upwards."),
)

key_store = KeyStore(service.key_store)
print(f"{key_store.key_ids() == [key_id]=} {key_store.get(key_id) == public_keys=}")

answer = service.run(json.dumps({"data": client.encrypt(x_test[0]), "key_id": key_id}))
try:
    EILinearRegressionClient().decrypt(answer)
except ValueError:
    print(_("Another key does not open the answer."))

# %% [markdown]
# ## What it costs
#
# Measured here and now, on your machine. "ask" is the way to the service and back, with the service's work in
# between. Compare it with the first try, the call of TenSEAL's that we began with:
# packing and small parameters make the work hundreds of times shorter, and the keys shrink from 35 MB to 0.7 MB.
# Encryption still has its price. Without it, the same scores take well under a millisecond; and to ask about an image of
# 0.8 kB, we send 44 kB.
#
# When you are done, delete the service. Its process, its port and its key store are gone after that.


# %% tags=["nbval-ignore-output", "reason:timing"]
def milliseconds(action, repeats=20):
    start = time.perf_counter()
    for _repeat in range(repeats):
        result = action()
    return (time.perf_counter() - start) / repeats * 1000, result


encrypting, question = milliseconds(lambda: client.encrypt(x_test[0]))
asking, answer = milliseconds(lambda: service.run(json.dumps({"data": question, "key_id": key_id})))
decrypting, _scores = milliseconds(lambda: client.decrypt(answer))
plainly, _scores = milliseconds(lambda: model.coef_ @ x_test[0])
times = {_("encrypt"): encrypting, _("ask"): asking, _("decrypt"): decrypting}
times |= {_("without encryption"): plainly, _("first try"): first_try * 1000}
sizes = {_("image"): 0.784, _("question"): len(question[0]) / 1000, _("answer"): len(answer[0]) / 1000}
sizes |= {_("keys"): len(public_keys) / 1000, _("keys, first try"): public_keys_size / 1000}
alt = _("Two bar charts: the milliseconds of each step, and the kilobytes of each message.")
show(pictures.draw_costs(times, sizes), alt=alt)

# %%
service.delete()
print(f"{service.process.running=}")

# %% [markdown]
# ## Where it breaks
#
# - **The answers give the model away.** A linear model with 784 features can be copied with 785 questions, and
#   encryption does not change that. Whoever offers such a service limits the number of questions.
# - **Decrypted scores can give the key away.** The noise in a CKKS result depends on the secret key. Whoever has the
#   ciphertext, above all the service, and gets to see its exact decryption, may compute the key (Li and Micciancio,
#   2021). So don't pass raw scores on. The class alone, or rounded scores, are much safer; the proven cure is to add
#   noise that is far larger than that of CKKS.
# - **Time and size are visible.** The service sees when you ask, how often, and how many values you sent.
# - **Nobody checks the service.** A malicious service can answer another question than yours, and the client
#   can't tell. It can also send bytes that crash the client's process: SEAL was not made to read hostile input. And if it
#   learns which of its forged answers your client rejects, it can work out the key: never report that back.
# - **The secret key opens everything.** Whoever has it reads all that was ever encrypted with it.
#
# ### Exercise 3
#
# Copy the model. `score(values)` answers with the scores of one input; `features` says how many values an input
# has. Return the coefficients, of shape (classes, features), and the intercept. Ask at most `features + 1`
# questions.


# %% tags=["exercise"]
def copy_model(score, features):
    ### BEGIN SOLUTION
    intercept = score(np.zeros(features))
    columns = [score(row) - intercept for row in np.eye(features)]
    return np.array(columns).T, intercept
    ### END SOLUTION


check("encrypted_inference.copy_model", copy_model)

# %% [markdown]
# ## What we saw
#
# - A ciphertext hides a number behind a random mask. It can be added to others and multiplied by weights, and decrypts
#   to the result.
# - Scale, noise and modulus share a budget of bits, and the security standard sets its size.
# - Rotations are what costs. A layout that needs 14 of them answers in milliseconds.
# - The service holds the model and public keys; it can't read the images, the scores, or its own answers.
# - What the client *decrypts* and passes on is no longer protected. To protect the key, add noise to it; to protect
#   people in the data, there is another tool, differential privacy.
#
# ## Sources
#
# - J. H. Cheon, A. Kim, M. Kim, Y. Song: *Homomorphic Encryption for Arithmetic of Approximate Numbers*,
#   ASIACRYPT 2017.
# - M. Albrecht et al.: *Homomorphic Encryption Security Standard*, HomomorphicEncryption.org, 2018.
# - J.-P. Bossuat et al.: *Security Guidelines for Implementing Homomorphic Encryption*, ePrint 2024/463.
# - S. Halevi, V. Shoup: *Algorithms in HElib*, CRYPTO 2014 (the diagonals).
# - C. Juvekar, V. Vaikuntanathan, A. Chandrakasan: *GAZELLE*, USENIX Security 2018 (the wide matrix).
# - B. Li, D. Micciancio: *On the Security of Homomorphic Encryption on Approximate Numbers*, EUROCRYPT 2021.
# - O. Regev: *On Lattices, Learning with Errors, Random Linear Codes, and Cryptography*, STOC 2005 (the toy).
# - F. Tramèr et al.: *Stealing Machine Learning Models via Prediction APIs*, USENIX Security 2016.
# - [Microsoft SEAL](https://github.com/microsoft/SEAL) and [TenSEAL](https://github.com/OpenMined/TenSEAL), the
#   libraries that compute here.
