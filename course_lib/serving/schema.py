"""What the service is asked: eleven measurements of each wine, with their units and usual ranges.

Promises that what passes is a table of finite numbers, with every measurement and nothing else, in the
columns' order. A value outside its usual range passes: whether a model may be believed there is for
monitoring to say. Leaves out values that no float holds once a model has scaled them: they are refused.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails
from typing_extensions import (
    TypedDict,  # the standard library's, before Python 3.12, lacks what pydantic needs
)

from course_lib.i18n import _, number

MOST_ROWS = 5_000
MOST_BYTES = 4 << 20  # 5,000 rows with every digit of a float fit into it
_LARGEST = 1e6  # beyond it a number is no measurement of a wine, in any unit


class Measurement:
    """One measurement: UCI's column name, its unit, and between which values the 1,599 wines lie.

    >>> MEASUREMENTS[0].name, MEASUREMENTS[0].unit, MEASUREMENTS[0].usual
    ('fixed acidity', 'g/dm³, as tartaric acid', (4.6, 15.9))
    """

    def __init__(self, name: str, unit: str, low: float, high: float):
        self.name = name
        self.unit = unit
        self.usual = (low, high)

    @property
    def annotation(self) -> type:
        """The type of its field; its description stands in the OpenAPI page."""
        unit = f" in {self.unit}" if self.unit else ""
        low, high = self.usual
        field = Field(
            strict=True,
            allow_inf_nan=False,
            ge=-_LARGEST,
            le=_LARGEST,
            description=f"{self.name}{unit}; usually between {low:g} and {high:g}, and answered outside too",
            json_schema_extra={"x-unit": self.unit, "x-usual-range": [low, high]},
        )
        return Annotated[float, field]


#: In the order of the columns. Units and ranges are those of `data/wine-quality/CARD.md`.
MEASUREMENTS = (
    Measurement("fixed acidity", "g/dm³, as tartaric acid", 4.6, 15.9),
    Measurement("volatile acidity", "g/dm³, as acetic acid", 0.12, 1.58),
    Measurement("citric acid", "g/dm³", 0, 1),
    Measurement("residual sugar", "g/dm³", 0.9, 15.5),
    Measurement("chlorides", "g/dm³, as sodium chloride", 0.012, 0.611),
    Measurement("free sulfur dioxide", "mg/dm³", 1, 72),
    Measurement("total sulfur dioxide", "mg/dm³", 6, 289),
    Measurement("density", "g/cm³", 0.99007, 1.00369),
    Measurement("pH", "", 2.74, 4.01),
    Measurement("sulphates", "g/dm³, as potassium sulphate", 0.33, 2),
    Measurement("alcohol", "% by volume", 8.4, 14.9),
)
FEATURES = tuple(measurement.name for measurement in MEASUREMENTS)
EXAMPLE_WINE = dict(zip(FEATURES, (7.4, 0.7, 0, 1.9, 0.076, 11, 34, 0.9978, 3.51, 0.56, 9.4), strict=True))

Wine = with_config(ConfigDict(extra="forbid"))(
    TypedDict("Wine", {measurement.name: measurement.annotation for measurement in MEASUREMENTS})
)


@with_config(ConfigDict(extra="forbid"))
class Question(TypedDict):
    """The wines to predict the quality of."""

    wines: Annotated[list[Wine], FailFast(), Field(min_length=1, max_length=MOST_ROWS)]


_QUESTION = TypeAdapter(Question)


class TooManyRows(ValueError):
    """More rows than the service takes at once."""


class NotJson(ValueError):
    """What came is not JSON at all."""


def question_schema() -> dict:
    """The question as JSON Schema, with units and usual ranges, for the OpenAPI page.

    `maxItems` is left to words: too many rows are refused as too large, not as invalid.
    """
    schema = _inlined(_QUESTION.json_schema())
    del schema["properties"]["wines"]["maxItems"]
    schema["properties"]["wines"]["description"] = f"at most {MOST_ROWS} wines"
    return schema


def read_question(body: bytes | bytearray) -> np.ndarray:
    """The measurements in `body`, JSON in bytes: float64 of shape (rows, 11), columns as in `FEATURES`.

    Raises NotJson, TooManyRows, or ValueError with one sentence on the first thing that is wrong.

    >>> import json
    >>> read_question(json.dumps({"wines": [EXAMPLE_WINE]}).encode()).shape
    (1, 11)
    >>> read_question(b'{"wines": []}')
    Traceback (most recent call last):
    ...
    ValueError: At least one wine was expected in "wines", but none came.
    """
    try:
        wines = _QUESTION.validate_json(bytes(body))["wines"]
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)) from None
    return np.array([[wine[name] for name in FEATURES] for wine in wines])


def _refusal(errors: Sequence[ErrorDetails]) -> ValueError:
    """The first of pydantic's complaints as one sentence of ours; none repeats a value that came."""
    # A misspelt name is both missing and unexpected: what came says more than what is missing.
    error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    kind, place = error["type"], error["loc"]
    if kind == "json_invalid":
        return NotJson(_("JSON was expected, but what came can't be read as JSON."))
    if kind == "too_long":
        return TooManyRows(too_many_rows())
    if kind == "too_short":
        return ValueError(_('At least one wine was expected in "wines", but none came.'))
    if len(place) < 3:
        return ValueError(_refusal_outside_a_measurement(place))
    row, name = place[1] + 1, _shown(place[2])
    if kind == "missing":
        sentence = _('Wine {row} was expected to have a number for "{name}", but it has none.')
    elif kind == "extra_forbidden":
        sentence = _('Wine {row} has "{name}", which is none of the eleven measurements: {names}.')
    elif kind in ("greater_than_equal", "less_than_equal"):
        sentence = _('For "{name}" of wine {row} a number between {low} and {high} was expected.')
    else:
        sentence = _('For "{name}" of wine {row} a finite number was expected, but something else came.')
    return ValueError(
        sentence.format(
            row=row, name=name, names=", ".join(FEATURES), low=number(-_LARGEST), high=number(_LARGEST)
        )
    )


def too_many_rows() -> str:
    """The sentence that refuses a large batch."""
    return _("At most {most} wines at once were expected, but more came.").format(most=number(MOST_ROWS))


def _refusal_outside_a_measurement(place: Sequence[str | int]) -> str:
    if len(place) == 2 and isinstance(place[1], int):
        return _("Wine {row} was expected to be an object with the eleven measurements.").format(
            row=place[1] + 1
        )
    return _('An object with a list "wines", and nothing else, was expected.')


def _shown(name: str) -> str:
    """A name that a caller chose, short and printable enough to stand in a sentence."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    return printable if len(printable) <= 40 else printable[:40] + "…"


def _inlined(schema: dict) -> dict:
    """`schema` without references, so that it can stand anywhere in an OpenAPI document."""
    definitions = schema.pop("$defs")

    def inline(part):
        if isinstance(part, dict):
            if "$ref" in part:
                return inline(definitions[part["$ref"].rpartition("/")[2]])
            return {key: inline(value) for key, value in part.items()}
        return [inline(value) for value in part] if isinstance(part, list) else part

    return inline(schema)
