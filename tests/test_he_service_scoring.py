"""The scoring script of a platform that calls init() and run(): the same answers, without HTTP."""

import numpy as np
import pytest

import he_callers
from course_lib.he import scoring
from course_lib.he.keystore import UnknownKeyId
from he_callers import BAD_BODIES, COEFFS, INTERCEPT, UNKNOWN_ID, bad_data

service, caller = he_callers.service, he_callers.caller


def test_the_scoring_script_answers_as_the_service_does(service, caller, tmp_path, monkeypatch):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    monkeypatch.setenv("COURSE_HE_MODEL", str(tmp_path / "model.npz"))
    monkeypatch.setenv("COURSE_HE_KEY_STORE", service.key_store)
    scoring.init()
    assert caller.accepts(scoring.run(caller.request()))
    assert caller.accepts(scoring.run(caller.request(conn_str="password", container="x").encode()))
    with pytest.raises(UnknownKeyId):
        scoring.run(caller.request(key_id=UNKNOWN_ID))
    for bad in (
        *BAD_BODIES.values(),
        *(caller.request(data=data) for data in bad_data(caller).values()),
        5,
        None,
    ):
        with pytest.raises(ValueError):
            scoring.run(bad)


@pytest.mark.parametrize("missing", ["COURSE_HE_MODEL", "COURSE_HE_KEY_STORE"])
def test_the_scoring_script_names_the_setting_that_is_missing(missing, tmp_path, monkeypatch):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    monkeypatch.setenv("COURSE_HE_MODEL", str(tmp_path / "model.npz"))
    monkeypatch.setenv("COURSE_HE_KEY_STORE", str(tmp_path))
    monkeypatch.delenv(missing)
    with pytest.raises(RuntimeError, match=missing):
        scoring.init()
