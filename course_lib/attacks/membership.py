"""Was this image in the training data? The two attacks that came first: loss threshold and shadow models.

`loss_threshold` (Yeom et al. 2018): a model is surer of what it has learnt from, so a small loss speaks for
membership. `ShadowAttack` (Shokri et al. 2017): the attacker trains models of their own, *shadow models*, of
which they know the members, and learns from these what answers about members look like.

Promises: scores, the higher the surer of membership; the threshold is the caller's. No attack sees more of a
target than its answers.
Leaves out: weights and gradients as an attacker's knowledge; the likelihood ratio (`likelihood_ratio`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from course_lib.i18n import _


def loss_threshold(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the loss (cross-entropy) of each candidate: (..., n, classes) and (n,) to (..., n).

    >>> loss_threshold(np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0])).round(2)
    array([-0.69, -0.11])
    """
    return _of_label(log_softmax(answers.astype(np.float64), axis=-1), labels)


def scaled_confidence(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The log-odds of the true label, ln(p / (1 - p)): (..., n, classes) and (n,) to (..., n).

    Confidences crowd below 1, where all that differs between models is lost; their log-odds spread out like a
    bell curve. Computed from scores (logits), without the rounding that 1 - p would suffer.

    >>> scaled_confidence(np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0])).round(2)
    array([0.  , 2.2])
    """
    answers = answers.astype(np.float64)
    others = answers.copy()
    others[..., np.arange(len(labels)), labels] = -np.inf
    return _of_label(answers, labels) - logsumexp(others, axis=-1)


@dataclass(frozen=True)
class ShadowAttack:
    """One attack model for each class: logistic regression on the logarithms of a model's confidences.

    Shokri et al. train neural networks here; here the simplest classifier stands in for them.
    """

    of_class: dict[int, Pipeline]

    @classmethod
    def learnt_from(cls, answers: np.ndarray, members: np.ndarray, labels: np.ndarray) -> "ShadowAttack":
        """Learn from shadow models' `answers` (models, n, classes) and their `members`, bool (models, n)."""
        if answers.shape[:2] != members.shape:
            message = _(
                "Expected answers (models, n, classes) for members (models, n), got {answers}, {members}."
            )
            raise ValueError(message.format(answers=answers.shape, members=members.shape))
        features, of_class = log_softmax(answers.astype(np.float64), axis=-1), {}
        for label in np.unique(labels):
            rows = features[:, labels == label].reshape(-1, answers.shape[-1])
            classifier = make_pipeline(StandardScaler(), LogisticRegression())
            of_class[int(label)] = classifier.fit(rows, members[:, labels == label].ravel())
        return cls(of_class)

    def scores(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """How sure it is that each candidate is a member of the target that gave `answers` (n, classes)."""
        features, scores = log_softmax(answers.astype(np.float64), axis=-1), np.empty(len(labels))
        for label in np.unique(labels):
            scores[labels == label] = self.of_class[int(label)].decision_function(features[labels == label])
        return scores


def _of_label(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What of `values` (..., n, classes) belongs to each candidate's label: (..., n)."""
    if values.shape[-2:-1] != labels.shape:
        message = _("Each answer needs one label, but {answers} answers and {labels} labels came.")
        raise ValueError(message.format(answers=values.shape[-2], labels=len(labels)))
    return values[..., np.arange(len(labels)), labels]
