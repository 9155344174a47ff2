"""A CSV file of one's own: read as it was meant, or refused in a sentence; no formula is handed out."""

import codecs
import csv
import io
import re
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_lib.i18n import use_language
from course_lib.visualize import csv_text, tables
from course_lib.visualize.datasets import Dataset, split
from course_lib.visualize.samples import PREDICTED, PROBABILITY, ROW, TRUE, WRONG
from course_lib.visualize.uploads import UploadError, as_dataset, read_csv, read_table, safe_csv

HEADER = b"width,height,kind\n"
ROWS = b"1,2.5,x\n3,-4e1,y\n" * 4


@pytest.fixture(autouse=True)
def english():
    with use_language("en"):
        yield


def read(content: bytes, **chosen) -> Dataset:
    return read_csv(content, name="my.csv", **chosen)


def test_a_plain_file():
    found = read(HEADER + ROWS)
    assert found.feature_names == ("width", "height") and found.class_names == ("x", "y")
    np.testing.assert_array_equal(found.features, np.float32([[1, 2.5], [3, -40]] * 4))
    np.testing.assert_array_equal(found.target, [0, 1] * 4)
    assert (found.label, found.shown_label(), found.notes, found.own) == ("my.csv", "my.csv", (), True)
    assert found.features.dtype == np.float32
    assert len(split(found).y_test) == 3


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + HEADER + ROWS,
        (HEADER + ROWS).replace(b"\n", b"\r\n"),
        (HEADER + ROWS).replace(b"\n", b"\r"),
        (HEADER + ROWS).replace(b",", b"\t"),
        (HEADER + ROWS).replace(b",", b";"),
        (HEADER + ROWS).replace(b",", b";").replace(b".", b","),
        b"sep=;\r\n" + (HEADER + ROWS).replace(b",", b";").replace(b".", b","),
        b"\n\n" + HEADER + b"\n" + ROWS + b"\n  \n",
        (HEADER + ROWS).replace(b",", b" , "),
        (HEADER + ROWS).replace(b"\n3,", b'\n"3",').replace(b"x", b'"x"'),
    ],
)
def test_as_spreadsheets_write_it(content):
    plain, found = read(HEADER + ROWS), read(content)
    assert (found.feature_names, found.class_names) == (plain.feature_names, plain.class_names)
    np.testing.assert_array_equal(found.features, plain.features)
    np.testing.assert_array_equal(found.target, plain.target)


def test_decimal_commas_and_dots_between_thousands():
    found = read(b"a;b;kind\n" + b"1,5;1.234.567,5;x\n-2,5;2;y\n" * 4)
    np.testing.assert_array_equal(found.features[:2], np.float32([[1.5, 1_234_567.5], [-2.5, 2]]))
    with pytest.raises(UploadError, match=r"'b' needs numbers; in row 9 it holds '1\.5'"):
        read(b"a;b;kind\n" + b"1,5;1,5;x\n-2,5;2;y\n" * 4 + b"1,5;1.5;x\n")


def test_classes_as_numbers_are_in_their_own_order_and_names_keep_their_letters():
    assert read(b"a,kind\n" + b"1,10\n2,9\n" * 4).class_names == ("9", "10")
    found = read("länge,Größe,art\n1,2,größer\n2,3,小\n".encode() + "1,2,größer\n2,3,小\n".encode() * 4)
    assert found.feature_names == ("länge", "Größe") and found.class_names == ("größer", "小")


def test_another_column_can_be_the_class():
    table = read_table(b"kind,width\n" + b"x,1.5\ny,2\n" * 4, name="my.csv")
    assert table.columns == ("kind", "width") and table.suggested_target == "width"
    found = as_dataset(table, target="kind")
    assert found.class_names == ("x", "y") and found.feature_names == ("width",)
    other = as_dataset(read_table(b"a,b\n" + b"1,2\n3,4\n" * 4, name="n"), target="a")
    assert found.key != other.key != as_dataset(read_table(b"a,b\n" + b"1,2\n3,4\n" * 4, name="n")).key


def test_missing_values_are_told():
    found = read(HEADER + ROWS + b",NA,x\n?,1,\nnan,n/a,y\n")
    assert len(found.target) == 10
    assert np.isnan(found.features).sum() == 4
    assert len(found.notes) == 2 and "left out: 1." in found.notes[0] and "rows: 4." in found.notes[1]
    assert not np.isnan(split(found).x_train).any()


def test_columns_whose_names_the_table_of_test_rows_needs_are_renamed():
    found = read(b"row,true,predicted,probability,wrong,kind\n" + b"1,2,3,4,5,x\n1,2,3,4,5,y\n" * 4)
    assert not {ROW, TRUE, PREDICTED, PROBABILITY, WRONG} & set(found.feature_names)
    assert len(set(found.feature_names)) == 5 and "true (feature)" in found.feature_names


