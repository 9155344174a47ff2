"""The student, its groups of public images, and what it does with bad input. Small images, few steps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_digits

from course_lib.pate.mechanisms import NO_ANSWER
from course_lib.pate.public_clusters import central_groups, group_votes
from course_lib.pate.public_features import side_by_side, straightened, stroke_features
from course_lib.pate.public_graph import margins, neighbour_graph, spectral_embedding, spread_labels
from course_lib.pate.student import Steps, train_from_clusters, train_semi_supervised, train_supervised
from course_lib.pate.student_network import StudentNetwork, learn, seeded

QUICK = Steps(self_taught=20, each_round=10, last_round=30)
ENOUGH = Steps(self_taught=150, each_round=70, last_round=150)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits():
    """Other images than the lesson's: 8 x 8 pixels; 700 public ones, 300 held out, and their labels."""
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    return images[:700], labels[:700], images[700:1000], labels[700:1000]


def answers_by(labels, asked):
    """What perfect teachers answer; the groups go into `asked`."""

    def ask(groups):
        asked.append(groups)
        return np.array([np.bincount(labels[group]).argmax() for group in groups])

    return ask


def from_clusters(images, ask, **settings):
    settings = {"classes": 10, "seed": 3, "questions": (12, 6), "steps": QUICK, "progress": False} | settings
    return train_from_clusters(images, ask, **settings)


@pytest.fixture(scope="module")
def trained(digits):
    asked = []
    return from_clusters(digits[0], answers_by(digits[1], asked), steps=ENOUGH), asked


class TestGroups:
    @given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
    @settings(max_examples=50, deadline=None)
    def test_one_teacher_moves_one_vote_of_each_question(self, seed, size):
        random = np.random.default_rng(seed)
        predictions = random.integers(0, 5, (9, 40))
        groups = [random.permutation(40)[:size] for _group in range(6)]
        other = predictions.copy()
        other[4] = random.integers(0, 5, 40)
        votes, moved = (group_votes(each, groups, classes=5) for each in (predictions, other))
        assert (votes.sum(axis=1) == 9).all()
        assert (np.linalg.norm(votes - moved, axis=1) <= np.sqrt(2)).all()

    def test_a_teacher_votes_for_the_label_it_gives_most(self):
        predictions = np.array([[4, 2, 2, 4, 1], [0, 0, 1, 1, 1]])
        votes = group_votes(predictions, [np.arange(5), np.array([3, 1])], classes=5)
        # Two of each: the label of the image that stands first, 4 for the first teacher.
        assert votes.tolist() == [[0, 1, 0, 0, 1], [0, 1, 0, 0, 1]]

    def test_groups_are_the_nearest_of_their_cluster(self):
        places = np.concatenate([np.linspace(0, 1, 9), np.linspace(50, 52, 9)])[:, None]
        first, second = central_groups(places, groups=2, size=3, seed=0)
        assert sorted(first) == [3, 4, 5] and first[0] == 4
        assert sorted(second) == [12, 13, 14] and second[0] == 13

    def test_equal_images_make_one_group(self):
        assert len(central_groups(np.zeros((4, 2)), groups=3, size=2, seed=0)) == 1

    @pytest.mark.parametrize(
        ("predictions", "groups", "says"),
        [
            (np.zeros((2, 3)), [np.array([0])], "float64"),
            (np.zeros(3, int), [np.array([0])], r"\(3,\)"),
            (np.zeros((2, 3), int), [np.array([], int)], "none"),
            (np.zeros((2, 3), int), [np.array([1, 3])], "got 3"),
            (np.zeros((2, 3), int), [np.array([-1])], "got -1"),
            (np.full((2, 3), 4), [np.array([0])], "got 4"),
            (np.full((2, 3), -2), [np.array([0])], "got -2"),
        ],
    )
    def test_bad_predictions_and_groups(self, predictions, groups, says):
        with pytest.raises(ValueError, match=says):
            group_votes(predictions, groups, classes=4)

    @pytest.mark.parametrize(("groups", "size", "says"), [(0, 1, "got 0"), (9, 1, "got 9"), (2, 0, "got 0")])
    def test_bad_numbers_of_groups(self, groups, size, says):
        with pytest.raises(ValueError, match=says):
            central_groups(np.arange(8.0)[:, None], groups=groups, size=size, seed=0)


