"""The rows that a model is shown: data sets under one form, and their split into training and test rows.

Promises: features are float32, classes are numbers from 0 with names; the split is stratified, the same for
the same seed, and what fills a missing value comes from training rows alone. Arrays are read-only, because
several people's pages share them. Leaves out reading a file of one's own (`course_lib.visualize.uploads`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn import datasets as sklearn_datasets
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split

from course_lib.data import covertype
from course_lib.i18n import N_, _
from course_lib.visualize.names import shown

TEST_SHARE = 0.33


class DatasetError(ValueError):
    """A data set that the course does not have, or that cannot be split; the message says why."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows with a class each.

    `features` is float32, (rows, features), and may hold NaN where a value is missing; `target` is int64,
    (rows,), places in `class_names`. Names are unique. `key` differs when the content does. `notes` are
    sentences, already in the reader's language, about what was done to the rows on the way.
    """

    key: str
    label: str
    features: np.ndarray
    target: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    own: bool = False

    def shown_label(self) -> str:
        """Return the data set's name in the reader's language; a file of one's own keeps its name."""
        return self.label if self.own else _(self.label)

    def shown_features(self) -> list[str]:
        """Return the features' names in the reader's language, in their order."""
        return list(self.feature_names) if self.own else [shown(name) for name in self.feature_names]

    def shown_classes(self) -> list[str]:
        """Return the classes' names in the reader's language, in their order."""
        return list(self.class_names) if self.own else [shown(name) for name in self.class_names]


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test rows of a data set: their places there, their features (no NaN), their classes."""

    dataset: Dataset
    seed: int
    train_rows: np.ndarray
    test_rows: np.ndarray
    x_train: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


#: The data sets that the course brings or fetches, with their labels.
DATASETS: dict[str, str] = {"iris": N_("Iris"), "wine": N_("Wine"), "covertype": N_("Covertype")}


def load(name: str) -> Dataset:
    """Return one of `DATASETS`.

    Raises DatasetError for another name; `course_lib.data.DataError` when Covertype cannot be had.

    >>> iris = load("iris")
    >>> iris.features.shape, iris.features.dtype.name, iris.class_names
    ((150, 4), 'float32', ('setosa', 'versicolor', 'virginica'))
    """
    loaders: dict[str, Callable[[], Dataset]] = {"iris": _iris, "wine": _wine, "covertype": _covertype}
    if name not in loaders:
        message = _("One of the data sets {known} was expected, not {name}.")
        raise DatasetError(message.format(known=", ".join(DATASETS), name=repr(name)[:60]))
    return loaders[name]()


def split(dataset: Dataset, *, seed: int = 0, test_share: float = TEST_SHARE) -> Split:
    """Return the rows of `dataset` as training rows and `test_share` test rows, each class in both.

    A missing value becomes the median of its column's training rows, or 0 where these have no value at all.

    Raises DatasetError when there are too few rows, in all or of a class, to have one in each part.

    >>> parts = split(load("iris"))
    >>> len(parts.y_train), len(parts.y_test), np.bincount(parts.y_test).tolist()
    (100, 50, [17, 17, 16])
    """
    try:
        train_rows, test_rows = train_test_split(
            np.arange(len(dataset.target)), test_size=test_share, random_state=seed, stratify=dataset.target
        )
    except ValueError as error:
        message = _("{rows} rows with {classes} classes are too few to be split into training and test rows.")
        raise DatasetError(
            message.format(rows=len(dataset.target), classes=len(dataset.class_names))
        ) from error
    y_train, y_test = dataset.target[train_rows], dataset.target[test_rows]
    for part in (y_train, y_test):
        _require_all_classes(part, dataset)
    x_train, x_test = dataset.features[train_rows], dataset.features[test_rows]
    if np.isnan(dataset.features).any():
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(x_train)
        x_train, x_test = imputer.transform(x_train), imputer.transform(x_test)
    return Split(dataset, seed, *map(read_only, (train_rows, test_rows, x_train, x_test, y_train, y_test)))


def read_only(array: np.ndarray) -> np.ndarray:
    """Return `array`, which from now on cannot be written to."""
    array.flags.writeable = False
    return array


def _require_all_classes(codes: np.ndarray, dataset: Dataset) -> None:
    counts = np.bincount(codes, minlength=len(dataset.class_names))
    if counts.min() == 0:
        message = _("The class {name} has too few rows to be split into training and test rows.")
        raise DatasetError(message.format(name=repr(dataset.class_names[counts.argmin()])))


def _iris() -> Dataset:
    return _bundled("iris", sklearn_datasets.load_iris())


def _wine() -> Dataset:
    # scikit-learn calls the three growers class_0, class_1, class_2.
    return _bundled("wine", sklearn_datasets.load_wine(), classes=("cultivar 1", "cultivar 2", "cultivar 3"))


def _bundled(key: str, bunch, classes: tuple[str, ...] | None = None) -> Dataset:
    return Dataset(
        key,
        DATASETS[key],
        read_only(bunch.data.astype(np.float32)),
        read_only(bunch.target.astype(np.int64)),
        tuple(bunch.feature_names),
        classes or tuple(map(str, bunch.target_names)),
    )


def _covertype() -> Dataset:
    features, cover_types = covertype.load_data()
    return Dataset(
        "covertype",
        DATASETS["covertype"],
        read_only(features),
        read_only(cover_types.astype(np.int64) - 1),
        covertype.FEATURE_NAMES,
        covertype.CLASS_NAMES,
    )
