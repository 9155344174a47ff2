"""The votes of 100 teachers on MNIST's 10,000 test images, beside the usual loop over teachers.

The usual loop: Conv 10@5x5, Conv 20@5x5 with dropout, 320-50-10; 10 epochs, batch 32, Adam 0.003; a data set
that turns each image into a tensor each time, one teacher after another, each asked about all test images
when it is trained. It gets as many threads as the machine has processors, as PyTorch does by default. It runs
a sample of its teachers, half before ours and half after, and its seconds are scaled to 100; its mean
accuracy is the sample's. The plurality of so few says little, so that the bars are the usual loop's known 91%
and 94.6%. "The same network" is the very same network and schedule, trained and asked by
`course_lib.pate.teachers`. Starting the workers counts in our time, each time anew.
"""

import time
from collections.abc import Callable

import joblib
import numpy as np
import torch
from joblib.externals.loky import get_reusable_executor
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.report import Claim, finish, print_table
from course_lib.data import mnist
from course_lib.pate.digit_layers import Bend, Straighten, Strokes
from course_lib.pate.partition import disjoint_parts
from course_lib.pate.teachers import train_teachers, vote_counts
from course_lib.pate.training import Fixed, Training

TEACHERS, SAMPLE, LESSON_TEACHERS = 100, 10, 250
USUAL = Training(epochs=10, batch_size=32, learning_rate=0.003)
QUICK = Training(epochs=4, batch_size=40, learning_rate=0.01, views=3, label_smoothing=0.3, decay=True)
LESSON = Training(epochs=8, batch_size=120, learning_rate=0.02, views=8, label_smoothing=0.3, decay=True)


class UsualNetwork(nn.Module):
    """The network of many a tutorial on PATE."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.dropout = nn.Dropout2d()
        self.dense1 = nn.Linear(320, 50)
        self.dense2 = nn.Linear(50, 10)

    def forward(self, images):
        hidden = functional.relu(functional.max_pool2d(self.conv1(images), 2))
        hidden = functional.relu(functional.max_pool2d(self.dropout(self.conv2(hidden)), 2)).flatten(1)
        hidden = functional.dropout(functional.relu(self.dense1(hidden)), training=self.training)
        return functional.log_softmax(self.dense2(hidden), dim=1)


def stroke_network() -> nn.Module:
    """What is known about writing is fixed; a teacher learns one matrix."""
    return nn.Sequential(Fixed(Bend(), Straighten(), Strokes()), nn.BatchNorm1d(588), nn.Linear(588, 10))


class Images(Dataset):
    """Each image is turned into a tensor each time, as torchvision's `ToTensor` does."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return torch.from_numpy(self.images[index][None]).float().div(255), int(self.labels[index])


def usual_teacher(images: np.ndarray, labels: np.ndarray, test_images, test_labels, seed: int) -> np.ndarray:
    """Train one teacher and ask it, the usual way."""
    torch.manual_seed(seed)
    network = UsualNetwork()
    optimizer = torch.optim.Adam(network.parameters(), lr=USUAL.learning_rate)
    for _epoch in range(USUAL.epochs):
        for batch, targets in DataLoader(Images(images, labels), batch_size=USUAL.batch_size, shuffle=True):
            optimizer.zero_grad()
            functional.nll_loss(network(batch), targets).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        answers = [
            network(batch).argmax(dim=1)
            for batch, _targets in DataLoader(Images(test_images, test_labels), batch_size=USUAL.batch_size)
        ]
    return torch.cat(answers).numpy()


def seconds_of(action: Callable[[], object]) -> tuple[float, object]:
    """Wall time of one call, in seconds, and what it returned."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def main() -> None:
    """Measure, print, and exit non-zero where a claim does not hold."""
    torch.set_num_threads(joblib.cpu_count())
    (images, labels), (test_images, test_labels) = mnist.load_data()
    labels = labels.astype(np.int64)
    parts = disjoint_parts(len(images), teachers=TEACHERS, seed=1)

    def usual(teachers: range) -> list[np.ndarray]:
        return [
            usual_teacher(images[parts[each]], labels[parts[each]], test_images, test_labels, each)
            for each in teachers
        ]

    def ours(network: Callable[[], nn.Module], training: Training, teachers: int) -> np.ndarray:
        get_reusable_executor().shutdown(wait=True)
        dealt = disjoint_parts(len(images), teachers=teachers, seed=1)
        trained = train_teachers(
            network, images, labels, parts=dealt, training=training, seed=1, progress=False, device="cpu"
        )
        return trained.predict(test_images)

    def quality(predictions: np.ndarray) -> tuple[float, float, float]:
        votes = vote_counts(predictions, classes=10)
        plurality = float((votes.argmax(axis=1) == test_labels).mean())
        return (
            float((predictions == test_labels).mean()),
            plurality,
            float(votes.max(axis=1).mean() / len(predictions)),
        )

    before, first = seconds_of(lambda: usual(range(SAMPLE // 2)))
    same_seconds, same = seconds_of(lambda: ours(UsualNetwork, USUAL, TEACHERS))
    stroke_seconds, strokes = seconds_of(lambda: ours(stroke_network, QUICK, TEACHERS))
    lesson_seconds, lesson = seconds_of(lambda: ours(stroke_network, LESSON, LESSON_TEACHERS))
    after, second = seconds_of(lambda: usual(range(SAMPLE // 2, SAMPLE)))
    get_reusable_executor().shutdown(wait=True)
    loop_seconds = (before + after) * TEACHERS / SAMPLE
    rows = [
        (f"usual loop, {SAMPLE} of {TEACHERS}, scaled", loop_seconds, np.stack([*first, *second])),
        (f"the same network, {TEACHERS}", same_seconds, same),
        (f"strokes, {TEACHERS}", stroke_seconds, strokes),
        (f"strokes, {LESSON_TEACHERS} (the lesson)", lesson_seconds, lesson),
    ]
    difference = 100 * abs(quality(same)[0] - quality(rows[0][2])[0])
    print_table(
        ("teachers", "seconds", "mean accuracy", "plurality", "share that agrees"),
        [
            (name, f"{seconds:.1f}", *(f"{figure:.4f}" for figure in quality(predictions)))
            for name, seconds, predictions in rows
        ],
    )
    finish(
        [
            Claim("times faster than the usual loop, 100 teachers", loop_seconds / stroke_seconds, 4, True),
            Claim("mean accuracy of these teachers", quality(strokes)[0], 0.91, True),
            Claim("accuracy of their plurality", quality(strokes)[1], 0.946, True),
            Claim("times faster with the very same network", loop_seconds / same_seconds, 2, True),
            Claim("points of mean accuracy it differs from the loop's", difference, 1.5, False),
            Claim("seconds for the lesson's 250 teachers", lesson_seconds, 60, False),
        ]
    )


if __name__ == "__main__":
    main()