class TestGraph:
    def test_neighbours_are_the_nearest_and_both_ways(self):
        graph = neighbour_graph(np.array([[0.0], [1.0], [2.1], [7.0]]), neighbours=1).toarray()
        assert (graph == graph.T).all() and (graph.diagonal() == 0).all()
        assert {tuple(sorted(edge)) for edge in np.argwhere(graph)} == {(0, 1), (1, 2), (2, 3)}

    def test_equal_images_are_neighbours(self):
        graph = neighbour_graph(np.zeros((5, 2)), neighbours=2)
        assert np.isfinite(graph.data).all() and graph.data.max() == 1

    def test_the_embedding_parts_what_no_path_joins(self):
        block = np.ones((4, 4)) - np.eye(4)
        places = spectral_embedding(sparse.csr_array(np.kron(np.eye(2), block)), dimensions=2)
        assert np.allclose(places[:4] @ places[:4].T, 1) and np.allclose(places[:4] @ places[4:].T, 0)

    def test_labels_spread_as_far_as_edges_go(self):
        chain = np.diag([1.0, 0.0, 1.0], 1)
        scores = spread_labels(sparse.csr_array(chain + chain.T), [0], [1], classes=2)
        assert scores[:2].argmax(axis=1).tolist() == [1, 1]
        assert (scores[2:] == 0.5).all()

    def test_spreading_solves_its_equation(self):
        weights = np.random.default_rng(5).random((6, 6))
        weights = np.triu(weights, 1) + np.triu(weights, 1).T
        root = 1 / np.sqrt(weights.sum(axis=1))
        start = np.array([[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0]])
        expected = np.linalg.inv(np.eye(6) - 0.9 * weights * root[:, None] * root) @ start
        expected /= expected.sum(axis=1, keepdims=True)
        found = spread_labels(sparse.csr_array(weights), [0, 1], [0, 1], classes=2, reach=0.9)
        assert np.allclose(found, expected, atol=1e-3)

    def test_classes_start_with_equal_shares(self):
        ring = sparse.csr_array(np.roll(np.eye(6), 1, axis=1) + np.roll(np.eye(6), -1, axis=1))
        scores = spread_labels(ring, [0, 1, 5, 3], [0, 0, 0, 1], classes=2)
        assert scores.sum(axis=0)[1] == pytest.approx(3, abs=0.1)

    @pytest.mark.parametrize(
        ("features", "neighbours", "says"),
        [
            (np.array([[0.0], [np.nan]]), 1, "NaN"),
            (np.zeros(4), 1, r"\(4,\)"),
            (np.zeros((4, 1)), 4, "got 4"),
            (np.zeros((4, 1)), 0, "got 0"),
        ],
    )
    def test_bad_features(self, features, neighbours, says):
        with pytest.raises(ValueError, match=says):
            neighbour_graph(features, neighbours=neighbours)

    def test_bad_dimensions(self):
        with pytest.raises(ValueError, match="got 4"):
            spectral_embedding(sparse.csr_array(np.ones((4, 4))), dimensions=4)


class TestFeatures:
    def test_strokes_tell_standing_from_lying(self):
        bars = np.zeros((4, 28, 28), np.uint8)
        bars[:2, 4:24, 12:15] = 255
        bars[2:, 12:15, 4:24] = 255
        bars[1], bars[3] = np.roll(bars[1], 2, axis=1), np.roll(bars[3], 2, axis=0)
        features = stroke_features(straightened(bars))
        distances = np.linalg.norm(features[:, None] - features, axis=2)
        assert distances[0, 1] < 0.1 * distances[0, 2] and distances[2, 3] < 0.1 * distances[2, 0]

    def test_each_kind_counts_alike(self):
        one, other = np.random.default_rng(0).normal(size=(2, 50, 3)) * np.array([1, 1000])[:, None, None]
        joined = side_by_side(one, other)
        assert (joined[:, :3] ** 2).sum() == pytest.approx((joined[:, 3:] ** 2).sum())

    def test_kinds_without_differences_count_nothing(self):
        assert (side_by_side(np.ones((3, 2))) == 0).all()

    def test_margins_of_more_than_two(self):
        assert margins(np.array([[0.2, 0.5, 0.3]])) == pytest.approx([0.2])


