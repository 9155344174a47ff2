"""What somebody chose on the page, and how it stands in the address, so that a view can be shared.

Promises: any address gives choices; what cannot be understood becomes the default and is named. Knows nothing
of Streamlit. Leaves out a table of one's own: it stays with its owner, so an address tells only that there
was one. Whether a number or a feature fits the data is seen where the data are: `sidebar`, `rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from course_lib.i18n import LANGUAGES
from course_lib.visualize.datasets import DATASETS
from course_lib.visualize.models import MODELS

#: The choice of a CSV of one's own, beside the names in `DATASETS`.
OWN_TABLE = "csv"
_YES = "1"


@dataclass(frozen=True)
class Choices:
    """All that the page shows depends on these, and on the table that somebody uploaded."""

    lang: str = "en"
    data: str = "iris"
    model: str = "random_forest"
    n_estimators: int | None = None
    max_depth: int | None = None
    versus: str | None = None  # the second model, where two are compared
    versus_n_estimators: int | None = None
    versus_max_depth: int | None = None
    shares: bool = False  # the confusion matrix in shares, not counts
    rows: bool = False  # show test data
    errors: bool = False  # of them, the misclassified alone
    distributions: bool = False  # show test distributions
    features: tuple[str, ...] = ()  # the features in them

    def with_(self, **changes) -> "Choices":
        """The same with some `changes`."""
        return replace(self, **changes)


_KNOWN = {"lang": LANGUAGES, "data": [*DATASETS, OWN_TABLE], "model": MODELS, "versus": MODELS}


def from_query(query: Mapping[str, Sequence[str]], *, lang: str) -> tuple[Choices, list[str]]:
    """The choices in an address, and what of it was not understood, as ``name=value``.

    `query` maps a name to its values; `lang` is spoken where none is named.

    >>> choices, refused = from_query({"data": ["wine"], "model": ["oracle"], "max_depth": ["3"]}, lang="de")
    >>> choices.data, choices.model, choices.max_depth, choices.lang
    ('wine', 'random_forest', 3, 'de')
    >>> refused
    ['model=oracle']
    """
    found, refused = {"lang": lang}, []
    names = {field.name for field in fields(Choices)}
    for name, values in query.items():
        if name not in names:
            continue  # a proxy's, or Streamlit's own
        if name == "features":
            found[name] = tuple(values)
            continue
        try:
            found[name] = _read(name, values[-1])
        except (ValueError, IndexError):
            refused.append(f"{name}={values[-1] if values else ''}")
    return Choices(**found), refused


def to_query(choices: Choices) -> dict[str, str | list[str]]:
    """What stands in the address: every choice that was made, the main three always.

    >>> to_query(Choices(data="wine", max_depth=3))
    {'lang': 'en', 'data': 'wine', 'model': 'random_forest', 'max_depth': '3'}
    """
    query: dict[str, str | list[str]] = {}
    for name, value in asdict(choices).items():
        if value is None or value is False or value == ():
            continue
        query[name] = _YES if value is True else list(value) if isinstance(value, tuple) else str(value)
    return query


def _read(name: str, text: str) -> str | int | bool:
    """The value of one choice; ValueError where `text` is none."""
    if name in _KNOWN:
        if text not in _KNOWN[name]:
            raise ValueError(text)
        return text
    if isinstance(getattr(Choices, name), bool):
        if text != _YES:
            raise ValueError(text)
        return True
    value = int(text)
    if not 0 < value < 1_000_000:
        raise ValueError(text)
    return value
