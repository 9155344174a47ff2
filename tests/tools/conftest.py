"""A small course in a temporary folder: one lesson, one library module, two languages."""

import pytest

from tools.catalogues import course_messages, update_catalogues
from tools.layout import Course
from tools.lessons import read_lesson

LESSON = """\
# %% [markdown]
# # A small lesson
#
# The number {x} is `scaled` by
# $2^{10}$, see [the map](00_welcome.ipynb).
#
# - one item
# - two items

# %% tags=["imports"]
_ = str
check = print

# %% tags=["nbval-ignore-output", "reason:random"]
# Why we do it
print(_("The sum is {total}.").format(total=1 + 2))  # what it shows

# %% tags=["exercise"]
def decode(number, scale):
    ### BEGIN SOLUTION
    # Undo the scaling
    return number / scale
    ### END SOLUTION


check("small.decode", decode(8, 2))
"""


@pytest.fixture
def course(tmp_path):
    """The course, its catalogues not extracted yet."""
    small = Course(tmp_path, languages=("en", "de"))
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "01_small.py").write_text(LESSON)
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "words.py").write_text('print(_("The file {path} is missing."))\n')
    return small


@pytest.fixture
def lesson(course):
    """The course's one lesson."""
    return read_lesson(course.lesson_files()[0])


@pytest.fixture
def translated(course, lesson):
    """The course with every message translated: its English in capitals, placeholders and marks kept."""
    import polib

    update_catalogues(course, course_messages(course, [lesson]))
    for name in ("course_lib", "01_small"):
        path = course.catalogue(name, "de")
        catalogue = polib.pofile(str(path))
        for entry in catalogue:
            entry.msgstr = german(entry.msgid)
        catalogue.save()
    return course


def german(text):
    """A stand-in for a translation: the first letter doubled."""
    return text[0] + text
