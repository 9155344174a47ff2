"""What parties recorded, read back; and the test that tells a share from what is none."""

import numpy as np
import pytest

from course_lib.mpc.recordings import looks_uniform, recorded
from course_lib.mpc.sharing import encode, from_seed
from course_lib.mpc.spec import PARTIES


def test_the_newest_recording_is_read_in_the_parties_order(tmp_path):
    for rank, party in enumerate(PARTIES):
        (tmp_path / party).mkdir()
        for number, what in enumerate(("weight-1", "question", "weight-11", "question"), start=1):
            np.save(tmp_path / party / f"{number:04d}-{what}.npy", np.array([10 * rank + number]))
    assert [share[0] for share in recorded(tmp_path, "question")] == [4, 14, 24]
    assert [share[0] for share in recorded(tmp_path, "weight-1")] == [1, 11, 21]
    with pytest.raises(ValueError, match="alice has recorded nothing of this kind: answer"):
        recorded(tmp_path, "answer")


def test_uniform_integers_pass_and_encoded_numbers_do_not():
    random = np.random.default_rng(1)
    draw = from_seed(1)
    assert all(looks_uniform(draw((784, 2))) for _trial in range(100))
    for values in (random.normal(size=784), -random.random(784), random.normal(scale=1e-3, size=784)):
        assert not looks_uniform(encode(values))
    half = np.concatenate([draw((700,)), encode(random.random(84))])
    assert not looks_uniform(half)
