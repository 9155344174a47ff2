"""Teachers: disjoint parts, training with resume, votes. Ray has a file of its own."""

import hashlib
import io

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from course_lib.data import mnist
from course_lib.pate import checkpoints, teacher_jobs, teachers
from course_lib.pate.digit_layers import Bend, Straighten, Strokes
from course_lib.pate.partition import disjoint_parts
from course_lib.pate.teachers import train_teachers, vote_counts
from course_lib.pate.together import train_together
from course_lib.pate.training import Fixed, Training, seed_of, train

EXAMPLES = 203
TRAINING = Training(epochs=3, batch_size=16, learning_rate=0.01)


def plain():
    """Dropout, so that training draws random numbers; batch norm, so that it has buffers."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10)
    )


def convolutions():
    return nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(144, 10))


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def strokes():
    return nn.Sequential(Fixed(Bend(), Straighten(), Strokes()), nn.BatchNorm1d(588), nn.Linear(588, 10))


@pytest.fixture(scope="module")
def digits():
    (images, labels), (test_images, test_labels) = mnist.load_data()
    return images[:EXAMPLES], labels[:EXAMPLES].astype(int), test_images[:300], test_labels[:300]


@pytest.fixture
def run(digits):
    """`train_teachers` on few images, with one worker unless told otherwise."""
    images, labels, *_test = digits
    defaults = dict(
        parts=disjoint_parts(EXAMPLES, teachers=4, seed=0),
        training=TRAINING,
        seed=5,
        progress=False,
        n_jobs=1,
        device="cpu",
    )

    def run(network=plain, images=images, labels=labels, **settings):
        return train_teachers(network, images, labels, **{**defaults, **settings})

    return run


# -- parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("examples", "number"), [(60_000, 250), (203, 4), (7, 7), (5, 1)])
def test_each_example_belongs_to_exactly_one_teacher(examples, number):
    parts = disjoint_parts(examples, teachers=number, seed=3)
    assert len(parts) == number
    assert sorted(np.concatenate(parts).tolist()) == list(range(examples))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parts_follow_the_seed():
    first, again, other = (disjoint_parts(50, teachers=5, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("teachers", "seed", "said"),
    [(11, 0, "11 teachers for 10"), (0, 0, "got 0"), (-1, 0, "got -1"), (2, -4, "got -4")],
)
def test_parts_refuse(teachers, seed, said):
    with pytest.raises(ValueError, match=said):
        disjoint_parts(10, teachers=teachers, seed=seed)


# -- training -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [plain, convolutions, strokes])
def test_teachers_learn(run, digits, network):
    _images, _labels, test_images, test_labels = digits
    training = Training(epochs=15, batch_size=16, learning_rate=0.01, views=2)
    trained = run(network, parts=disjoint_parts(EXAMPLES, teachers=2, seed=0), training=training)
    predictions = trained.predict(test_images)
    assert (len(trained), predictions.shape, predictions.dtype) == (2, (2, 300), np.int64)
    assert (predictions == test_labels).mean() > 0.55  # a coin with ten sides: 0.1


def test_strokes_teach_more_than_pixels(run, digits):
    """What the fixed layers are for."""
    _images, _labels, test_images, test_labels = digits
    training = Training(epochs=8, batch_size=16, learning_rate=0.01, views=4, decay=True)
    accuracy = {
        network: (run(network, training=training).predict(test_images) == test_labels).mean()
        for network in (plain, strokes)
    }
    assert accuracy[strokes] > accuracy[plain] + 0.05


@pytest.mark.parametrize("network", [plain, strokes])
def test_the_number_of_jobs_changes_nothing(run, digits, network):
    alone, two = run(network), run(network, n_jobs=2)
    assert np.array_equal(alone.predict(digits[2]), two.predict(digits[2]))
    for one, other in zip(alone.states, two.states, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_seed_decides_and_nothing_outside_changes(run, digits):
    torch.manual_seed(1)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first = run().predict(digits[2])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.manual_seed(2)
    assert np.array_equal(run().predict(digits[2]), first)
    assert not np.array_equal(run(seed=6).predict(digits[2]), first)


def test_a_teacher_depends_on_its_own_part_alone(run, digits):
    images, parts = digits[0].copy(), disjoint_parts(EXAMPLES, teachers=4, seed=0)
    images[parts[1][0]] = 255 - images[parts[1][0]]
    same = [
        all(torch.equal(one[name], other[name]) for name in one)
        for one, other in zip(run().states, run(images=images).states, strict=True)
    ]
    assert same == [True, False, True, True]


def test_images_of_bytes_and_of_numbers_are_the_same(run, digits):
    as_numbers = digits[0].astype(np.float32)[:, None] / 255
    assert np.array_equal(run().predict(digits[2]), run(images=as_numbers).predict(digits[2]))


def test_fixed_layers_are_computed_once_for_all_teachers(run, digits):
    class Counting(nn.Module):
        calls = 0

        def forward(self, images):
            Counting.calls += 1
            return images.flatten(1)

    trained = run(lambda: nn.Sequential(Fixed(Counting()), nn.Linear(784, 10)))
    Counting.calls = 0
    trained.predict(digits[2])
    assert Counting.calls == 1


def test_fixed_layers_that_differ_are_not_shared(run, digits):
    trained = run(lambda: nn.Sequential(Fixed(nn.Flatten(), nn.Linear(784, 30)), nn.Linear(30, 10)))
    predictions = trained.predict(digits[2])
    for number, state in enumerate(trained.states):
        alone = teachers.Teachers(trained.network, [state]).predict(digits[2])
        assert np.array_equal(predictions[number], alone[0])


def test_many_predictions_at_once_are_those_of_one_at_a_time(run, digits):
    trained, images = run(), np.concatenate([digits[2]] * 2)
    assert np.array_equal(trained.predict(images)[:, 500:], trained.predict(images[500:]))
    assert trained.predict(images[:0]).shape == (4, 0)


def test_progress_is_shown(run, capsys, tmp_path):
    for _fresh_then_resumed in range(2):
        run(progress=True, folder=tmp_path)
        assert "4/4" in capsys.readouterr().err
    run(progress=False)
    assert capsys.readouterr().err == ""


def test_fixed_layers_see_each_image_in_as_many_ways_as_told():
    class Noting(nn.Module):
        seen = []

        def forward(self, images):
            Noting.seen.append(self.training)
            return images.flatten(1)

    training = Training(epochs=3, batch_size=16, learning_rate=0.01, views=5)
    images, labels = np.zeros((20, 4), np.float32), np.zeros(20, int)
    train(lambda: nn.Sequential(Fixed(Noting()), nn.Linear(4, 2)), images, labels, training=training, seed=1)
    assert Noting.seen == [True] * 5


def test_each_teacher_has_a_seed_of_its_own():
    assert len({seed_of(teacher, seed=seed) for teacher in range(20) for seed in range(20)}) == 400


def test_the_learning_rate_falls_to_nothing_where_it_shall():
    settings = dict(epochs=1, batch_size=1, learning_rate=0.5)
    assert [Training(**settings, decay=True).rate(done) for done in (0, 0.5, 1)] == [0.5, 0.25, 0]
    assert [Training(**settings).rate(done) for done in (0, 0.5, 1)] == [0.5, 0.5, 0.5]


# -- all at once, as on a graphics processor ------------------------------------------------------------


def together(network, digits, parts, training):
    images, labels, *_test = digits
    return train_together(
        network,
        [images[part] for part in parts],
        [labels[part] for part in parts],
        training=training,
        seeds=[seed_of(teacher, seed=5) for teacher in range(len(parts))],
        device="cpu",
    )


def test_together_equals_alone_where_nothing_is_random(digits):
    """One batch an epoch and no dropout: the order of the images does not count."""
    parts = disjoint_parts(200, teachers=4, seed=0)
    training = Training(epochs=12, batch_size=1000, learning_rate=0.01, decay=True, label_smoothing=0.1)
    states = together(convolutions, digits, parts, training)
    for teacher, (part, state) in enumerate(zip(parts, states, strict=True)):
        alone = train(
            convolutions, digits[0][part], digits[1][part], training=training, seed=seed_of(teacher, seed=5)
        )
        for name in alone:
            torch.testing.assert_close(state[name], alone[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("network", [plain, strokes])
def test_together_they_learn_from_parts_of_two_sizes(digits, network):
    training = Training(epochs=15, batch_size=16, learning_rate=0.01, views=2)
    states = together(network, digits, disjoint_parts(EXAMPLES, teachers=2, seed=0), training)
    predictions = teachers.Teachers(network, states).predict(digits[2])
    assert (predictions == digits[3]).mean() > 0.55
    assert not np.array_equal(*predictions)


# -- resume -------------------------------------------------------------------------------------------------


@pytest.fixture
def stops(monkeypatch):
    """The run stops after the second teacher, as if interrupted."""

    def stop():
        kept = []

        def save(path, state, *, settings):
            if len(kept) == 2:
                raise KeyboardInterrupt
            kept.append(path)
            checkpoints_save(path, state, settings=settings)

        checkpoints_save = checkpoints.save
        monkeypatch.setattr(checkpoints, "save", save)

    return stop


def test_an_interrupted_run_goes_on_where_it_stopped(run, digits, tmp_path, stops, monkeypatch):
    whole = run().predict(digits[2])
    with monkeypatch.context():
        stops()
        with pytest.raises(KeyboardInterrupt):
            run(folder=tmp_path)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["teacher_00000.pt", "teacher_00001.pt"]
    trained = []
    monkeypatch.setattr(
        teacher_jobs, "train", lambda *given, **named: trained.append(1) or train(*given, **named)
    )
    assert np.array_equal(run(folder=tmp_path).predict(digits[2]), whole)
    assert len(trained) == 2
    assert np.array_equal(run(folder=tmp_path).predict(digits[2]), whole)
    assert len(trained) == 2
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("kept", [0, 10, 32, 500, -1])
def test_a_checkpoint_that_was_cut_off_is_refused(run, tmp_path, kept):
    run(folder=tmp_path)
    path = tmp_path / "teacher_00002.pt"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"teacher_00002\.pt is damaged"):
        run(folder=tmp_path)


def test_one_flipped_bit_anywhere_is_found(run, tmp_path):
    run(folder=tmp_path)
    path = tmp_path / "teacher_00001.pt"
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"teacher_00001\.pt is damaged"):
            run(folder=tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (dict(seed=6), "seed"),
        (dict(training=Training(epochs=4, batch_size=16, learning_rate=0.01)), "epochs"),
        (dict(network=convolutions), "network"),
        (dict(parts=disjoint_parts(EXAMPLES, teachers=4, seed=1)), "images and labels"),
    ],
)
def test_other_settings_than_the_checkpoints_are_refused(run, tmp_path, changed, said):
    run(folder=tmp_path)
    with pytest.raises(ValueError, match=rf"teacher_00000\.pt was trained with other settings \({said}\)"):
        run(folder=tmp_path, **changed)


def test_other_labels_than_the_checkpoints_are_refused(run, digits, tmp_path):
    run(folder=tmp_path)
    with pytest.raises(ValueError, match="images and labels"):
        run(folder=tmp_path, labels=(digits[1] + 1) % 10)


class Trap:
    """Unpickling this runs code."""

    def __reduce__(self):
        return exec, ("raise SystemExit('this ran')",)


@pytest.mark.parametrize("content", [Trap(), {"state": {}}, {"settings": "{", "state": {}}, [1], "text"])
def test_a_foreign_file_with_a_good_digest_is_refused_and_runs_nothing(run, tmp_path, content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    (tmp_path / "teacher_00000.pt").write_bytes(
        hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()
    )
    with pytest.raises(ValueError, match=r"teacher_00000\.pt is no checkpoint"):
        run(folder=tmp_path)


def test_a_checkpoint_is_whole_or_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints.os, "fsync", lambda _number: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run(folder=tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.pt"))
    run(folder=tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pt"] * 4


# -- bad input ----------------------------------------------------------------------------------------------


def with_nan(images):
    images = images.astype(np.float32)
    images[3, 5, 5] = np.nan
    return images


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda images, labels: dict(labels=labels[:-1]), "203 images and 202 labels"),
        (lambda images, labels: dict(images=with_nan(images)), "got 1 that are NaN"),
        (lambda images, labels: dict(images=images.astype("U3")), "made of numbers, got <U3"),
        (lambda images, labels: dict(labels=np.where(labels == 9, 10, labels)), "labels from 0 to 9, got 10"),
        (lambda images, labels: dict(labels=labels - 1), "labels from 0 to 9, got -1"),
        (lambda images, labels: dict(labels=labels / 1), "whole numbers, one for each image, got float64"),
        (lambda images, labels: dict(labels=np.eye(10, dtype=int)[labels]), r"of shape \(203, 10\)"),
        (lambda images, labels: dict(parts=[np.array([1, 2]), np.array([2, 3])]), "got 1 repeated"),
        (lambda images, labels: dict(parts=[np.array([1, 203])]), "0 to 202, got 1 to 203"),
        (lambda images, labels: dict(parts=[np.array([-1, 1])]), "0 to 202, got -1 to 1"),
        (lambda images, labels: dict(parts=[np.array([0.5, 1.0])]), "whole numbers, got float64"),
        (lambda images, labels: dict(parts=[]), "at least one teacher"),
        (lambda images, labels: dict(parts=[np.array([1]), np.array([], int)]), "at least one image"),
        (lambda images, labels: dict(parts=[np.array([1])] * 204), "204 teachers for 203"),
        (lambda images, labels: dict(seed=-1), "seed of 0 or more, got -1"),
        (lambda images, labels: dict(network=nn.Identity), r"\(1, classes\), got \(1, 1, 28, 28\)"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(run, digits, monkeypatch, changed, said):
    monkeypatch.setattr(teacher_jobs, "train", lambda *_given, **_named: pytest.fail("trained"))
    with pytest.raises(ValueError, match=said):
        run(**changed(*digits[:2]))


def test_predicting_on_what_is_no_number_is_refused(run, digits):
    with pytest.raises(ValueError, match="got 1 that are NaN"):
        run().predict(with_nan(digits[2]))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_training_that_runs_away_is_an_error(run, n_jobs):
    away = Training(epochs=3, batch_size=16, learning_rate=1e38)
    with pytest.raises(ValueError, match="smaller learning rate"):
        run(linear, training=away, n_jobs=n_jobs)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch_size", 0), ("views", 0), ("learning_rate", 0.0), ("learning_rate", float("nan"))]
    + [("learning_rate", float("inf")), ("label_smoothing", 1.0), ("label_smoothing", -0.1)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=str(value)):
        Training(**{**dict(epochs=1, batch_size=1, learning_rate=0.1), setting: value})


def test_threads_are_refused(run):
    with joblib.parallel_config("threading"), pytest.raises(ValueError, match="threading"):
        run(n_jobs=2)


# -- votes --------------------------------------------------------------------------------------------------


def test_votes_are_counted():
    predictions = np.random.default_rng(0).integers(0, 7, size=(31, 50))
    votes = vote_counts(predictions, classes=7)
    assert (votes.shape, votes.dtype) == ((50, 7), np.int64)
    assert votes.tolist() == [[(column == each).sum() for each in range(7)] for column in predictions.T]
    assert np.array_equal(vote_counts(predictions.astype(np.int8), classes=7), votes)


def test_small_integers_do_not_overflow():
    votes = vote_counts(np.full((3, 1000), 9, dtype=np.int8), classes=10)
    assert votes[:, 9].tolist() == [3] * 1000


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        (np.array([[0, 3]]), "labels from 0 to 2, got 3"),
        (np.array([[0, -1]]), "got -1"),
        (np.array([[0.5]]), "got float64"),
        (np.array([1, 2]), r"of shape \(2,\)"),
    ],
)
def test_votes_refuse(predictions, said):
    with pytest.raises(ValueError, match=said):
        vote_counts(predictions, classes=3)