REFUSED = {
    "empty": (b"", "is empty"),
    "blank": (b" \r\n\n ", "is empty"),
    "a header alone": (HEADER, "no rows"),
    "one column": (b"kind\nx\ny\n", "two columns or more"),
    "one class": (HEADER + b"1,2,x\n" * 9, "number of classes in it is 1"),
    "no class": (HEADER + b"1,2,\n" * 9, "number of classes in it is 0"),
    "a class of one row": (HEADER + ROWS + b"1,2,z\n", "'z' .* too few rows, 1; each class needs 4"),
    "a measured class": (b"a,kind\n" + b"".join(b"1,%d.5\n" % n for n in range(99)), "99 different values"),
    "text for a number": (HEADER + ROWS + b"1,tall,x\n", "'height' needs numbers; in row 9 it holds 'tall'"),
    "a formula": (HEADER + ROWS + b"=cmd|'/C calc'!A0,1,x\n", "row 9 it holds '=cmd|'/C calc'!A0'"),
    "infinity": (HEADER + ROWS + b"1,inf,x\n", "row 9 it holds 'inf'"),
    "too great": (HEADER + ROWS + b"1,1e39,x\n", "row 9 it holds '1e39'"),
    "a column without values": (HEADER + b",1,x\n,2,y\n" * 4, "'width' has no values"),
    "twice the same name": (b"a,a,kind\n" + ROWS, "called 'a'"),
    "no header": (b"5.1,3.5,x\n" + ROWS, "holds numbers; the names"),
    "a short line": (HEADER + ROWS + b"1,2\n", "Line 10 .* 2 cells where the first line has 3"),
    "a long line": (HEADER + ROWS + b"1,2,3,x\n", "Line 10 .* 4 cells where the first line has 3"),
    "an open quote": (HEADER + ROWS + b'"1,2,x\n' + ROWS, "Line 10 .* a quotation mark is not closed"),
    "an open quote at once": (b'"' + HEADER + ROWS, "Line 1 .* a quotation mark is not closed"),
    "NUL": (HEADER + ROWS + b"\0,1,x\n", "NUL bytes"),
    "UTF-16": ((HEADER + ROWS).decode().encode("utf-16"), "probably UTF-16"),
    "UTF-16 without a mark": ((HEADER + ROWS).decode().encode("utf-16-be"), "NUL bytes"),
    "cp1252": ("größe,länge,art\n".encode("cp1252") + ROWS, "probably cp1252; save it as a CSV in UTF-8"),
    "cp932": ("花びらの長さ,種類\n".encode("cp932") + ROWS, "probably cp932"),
    "gb18030": ("花瓣长度,面积,种类\n".encode("gb18030") + ROWS, "probably gb18030"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "not UTF-8|NUL"),
    "one huge line": (b"x" * 9_000_000, "two columns or more|over 131,072 signs"),
    "10,000 columns": (
        b",".join(b"c%d" % n for n in range(10_000)) + b"\n" + b"1," * 9_999 + b"x\n",
        "10,000 columns",
    ),
}


