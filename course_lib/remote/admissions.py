"""A hospital's admissions: the private table, the dictionary that is published, and the mock made from it.

The table comes from a seeded model of our own, so that nobody's data are in it. What it is *like* is
plausible: who is older has more diseases and stays longer, who has been here before comes back sooner. No
number in it is an estimate for a real hospital.

The mock is made by one rule: each value is drawn by itself, uniformly, from the values that the published
dictionary allows. It never sees the table, so it can't give anything away about it; nor does it have the
table's averages or what depends on what.
"""

import numpy as np
import pandas as pd

#: What is published: each column's name and the values that may stand in it.
DICTIONARY: dict[str, np.ndarray] = {
    "age": np.arange(18, 100),
    "sex": np.array(["f", "m"]),
    "emergency": np.array([0, 1]),
    "diagnosis": np.array(["circulation", "digestion", "injury", "respiration"]),
    "creatinine": np.round(np.arange(0.4, 6.005, 0.01), 2),
    "earlier_stays": np.arange(0, 11),
    "days": np.arange(1, 61),
    "readmitted": np.array([0, 1]),
}
_EXTRA_LOG_DAYS = {"circulation": 0.15, "digestion": -0.25, "injury": 0.3, "respiration": 0.0}


def make_admissions(rows: int, *, seed: int) -> pd.DataFrame:
    """The private table: a row for each patient: `patient` (six digits, unique) and `DICTIONARY`'s columns.

    >>> make_admissions(3, seed=1).columns.tolist()
    ['patient', 'age', 'sex', 'emergency', 'diagnosis', 'creatinine', 'earlier_stays', 'days', 'readmitted']
    """
    random = np.random.default_rng(seed)
    age = np.clip(random.normal(62, 18, rows), 18, 99).astype(int)
    decades = (age - 60) / 10
    emergency = _happens(random, -0.2 + 0.15 * decades)
    diagnosis = random.choice(DICTIONARY["diagnosis"], size=rows, p=[0.35, 0.25, 0.2, 0.2])
    creatinine = np.exp(random.normal(0.05 * decades - 0.05, 0.3))
    earlier_stays = np.minimum(random.poisson(np.exp(-0.6 + 0.15 * decades)), 10)
    longer = pd.Series(diagnosis).map(_EXTRA_LOG_DAYS).to_numpy()
    log_days = 1.6 + 0.14 * decades + 0.45 * emergency + 0.14 * earlier_stays + longer
    days = np.clip(np.round(np.exp(random.normal(log_days, 0.4))), 1, 60).astype(int)
    back = -2.4 + 0.2 * decades + 0.5 * earlier_stays + 0.5 * (creatinine - 1) + 0.03 * days
    return pd.DataFrame(
        {
            "patient": random.choice(np.arange(100_000, 1_000_000), size=rows, replace=False),
            "age": age,
            "sex": random.choice(DICTIONARY["sex"], size=rows),
            "emergency": emergency,
            "diagnosis": diagnosis,
            "creatinine": np.clip(creatinine, 0.4, 6.0).round(2),
            "earlier_stays": earlier_stays,
            "days": days,
            "readmitted": _happens(random, back),
        }
    )


def make_mock(rows: int, *, seed: int) -> pd.DataFrame:
    """A table of the same form, each value drawn from `DICTIONARY` by itself; `patient` counts from 1.

    >>> make_mock(2, seed=1)["patient"].tolist()
    [1, 2]
    """
    random = np.random.default_rng(seed)
    columns = {name: random.choice(values, size=rows) for name, values in DICTIONARY.items()}
    return pd.DataFrame({"patient": np.arange(1, rows + 1), **columns})


def _happens(random: np.random.Generator, log_odds: np.ndarray) -> np.ndarray:
    return (random.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))).astype(int)