class TestLearning:
    def test_weights_say_what_is_learnt(self, digits):
        images, labels, *_held_out = digits
        upright = straightened(images)
        wrong = (labels + 1) % 10
        doubled = torch.cat([upright, upright])
        targets = np.concatenate([labels, wrong])
        weights = np.concatenate([np.ones(700), np.zeros(700)])
        with seeded(0):
            network = learn(StudentNetwork(10, side=8), doubled, targets, weights, steps=80)
        guesses = network(upright).argmax(dim=1).numpy()
        assert (guesses == labels).mean() > 0.8

    def test_nothing_counts(self):
        with pytest.raises(ValueError, match="3 without weight"):
            learn(StudentNetwork(2), torch.zeros(3, 1, 28, 28), np.zeros(3, int), np.zeros(3), steps=1)

    def test_other_classes_same_knowledge(self):
        first = StudentNetwork(7, side=8)
        second = first.with_classes(4)
        images = torch.rand(3, 1, 8, 8)
        assert second.eval()(images).shape == (3, 4)
        assert torch.equal(first.eval().features(images), second.features(images))


class TestStudents:
    def test_clusters_beat_as_many_answers_alone(self, digits, trained):
        images, labels, held_out, truth = digits
        student, asked = trained
        count = sum(map(len, asked))
        plain = train_supervised(images[:count], labels[:count], classes=10, seed=3, steps=80, progress=False)
        few, many = ((each.predict(held_out) == truth).mean() for each in (plain, student))
        assert many > 0.85
        assert many > few + 0.1

    def test_unlabelled_images_help(self, digits):
        images, labels, held_out, truth = digits
        answered = np.arange(40)
        plain = train_supervised(images[:40], labels[:40], classes=10, seed=3, steps=80, progress=False)
        semi = train_semi_supervised(
            images, answered, labels[answered], classes=10, seed=3, steps=ENOUGH, progress=False
        )
        assert (semi.predict(held_out) == truth).mean() > (plain.predict(held_out) == truth).mean() + 0.03

    def test_it_asks_as_often_as_it_may(self, trained):
        _student, asked = trained
        assert [len(groups) for groups in asked] == [12, 6]
        for groups in asked:
            together = np.concatenate(groups)
            assert len(np.unique(together)) == len(together)  # no image is asked about twice in a round

    def test_same_seed_same_student(self, digits):
        asked = []
        student = from_clusters(digits[0], answers_by(digits[1], asked))
        torch.manual_seed(99)  # what the caller's generator stands at makes no difference
        before = torch.get_rng_state()
        again_asked = []
        again = from_clusters(digits[0], answers_by(digits[1], again_asked))
        assert (again.probabilities(digits[2]) == student.probabilities(digits[2])).all()
        for some, others in zip(asked, again_asked, strict=True):
            assert all((one == other).all() for one, other in zip(some, others, strict=True))
        assert (torch.get_rng_state() == before).all()

    def test_only_later_questions_depend_on_answers(self, digits):
        asked, other_asked = [], []
        for labels, record in ((digits[1], asked), (digits[1] // 5, other_asked)):
            from_clusters(digits[0], answers_by(labels, record))
        same = [
            all(np.array_equal(one, other) for one, other in zip(*rounds, strict=True))
            for rounds in zip(asked, other_asked, strict=True)
        ]
        assert same == [True, False]

    def test_silence_is_no_answer(self, digits):
        """A group that gets no answer teaches nothing: all but 0 and 1 stay silent."""
        images, labels, held_out, _truth = digits

        def ask(groups):
            answers = answers_by(labels, [])(groups)
            return np.where(answers < 2, answers, NO_ANSWER)

        student = from_clusters(images, ask, questions=(12,), steps=ENOUGH)
        assert set(student.predict(held_out)) <= {0, 1}

    def test_fewer_questions_than_classes(self, digits):
        student = from_clusters(digits[0], answers_by(digits[1], []), questions=(3,), classes=12)
        assert student.probabilities(digits[2]).shape == (300, 12)
        assert (np.bincount(student.predict(digits[2]), minlength=12) > 15).sum() <= 3

    def test_blank_paper_is_no_reason_to_fail(self, digits):
        images = np.concatenate([digits[0][:100], np.zeros((30, 8, 8), np.float32)])
        labels = np.concatenate([digits[1][:100], np.zeros(30, int)])
        student = from_clusters(images, answers_by(labels, []), questions=(8,))
        assert np.isfinite(student.probabilities(images)).all()


class TestBadInput:
    IMAGES = np.random.default_rng(0).random((60, 8, 8)).astype(np.float32)

    @pytest.mark.parametrize(
        ("images", "says"),
        [
            (np.zeros((60, 8, 9), np.float32), r"\(60, 8, 9\)"),
            (np.zeros((60, 64), np.float32), r"\(60, 64\)"),
            (np.zeros((60, 8, 8), int), "int64"),
            (np.zeros((0, 8, 8), np.float32), r"\(0, 8, 8\)"),
            (np.where(np.arange(64).reshape(8, 8) == 9, np.nan, IMAGES), "60 that are NaN"),
            (np.where(np.arange(64).reshape(8, 8) == 9, np.inf, IMAGES), "60 that are NaN or infinite"),
        ],
    )
    def test_images(self, images, says):
        def never(groups):
            raise AssertionError("nothing may be asked, nor paid for")

        with pytest.raises(ValueError, match=says):
            train_supervised(images, np.zeros(len(images), int), classes=2, seed=0, progress=False)
        with pytest.raises(ValueError, match=says):
            from_clusters(images, never)

    def test_a_student_refuses_other_images(self, trained):
        with pytest.raises(ValueError, match=r"side 8, got shape \(3, 28, 28\)"):
            trained[0].predict(np.zeros((3, 28, 28), np.float32))

    @pytest.mark.parametrize(
        ("labels", "says"),
        [
            (np.full(60, 2), "got 2"),
            (np.full(60, -1), "got -1"),
            (np.zeros(60), "float64"),
            (np.zeros(59, int), r"\(59,\)"),
        ],
    )
    def test_labels(self, labels, says):
        with pytest.raises(ValueError, match=says):
            train_supervised(self.IMAGES, labels, classes=2, seed=0, progress=False)

    @pytest.mark.parametrize(
        ("answered", "labels", "says"),
        [
            ([], [], "none"),
            ([3], [NO_ANSWER], "none"),
            ([3], [10], "got 10"),
            ([3], [-2], "got -2"),
            ([60], [1], "got 60"),
            ([-1], [1], "got -1"),
            ([3, 4], [1], r"\(1,\)"),
        ],
    )
    def test_answers(self, answered, labels, says):
        with pytest.raises(ValueError, match=says):
            train_semi_supervised(
                self.IMAGES, np.array(answered, int), np.array(labels, int), classes=10, seed=0,
                progress=False,
            )  # fmt: skip

    def test_one_class(self):
        with pytest.raises(ValueError, match="got 1"):
            train_supervised(self.IMAGES, np.zeros(60, int), classes=1, seed=0, progress=False)

    def test_too_few_images(self):
        with pytest.raises(ValueError, match="got 49"):
            from_clusters(self.IMAGES[:49], None)

    @pytest.mark.parametrize("questions", [(), (0,), (5, -1), (61,)])
    def test_questions(self, questions):
        with pytest.raises(ValueError, match=str(questions[-1]) if questions else r"\(\)"):
            from_clusters(self.IMAGES, lambda groups: np.zeros(len(groups), int), questions=questions)

    @pytest.mark.parametrize(
        ("answers", "says"), [([10] * 8, "got 10"), ([0] * 9, r"\(9,\)"), ([0.5] * 8, "float64")]
    )
    def test_what_ask_returns(self, answers, says):
        with pytest.raises(ValueError, match=says):
            from_clusters(self.IMAGES, lambda groups: np.array(answers), questions=(8,))

    def test_what_ask_raises_comes_through(self):
        def broke(groups):
            raise LookupError("no budget left")

        with pytest.raises(LookupError, match="no budget left"):
            from_clusters(self.IMAGES, broke)
