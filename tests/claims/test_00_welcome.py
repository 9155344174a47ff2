"""What the prose of lesson 00_welcome states, held to the data."""

import numpy as np

from course_lib.course_map import LESSONS
from course_lib.data import mnist, wine_quality


def test_mnist_is_what_the_prose_says():
    (x_train, y_train), (x_test, _y_test) = mnist.load_data()
    assert len(x_train) + len(x_test) == 70_000
    assert x_train.shape[1:] == x_test.shape[1:] == (28, 28)
    counts = np.bincount(y_train)
    assert counts.argmax() == 1 and counts.argmin() == 5
    assert np.abs(counts - 6000).max() < 800


def test_wine_is_what_the_prose_says():
    wines = wine_quality.load_data()
    assert wines.shape == (1599, 12)


def test_the_map_names_eleven_lessons_in_order():
    assert [int(lesson.name[:2]) for lesson in LESSONS] == list(range(1, 12))
