"""What the prose of lesson 00_welcome states, held to the data and the library."""

import numpy as np

from claims.lesson_text import LessonText
from course_lib.course_map import LESSONS
from course_lib.data import mnist, wine_quality
from course_lib.i18n import LANGUAGES

stated = LessonText("00_welcome").stated


def test_mnist_is_what_the_prose_says():
    (x_train, y_train), (x_test, _y_test) = mnist.load_data()
    stated("MNIST holds 70,000 images of handwritten digits, each 28 by 28 pixels.")
    assert len(x_train) + len(x_test) == 70_000
    assert x_train.shape[1:] == x_test.shape[1:] == (28, 28)
    counts = np.bincount(y_train)
    stated("All are close to 6,000; the digit 1 is the most frequent, 5 the rarest.")
    assert counts.argmax() == 1 and counts.argmin() == 5
    assert np.abs(counts - 6000).max() < 800
    stated("takes labels and returns ten counts, one for each digit")
    assert len(counts) == 10


def test_wine_is_what_the_prose_says():
    wines = wine_quality.load_data()
    stated("describes 1,599 red wines by eleven measurements, and the quality")
    assert wines.shape == (1599, 11 + 1)


def test_the_map_names_eleven_lessons_in_order():
    assert [int(lesson.name[:2]) for lesson in LESSONS] == list(range(1, 12))
    for lesson in LESSONS:
        stated(f"| {lesson.name[:2]} |" if not 8 <= int(lesson.name[:2]) <= 10 else "| 08, 09, 10 |")


def test_four_paths_begin_after_lesson_03():
    stated("After lesson 03 you can take any of the four paths.")
    stated("01 to 03 in a row, then four paths: 04; 05 and 06; 07 to 10; 11.")
    column_of_03, row_of_03 = LESSONS[2].place
    assert [lesson.place for lesson in LESSONS[:3]] == [(column, row_of_03) for column in range(3)]
    paths = {}
    for number, lesson in enumerate(LESSONS[3:], start=4):
        assert lesson.place[0] > column_of_03
        paths.setdefault(lesson.place[1], []).append(number)
    assert list(paths.values()) == [[4], [5, 6], [7, 8, 9, 10], [11]]


def test_the_course_speaks_the_languages_that_the_prose_names():
    stated("The course speaks five languages.")
    stated("`en`, `de`, `pt-BR`, `ja` and `zh-CN`")
    assert list(LANGUAGES) == ["en", "de", "pt-BR", "ja", "zh-CN"]
