"""Who teaches from what: each private example belongs to exactly one teacher.

Promises: disjoint parts that cover all examples, whose sizes differ by at most one. This is what PATE's
privacy rests on: whoever takes one example away changes one teacher, and so one vote.
Leaves out: several examples of one person. Where a person has more than one, part the persons.
"""

import numpy as np

from course_lib.i18n import _


def disjoint_parts(examples: int, *, teachers: int, seed: int) -> list[np.ndarray]:
    """The numbers 0 to `examples` - 1, shuffled by `seed` and dealt out to that many `teachers`.

    Returns one int64 array for each teacher, sorted; sizes differ by at most one. The seed protects nobody:
    it may be known. ValueError where there is no teacher, or a teacher would have no example.

    >>> [part.tolist() for part in disjoint_parts(7, teachers=3, seed=0)]
    [[2, 3, 4], [5, 6], [0, 1]]

    Source: Papernot et al., Semi-supervised Knowledge Transfer for Deep Learning from Private Training Data
    (2017), section 2.1.
    """
    if teachers < 1:
        raise ValueError(_("Expected at least one teacher, got {teachers}.").format(teachers=teachers))
    if teachers > examples:
        raise ValueError(
            _(
                "Expected at most as many teachers as examples, got {teachers} teachers for {examples}."
            ).format(teachers=teachers, examples=examples)
        )
    if seed < 0:
        raise ValueError(_("Expected a seed of 0 or more, got {seed}.").format(seed=seed))
    shuffled = np.random.default_rng(seed).permutation(examples)
    return [np.sort(part) for part in np.array_split(shuffled, teachers)]
