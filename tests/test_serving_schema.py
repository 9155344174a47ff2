"""What the service is asked: what passes, what is refused, and how it says so."""

import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from course_lib.serving.schema import (
    EXAMPLE_WINE,
    FEATURES,
    MEASUREMENTS,
    MOST_BYTES,
    MOST_ROWS,
    NotJson,
    TooManyRows,
    question_schema,
    read_question,
)
from serving_parts import WINES

CARD = Path(__file__).parents[1] / "data" / "wine-quality" / "CARD.md"


def body(*wines, **more) -> bytes:
    return json.dumps({"wines": list(wines)} | more).encode()


def changed(**values) -> dict:
    return EXAMPLE_WINE | values


def without(*names) -> dict:
    return {name: value for name, value in EXAMPLE_WINE.items() if name not in names}


def test_units_and_ranges_are_those_of_the_data_sets_card():
    card = dict(re.findall(r"^\| `([\w ]+)` \| (.*) \|$", CARD.read_text(encoding="utf-8"), re.MULTILINE))
    for measurement in MEASUREMENTS:
        unit, low, high = f" {card[measurement.name]}".split("|")
        assert measurement.unit == unit.strip()
        assert measurement.usual == (float(low), float(high))
        column = WINES[measurement.name]
        assert measurement.usual == (column.min(), column.max())
    assert tuple(WINES.columns) == FEATURES


def test_a_question_is_the_table_in_the_columns_order():
    shuffled = [dict(reversed(wine.items())) for wine in WINES.head(20).to_dict("records")]
    assert np.array_equal(read_question(body(*shuffled)), WINES.head(20).to_numpy())


def test_unusual_and_whole_numbers_pass():
    rows = read_question(body(changed(alcohol=500), changed(pH=-3), changed(density=1e6), changed(pH=3)))
    assert rows[:, FEATURES.index("alcohol")].tolist() == [500, 9.4, 9.4, 9.4]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (body(without("pH")), 'Wine 1 was expected to have a number for "pH", but it has none.'),
        (body(EXAMPLE_WINE, without("pH") | {"ph": 3.2}), 'Wine 2 has "ph", which is none of the eleven'),
        (body(changed(quality=5)), 'Wine 1 has "quality", which is none of the eleven'),
        (body(changed(pH="3.2")), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=None)), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=True)), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=[3.2])), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=float("nan"))), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=float("inf"))), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=10**400)), 'For "pH" of wine 1 a finite number was expected'),
        (body(changed(pH=2e6)), 'For "pH" of wine 1 a number between -1,000,000 and 1,000,000'),
        (body(changed(pH=-1e300)), 'For "pH" of wine 1 a number between -1,000,000 and 1,000,000'),
        (body(), "At least one wine was expected"),
        (body([7.4, 0.7]), "Wine 1 was expected to be an object with the eleven measurements."),
        (b'{"wines": {"0": {}}}', 'An object with a list "wines", and nothing else, was expected.'),
        (body(EXAMPLE_WINE, model="x"), 'An object with a list "wines", and nothing else, was expected.'),
        (b"[]", 'An object with a list "wines", and nothing else, was expected.'),
        (b"null", 'An object with a list "wines", and nothing else, was expected.'),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(question, sentence):
    with pytest.raises(ValueError) as refusal:
        read_question(question)
    assert type(refusal.value) is ValueError
    assert str(refusal.value).startswith(sentence) and str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    "question", [b"", b"hello", b"{", b"[" * 100_000, b'{"wines": ["\xff"]}', b"\x80\x04K\x01.", b"\x1f\x8b"]
)
def test_what_is_not_json_is_told_apart(question):
    with pytest.raises(NotJson, match="JSON was expected"):
        read_question(question)


def test_a_refusal_shows_a_callers_name_shortened_and_printable():
    with pytest.raises(ValueError) as refusal:
        read_question(body(changed(**{"a\nb\u202e" * 1000: 1})))
    assert len(str(refusal.value)) < 300 and str(refusal.value).isprintable()


def test_a_refusal_repeats_no_value():
    with pytest.raises(ValueError) as refusal:
        read_question(body(changed(pH="a secret value")))
    assert "secret" not in str(refusal.value) and refusal.value.__cause__ is None


def test_one_row_too_many_is_one_too_many():
    assert read_question(body(*[EXAMPLE_WINE] * MOST_ROWS)).shape == (MOST_ROWS, 11)
    with pytest.raises(TooManyRows, match="At most 5,000 wines"):
        read_question(body(*[EXAMPLE_WINE] * (MOST_ROWS + 1)))


def test_the_longest_rows_fit_into_the_bytes():
    assert len(body(*[dict.fromkeys(FEATURES, -12345.678901234567)] * MOST_ROWS)) <= MOST_BYTES


@pytest.mark.parametrize("piece", [b"{},", b"0,", b'"",', b"[],"])
def test_a_million_wrong_rows_cost_little_memory(piece):
    question = b'{"wines": [' + piece * ((MOST_BYTES - 100) // len(piece)) + piece[:-1] + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read_question(question)
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_BYTES
    finally:
        tracemalloc.stop()


def test_the_schema_says_units_and_usual_ranges():
    schema = question_schema()
    assert "$ref" not in json.dumps(schema)
    wine = schema["properties"]["wines"]["items"]
    assert tuple(wine["properties"]) == FEATURES == tuple(wine["required"])
    assert wine["additionalProperties"] is False
    assert str(MOST_ROWS) in schema["properties"]["wines"]["description"]
    for measurement in MEASUREMENTS:
        field = wine["properties"][measurement.name]
        assert field["x-unit"] == measurement.unit and measurement.unit in field["description"]
        assert tuple(field["x-usual-range"]) == measurement.usual
        assert all(f"{end:g}" in field["description"] for end in measurement.usual)
