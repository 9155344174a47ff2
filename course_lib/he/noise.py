"""How much noise a ciphertext carries: measured, not estimated.

Leaves out the theory (see Cheon et al. 2017, section 3.4) and any bound: a measurement is what it is.
"""

import numpy as np
import tenseal.sealapi as seal

from course_lib.he.parameters import Parameters, seal_context


def fresh_error(parameters: Parameters) -> float:
    """The standard deviation, over all slots, of decrypted minus encrypted random values.

    >>> from course_lib.he.parameters import LINEAR
    >>> 1e-7 < fresh_error(LINEAR) < 1e-5
    True
    """
    context = seal_context(parameters)
    key = seal.KeyGenerator(context).secret_key()
    encoder, plain, ciphertext = seal.CKKSEncoder(context), seal.Plaintext(), seal.Ciphertext()
    values = np.random.default_rng().random(parameters.slots)
    encoder.encode(values.tolist(), parameters.value_scale, plain)
    seal.Encryptor(context, key).encrypt_symmetric(plain, ciphertext)
    seal.Decryptor(context, key).decrypt(ciphertext, plain)
    return float((np.array(encoder.decode_double(plain)) - values).std())


def noise_bits(error: float, scale: float) -> float:
    """The bits at the low end of a stored number that noise has filled, for an error in the value itself.

    >>> noise_bits(error=0.25, scale=2.0**10)
    8.0
    """
    return float(np.log2(error * scale))
