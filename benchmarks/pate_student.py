"""Students of 250 teachers on MNIST's last 1,000 test images, at an ε that may be published, over five seeds.

Each seed trains its own teachers on the 60,000 training images, draws its own noise, and trains its own
students. The public images are the first 9,000 test images, without labels; the last 1,000 are held out and
looked at once, here. The ε is data-independent: exact Gaussian accounting of as many answers as were given.
Two students ask about groups of public images: the lesson's, as `train_from_clusters` is by default, and a
thrifty one, which asks in one round, and looks longer at public images beforehand. Beside
them stand students that learn from single answered images alone: from as many answers, and from a hundred.
Settings were chosen on training images, never by these. Time: the teachers' and the lesson's student's
together, whose median is compared with the three minutes that a lesson may take from scratch.
"""

import statistics
import time

import joblib
import numpy as np
import torch

from benchmarks.pate_teachers import LESSON, LESSON_TEACHERS, stroke_network
from benchmarks.report import Claim, finish, print_table
from course_lib.data import mnist
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu
from course_lib.pate.aggregation import GNMax
from course_lib.pate.noise import SeededNoise
from course_lib.pate.partition import disjoint_parts
from course_lib.pate.public_clusters import group_votes
from course_lib.pate.student import Steps, Student, train_from_clusters, train_supervised
from course_lib.pate.teachers import train_teachers, vote_counts

SEEDS = range(1, 6)
PUBLIC, DELTA = 9000, 1e-5
FEW, LESSON_SIGMA, THRIFTY_SIGMA = 20, 45, 45
MANY, MANY_SIGMA = 100, 40
LESSONS_WAY: dict = {}
THRIFTY_WAY = {"questions": (FEW,), "steps": Steps(self_taught=1000, each_round=400, last_round=700)}


def epsilon(answers: int, sigma: float) -> float:
    """What so many answers cost, whatever the votes were."""
    return gaussian_epsilon(gnmax_mu(answers, sigma=sigma), delta=DELTA)


def predictions_of_teachers(
    images: np.ndarray, labels: np.ndarray, public: np.ndarray, seed: int
) -> np.ndarray:
    """What the lesson's teachers say of the public images, (teachers, images)."""
    parts = disjoint_parts(len(images), teachers=LESSON_TEACHERS, seed=seed)
    teachers = train_teachers(
        stroke_network, images, labels, parts=parts, training=LESSON, seed=seed, progress=False
    )
    return teachers.predict(public)


def student_of_groups(
    public: np.ndarray, predictions: np.ndarray, seed: int, *, sigma: float, way: dict
) -> Student:
    """One question for each group of public images; `way` holds settings of `train_from_clusters`."""
    noise, asked = SeededNoise(seed), []

    def ask(groups):
        asked.extend(groups)
        if len(asked) > FEW:
            raise ValueError(f"{len(asked)} questions were asked, the accounting is about {FEW}")
        return GNMax(sigma=sigma).answers(group_votes(predictions, groups, classes=10), noise=noise)

    return train_from_clusters(public, ask, classes=10, seed=seed, progress=False, **way)


def student_of_images(
    public: np.ndarray, predictions: np.ndarray, seed: int, *, answers: int, sigma: float
) -> Student:
    """One question for each of some public images, and nothing else to learn from."""
    asked = np.random.default_rng(seed).permutation(len(public))[:answers]
    votes = vote_counts(predictions[:, asked], classes=10)
    labels = GNMax(sigma=sigma).answers(votes, noise=SeededNoise(seed))
    return train_supervised(public[asked], labels, classes=10, seed=seed, progress=False)


def main() -> None:
    """Measure, print, and exit non-zero where a claim does not hold."""
    torch.set_num_threads(joblib.cpu_count())
    (images, labels), (test_images, truth) = mnist.load_data()
    public, held_out, truth = test_images[:PUBLIC], test_images[PUBLIC:], truth[PUBLIC:]
    names = {
        f"{FEW} groups, the lesson's": epsilon(FEW, LESSON_SIGMA),
        f"{FEW} groups, thrifty": epsilon(FEW, THRIFTY_SIGMA),
        f"{FEW} images": epsilon(FEW, THRIFTY_SIGMA),
        f"{MANY} images": epsilon(MANY, MANY_SIGMA),
    }
    right: dict[str, list[float]] = {name: [] for name in names}
    seconds = []
    for seed in SEEDS:
        start = time.perf_counter()
        predictions = predictions_of_teachers(images, labels.astype(np.int64), public, seed)
        students = [student_of_groups(public, predictions, seed, sigma=LESSON_SIGMA, way=LESSONS_WAY)]
        seconds.append(time.perf_counter() - start)
        students.append(student_of_groups(public, predictions, seed, sigma=THRIFTY_SIGMA, way=THRIFTY_WAY))
        students += [
            student_of_images(public, predictions, seed, answers=answers, sigma=sigma)
            for answers, sigma in ((FEW, THRIFTY_SIGMA), (MANY, MANY_SIGMA))
        ]
        for name, student in zip(names, students, strict=True):
            right[name].append(float((student.predict(held_out) == truth).mean()))
    print_table(
        ("student of", "ε", *(f"seed {seed}" for seed in SEEDS), "mean", "standard deviation"),
        [
            (
                name,
                f"{names[name]:.3f}",
                *(f"{share:.3f}" for share in shares),
                f"{statistics.mean(shares):.4f}",
                f"{statistics.stdev(shares):.4f}",
            )
            for name, shares in right.items()
        ],
    )
    lesson, thrifty, few, many = (statistics.mean(shares) for shares in right.values())
    of_lesson, of_thrifty, *_baselines = names.values()
    least = min(right[f"{FEW} groups, the lesson's"])
    finish(
        [
            Claim("accuracy of the lesson's student, mean of five seeds", lesson, 0.98, True),
            Claim("accuracy of the lesson's student, least of five seeds", least, 0.98, True),
            Claim("ε of the lesson's student", of_lesson, 2, False),
            Claim("accuracy of the thrifty student, mean of five seeds", thrifty, 0.985, True),
            Claim("ε of the thrifty student", of_thrifty, 0.5, False),
            Claim("times fewer errors, thrifty beside as many images", (1 - few) / (1 - thrifty), 5, True),
            Claim("times fewer errors, thrifty beside a hundred images", (1 - many) / (1 - thrifty), 2, True),
            Claim("seconds for teachers and the lesson's student", statistics.median(seconds), 180, False),
        ]
    )


if __name__ == "__main__":
    main()
