"""The private table and its mock: what depends on what in the one, and that nothing does in the other."""

import inspect

import numpy as np
import pandas as pd
import pytest

from course_lib.remote import admissions, traces
from course_lib.remote.admissions import DICTIONARY, make_admissions, make_mock


@pytest.fixture(scope="module")
def table():
    return make_admissions(6000, seed=11)


@pytest.fixture(scope="module")
def mock():
    return make_mock(6000, seed=12)


def test_no_private_row_is_in_the_mock(table, mock):
    columns = list(DICTIONARY)  # without the patient's number, which would make it too easy
    assert table[columns].merge(mock[columns]).empty
    assert not set(table["patient"]) & set(mock["patient"])


def test_a_truncated_copy_would_be_noticed(table):
    columns = list(DICTIONARY)
    assert len(table[columns].merge(table.head(100)[columns])) >= 100


def test_the_mock_is_a_function_of_dictionary_and_seed_alone():
    assert list(inspect.signature(make_mock).parameters) == ["rows", "seed"]
    assert "make_admissions" not in inspect.getsource(make_mock)
    pd.testing.assert_frame_equal(make_mock(50, seed=3), make_mock(50, seed=3))
    assert not make_mock(50, seed=3).equals(make_mock(50, seed=4))


def test_columns_and_values_are_those_of_the_dictionary(table, mock):
    assert list(table) == list(mock) == ["patient", *DICTIONARY]
    for name, values in DICTIONARY.items():
        assert np.isin(table[name], values).all(), name
        assert np.isin(mock[name], values).all(), name
    assert table.dtypes.equals(mock.dtypes)


def test_patients_have_different_numbers_of_six_digits(table):
    assert table["patient"].is_unique and table["patient"].between(100_000, 999_999).all()


def test_stays_depend_on_age_and_admission_in_the_table_alone(table, mock):
    def slope(rows):
        return np.corrcoef(rows["age"], np.log(rows["days"]))[0, 1]

    def longer(rows):
        means = rows.groupby("emergency")["days"].mean()
        return means[1] / means[0]

    assert slope(table) > 0.3 and longer(table) > 1.4
    assert abs(slope(mock)) < 0.05 and 0.95 < longer(mock) < 1.05


def test_who_was_here_before_comes_back_more_often(table, mock):
    often, never = table["earlier_stays"] >= 2, table["earlier_stays"] == 0
    assert table[often]["readmitted"].mean() > 1.8 * table[never]["readmitted"].mean()
    assert 0.1 < table["readmitted"].mean() < 0.25


def test_the_table_is_the_same_each_time(table):
    pd.testing.assert_frame_equal(table, admissions.make_admissions(6000, seed=11))


@pytest.mark.parametrize("packing", ["plain", "tar", "base64 in JSON"])
def test_what_is_packed_is_found(packing, tmp_path):
    import base64
    import io
    import json
    import tarfile

    content = b"483920,71,m"
    if packing == "base64 in JSON":
        content = json.dumps({"events": [{"content": base64.b64encode(content).decode()}]}).encode()
    if packing != "plain":
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            member = tarfile.TarInfo("message.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        content = packed.getvalue()
    (tmp_path / "message").write_bytes(content)
    found = traces.which_are_in(traces.contents_of_folder(tmp_path), {"row": "483920,71", "other": "111111"})
    assert found == {"row": True, "other": False}
