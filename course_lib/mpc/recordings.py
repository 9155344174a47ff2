"""What parties recorded, to be looked at: a cluster's `start(record=folder)` has each keep all that it gets.

A curious party would do the same, in secret. Leaves out what the parties send each other while they compute:
that is random numbers, too, and the engine's own affair.
"""

import os
from pathlib import Path

import numpy as np
from scipy import stats

from course_lib.i18n import _
from course_lib.mpc.spec import PARTIES

_CHANCE = 1e-6  # of taking uniform bytes for others


def recorded(folder: str | os.PathLike, what: str) -> list[np.ndarray]:
    """The newest shares of `what` ("question", "answer", "weight-0", ...) in the parties' order.

    A party's share is uint64 of shape (*shape, 2): its two parts of the three. Raises ValueError where a
    party has recorded none.
    """
    shares = []
    for party in PARTIES:
        files = sorted(Path(folder, party).glob(f"[0-9]*-{what}.npy"))
        if not files:
            raise ValueError(
                _("{party} has recorded nothing of this kind: {what}.").format(party=party, what=what)
            )
        shares.append(np.load(files[-1]))
    return shares


def looks_uniform(integers: np.ndarray) -> bool:
    """Whether all 256 bytes occur about equally often in integers of 64 bits (chi-square test).

    Uniform integers fail once in a million times; at least 160 integers are needed for the test to mean
    anything.

    >>> looks_uniform(np.frombuffer(os.urandom(8 * 784), np.uint64))
    True
    >>> looks_uniform(np.arange(784, dtype=np.uint64))
    False
    """
    counts = np.bincount(np.ascontiguousarray(integers).view(np.uint8).ravel(), minlength=256)
    return bool(stats.chisquare(counts).pvalue > _CHANCE)
