"""Which test rows are shown, in a table or as points, where there are more than a browser can bear.

Promises: the sample has rows of each class, and misclassified ones even where these are rare; it is the
same for the same seed and says what was left out. Shares must not be read off it: they stand in the
evaluation, which counts all rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from course_lib.i18n import _, number
from course_lib.visualize.datasets import Split
from course_lib.visualize.evaluation import Evaluation

#: The columns beside the features. A file of one's own has none of these names: reading it renames them.
ROW, TRUE, PREDICTED, PROBABILITY, WRONG = "row", "true", "predicted", "probability", "wrong"


@dataclass(frozen=True, eq=False)
class Sample:
    """Test rows to show: `shown` of `of` rows, and `errors_shown` of the `errors_of` misclassified ones.

    `table` has, row by row, the number in the data set (from 1), the features, the true and the predicted
    class, the probability of the predicted one, and whether it is wrong; columns `ROW`, features, `TRUE`,
    `PREDICTED`, `PROBABILITY`, `WRONG`.
    """

    table: pd.DataFrame
    shown: int
    of: int
    errors_shown: int
    errors_of: int
    only_errors: bool = False

    def sentence(self) -> str:
        """Return, in the reader's language, how many rows of how many are shown."""
        if self.only_errors:
            message = _("{errors_shown} of {errors_of} misclassified test rows; there are {of} test rows.")
        elif self.shown == self.of:
            message = _("All {of} test rows; {errors_of} of them are misclassified.")
        else:
            message = _(
                "A sample of {shown} of {of} test rows. So that errors are seen, it has {errors_shown} of "
                "the {errors_of} misclassified rows: more than their share."
            )
        names = ("shown", "of", "errors_shown", "errors_of")
        return message.format(**{name: number(getattr(self, name)) for name in names})


def sample_rows(
    split: Split, evaluation: Evaluation, *, most: int = 2_000, seed: int = 0, only_errors: bool = False
) -> Sample:
    """Return at most `most` test rows with their predictions, in the data set's order.

    With `only_errors` misclassified rows alone. Raises ValueError when the evaluation is of another split.
    """
    if (evaluation.settings.dataset, evaluation.settings.seed) != (split.dataset.key, split.seed):
        raise ValueError(f"expected an evaluation of {split.dataset.key} with seed {split.seed}")
    wrong = evaluation.predicted != split.y_test
    among = np.flatnonzero(wrong) if only_errors else np.arange(len(wrong))
    kinds = 2 * split.y_test[among] + wrong[among]
    chosen = among[stratified(kinds, most=most, random=np.random.default_rng(seed))]
    chosen = chosen[np.argsort(split.test_rows[chosen])]
    return Sample(
        table=_table(split, evaluation, chosen),
        shown=len(chosen),
        of=len(wrong),
        errors_shown=int(wrong[chosen].sum()),
        errors_of=int(wrong.sum()),
        only_errors=only_errors,
    )


def apart(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return the `names` of features, changed where they are among `taken`, or there twice.

    >>> apart(["width", "row"], taken=["row", "prediction"])
    ['width', 'row (feature)']
    """
    seen, changed = set(taken), []
    for name in names:
        while name in seen:
            name = _("{name} (feature)").format(name=name)
        seen.add(name)
        changed.append(name)
    return changed


def stratified(kinds: np.ndarray, *, most: int, random: np.random.Generator) -> np.ndarray:
    """Return places of at most `most` rows whose `kinds` are ints from 0: half of `most` is shared equally.

    The other half is shared by how many rows a kind has left. The places are in order.

    >>> kinds = np.repeat([0, 1], [990, 10])
    >>> chosen = stratified(kinds, most=100, random=np.random.default_rng(0))
    >>> np.bincount(kinds[chosen]).tolist()
    [90, 10]
    """
    if len(kinds) <= most:
        return np.arange(len(kinds))
    sizes = np.bincount(kinds)
    quotas = np.minimum(sizes, max(1, most // (2 * np.count_nonzero(sizes))))
    left = sizes - quotas
    free = max(0, most - quotas.sum())
    shares = left * free / left.sum()
    quotas += shares.astype(int)
    unused = free - int(shares.astype(int).sum())
    quotas[np.argsort(shares.astype(int) - shares, kind="stable")[:unused]] += 1  # the largest remainders
    shuffled = random.permutation(len(kinds))
    parts = [shuffled[kinds[shuffled] == kind][:quota] for kind, quota in enumerate(quotas)]
    return np.sort(np.concatenate(parts))


def _table(split: Split, evaluation: Evaluation, chosen: np.ndarray) -> pd.DataFrame:
    names = np.array(split.dataset.class_names, dtype=object)
    predicted = evaluation.predicted[chosen]
    # By way of text: 5.1 is to be shown as 5.1, and not as the 5.0999999 that a float32 holds.
    features = split.x_test[chosen].astype(str).astype(float)
    table = pd.DataFrame(features, columns=list(split.dataset.feature_names))
    table.insert(0, ROW, split.test_rows[chosen] + 1)
    table[TRUE] = names[split.y_test[chosen]]
    table[PREDICTED] = names[predicted]
    table[PROBABILITY] = evaluation.probabilities[chosen, predicted].astype(float).round(4)
    table[WRONG] = predicted != split.y_test[chosen]
    return table