@pytest.mark.parametrize("content, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_in_one_sentence(content, words):
    with pytest.raises(UploadError, match=words.replace("|'/C", r"\|'/C")) as refusal:
        read(content)
    assert len(str(refusal.value)) < 300 and "\n" not in str(refusal.value)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(UploadError, match="has no column 'species'"):
        read(HEADER + ROWS, target="species")


class Untouched(io.BytesIO):
    """A file of 300 MB that may be measured and not read."""

    def seek(self, offset, whence=io.SEEK_SET):
        return 300_000_000 if whence == io.SEEK_END else 0

    def read(self, size=-1):
        raise AssertionError("read before its size was looked at")


def test_300_mb_are_refused_unread(tmp_path):
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(300_000_000)
    for file in (Untouched(), large, str(large)):
        with pytest.raises(UploadError, match="has 300.0 MB; at most 50 MB are read"):
            read_csv(file, name="large.csv")
    large.unlink()
    with pytest.raises(UploadError, match="cannot be read"):
        read_csv(large, name="large.csv")


def test_limits_hold_before_memory_goes():
    wide = b",".join(b"c%d" % n for n in range(2_000_000)) + b"\n1\n"
    tall = b"a,kind\n" + b"1,x\n" * (tables.MOST_ROWS + 1)
    for content, words in ((wide, "2,000,000 columns"), (tall, "1,000,002 lines")):
        tracemalloc.start()
        with pytest.raises(UploadError, match=words):
            read(content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * len(content) + 30e6, words


def test_a_file_that_claims_to_be_small_is_not_read_past_the_limit(monkeypatch):
    class Liar(io.BytesIO):
        def seek(self, offset, whence=io.SEEK_SET):
            return 10 if whence == io.SEEK_END else super().seek(offset, whence)

    monkeypatch.setattr(csv_text, "UPLOAD_LIMIT", 1_000)
    liar = Liar(b"x" * 5_000)
    with pytest.raises(UploadError, match="at most"):
        read_csv(liar, name="liar.csv")
    assert liar.tell() == 1_001


pieces = st.lists(
    st.sampled_from(
        [*"abkx019.,;\t\n\r\"'=-+ ", "\r\n", "NA", "1,5", "sep=;", "\0", "é", "\ufeff", "1e999", "\u2028"]
    )
)


@settings(deadline=None, max_examples=300)
@given(content=st.binary(max_size=300) | pieces.map("".join).map(str.encode))
@example(content=b'a,b\n"\n",x\n')
@example(content=b"sep=,\n")
@example(content=b'sep=,\n""')
@example(content=b'a,"b\n')
@example(content=b"\r,")
def test_any_bytes_are_a_data_set_or_a_refusal(content):
    for bytes_ in (content, HEADER + content, HEADER + ROWS + content):
        try:
            found = read(bytes_)
        except UploadError as refusal:
            assert "\n" not in str(refusal) and str(refusal).endswith(".")
        else:
            assert found.features.shape == (len(found.target), len(found.feature_names))
            assert set(found.target) == set(range(len(found.class_names)))
            assert not np.isinf(found.features).any()
            assert split(found).y_test.size


@settings(deadline=None)
@given(
    values=st.lists(
        st.tuples(st.floats(-1e6, 1e6, width=32), st.sampled_from(["a", "b"])), min_size=20, max_size=60
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_what_was_written_is_read(values, delimiter):
    table = pd.DataFrame([*values, *[(0.5, "a"), (0.5, "b")] * 4], columns=["x", "kind"])
    decimal = "," if delimiter == ";" else "."
    found = read(table.to_csv(index=False, sep=delimiter, decimal=decimal).encode())
    np.testing.assert_array_equal(found.features[:, 0], table["x"].to_numpy(np.float32))
    assert [found.class_names[code] for code in found.target] == table["kind"].tolist()


def cells_in_a_spreadsheet(content: bytes) -> list[str]:
    """Every cell that a spreadsheet may see, whichever delimiter it believes in."""
    text = content.decode("utf-8-sig")
    return [
        _without_numbers_before(cell.strip()) if delimiter != "," else cell.strip()
        for delimiter in ",;\t"
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cell in row
    ]


def _without_numbers_before(line: str) -> str:
    """A whole line is one cell with another delimiter, and may begin with numbers: `-1,"x"` is no formula."""
    return re.sub(r"^([+-]?[\d.]+([eE][+-]?\d+)?,)+", "", line)


def is_formula(cell: str) -> bool:
    return bool(re.match(r"[=+\-@＝＋－＠]", cell)) and not re.fullmatch(r"[+-]?[\d.,]+([eE][+-]?\d+)?", cell)


FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+cmd|x",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    " =1",
    "a;=1+1",
    'a";=1',
    "＝1+1",
]


@settings(deadline=None)
@given(text=st.sampled_from(FORMULAS) | st.text(alphabet="=+-@1a;,\t\r\n\"' ＝", max_size=12))
def test_no_cell_that_is_handed_out_is_a_formula(text):
    table = pd.DataFrame({text or "t": [text], "x": [-1.5], "y": [2]})
    content = safe_csv(table)
    assert not list(filter(is_formula, cells_in_a_spreadsheet(content)))
    assert content.startswith(codecs.BOM_UTF8)


def test_a_formula_that_is_let_through_would_be_found():
    bare = pd.DataFrame({"t": FORMULAS}).to_csv(index=False).encode("utf-8-sig")
    assert len(list(filter(is_formula, cells_in_a_spreadsheet(bare)))) >= len(FORMULAS)


def test_numbers_that_are_handed_out_stay_numbers():
    table = pd.DataFrame({"x": [-1.5, 2.0], "n": [-3, 4], "t": ["-7", "plain"], "b": [True, False]})
    back = pd.read_csv(io.BytesIO(safe_csv(table)))
    assert back["x"].tolist() == [-1.5, 2.0] and back["n"].tolist() == [-3, 4]
    assert back["t"].tolist() == ["-7", "plain"] and back["b"].tolist() == [True, False]
