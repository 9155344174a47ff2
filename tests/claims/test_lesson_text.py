"""The words that claims tests are held to are looked for as a reader would."""

import pytest

from claims.lesson_text import LessonText, one_line

WELCOME = LessonText("00_welcome")


def test_a_line_break_is_a_space():
    assert one_line("# They travel\n#   with you,\n#\nx = 1  # one") == "They travel with you, x = 1 # one"
    WELCOME.stated("to work with data that\nnobody may see")


@pytest.mark.parametrize("fragment", ["71,000 images", "0,000 images", "70,000 image", "no such words"])
def test_what_is_not_said_is_noticed(fragment):
    WELCOME.stated("70,000 images")
    with pytest.raises(AssertionError, match="no longer says"):
        WELCOME.stated(fragment)
