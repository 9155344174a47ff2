"""Interactive-GNMax's look: how far teachers are from what the student expects, and what looking costs.

Papernot et al. 2018, Algorithm 2. The student's predictions are no secret, for all they have from private
data are answers already paid for. So a look costs what Confident-GNMax's costs, whatever the student
predicts. Leaves out the smooth sensitivity of the data-dependent cost, which nobody has worked out.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from course_lib.i18n import _
from course_lib.pate.accounting.checks import checked_positive, checked_threshold, checked_votes
from course_lib.pate.accounting.rdp import threshold_rdp_of_log_answered

#: The votes that the student expects are rounded to this: noisy votes then have the noise's exact steps.
VOTE_STEP = 2.0**-20


def checked_student(student: ArrayLike, *, shape: tuple[int, int]) -> np.ndarray:
    """The student's predicted probabilities as float64, if each row is a distribution over classes.

    Raises ValueError for another shape than that of the votes, entries outside 0 to 1, or rows whose sum is
    not 1 (up to 0.001, the rounding of small floating-point types).

    >>> checked_student([[0.7, 0.7]], shape=(1, 2))
    Traceback (most recent call last):
    ValueError: Every row of ... with sum 1, but row 0 has the sum 1.4 and the least 0.7.
    """
    table = np.asarray(student)
    if table.shape != shape or table.dtype.kind not in "buif":
        message = _(
            "The student's predictions must be numbers of the votes' shape {expected}, but {type} of"
            " shape {shape} came."
        )
        raise ValueError(message.format(expected=shape, type=table.dtype, shape=table.shape))
    table = table.astype(float)
    good = ((table >= 0) & (table <= 1)).all(axis=1) & (np.abs(table.sum(axis=1) - 1) <= 1e-3)
    if not good.all():
        row = np.flatnonzero(~good)[0]
        message = _(
            "Every row of the student's predictions must be probabilities with sum 1, but row {row} has"
            " the sum {sum} and the least {least}."
        )
        raise ValueError(message.format(row=row, sum=table[row].sum(), least=table[row].min()))
    return table


def surplus(votes: np.ndarray, student: np.ndarray) -> np.ndarray:
    """How many votes each class has beyond what the student expects, (queries, classes).

    Its largest entry in a row moves by 1 at most when one teacher changes its vote.

    >>> surplus(np.array([[90, 10]]), np.array([[0.5, 0.5]]))
    array([[ 40., -40.]])
    """
    expected = votes.sum(axis=1, keepdims=True) * student
    return votes - np.round(expected / VOTE_STEP) * VOTE_STEP


def log_disagrees(
    votes: ArrayLike, student: ArrayLike, *, threshold: float, sigma_threshold: float
) -> np.ndarray:
    """log of the probability that a look finds teachers to disagree with the student, shape (queries,).

    >>> log_disagrees([[90, 10]] * 2, [[0.5, 0.5], [1, 0]], threshold=50, sigma_threshold=10).round(3)
    array([ -1.841, -10.36 ])
    """
    votes = checked_votes(votes)
    student = checked_student(student, shape=votes.shape)
    threshold = checked_threshold(threshold, teachers=int(votes[0].sum()))
    sigma_threshold = checked_positive("sigma_threshold", sigma_threshold)
    return log_ndtr((surplus(votes, student).max(axis=1) - threshold) / sigma_threshold)


def interactive_threshold_rdp(
    votes: ArrayLike, student: ArrayLike, rdp_orders: ArrayLike, *, threshold: float, sigma_threshold: float
) -> np.ndarray:
    """Data-dependent RDP of each look, shape (queries, orders). **Private**: see the package."""
    disagrees = log_disagrees(votes, student, threshold=threshold, sigma_threshold=sigma_threshold)
    return threshold_rdp_of_log_answered(disagrees, rdp_orders, sigma_threshold=sigma_threshold)
