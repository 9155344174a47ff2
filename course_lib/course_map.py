"""The map of the course: its lessons, in what order they build on each other, and which are there.

Leaves out what a lesson teaches: the lesson says that itself.
"""

import textwrap
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from course_lib.i18n import N_, _

_LESSONS = Path(__file__).parent.parent / "lessons"


@dataclass(frozen=True)
class Lesson:
    """A lesson: its file's name, its short title in English, its place on the map (column, row)."""

    name: str
    title: str
    place: tuple[float, float]

    @property
    def available(self) -> bool:
        """Whether it is written yet."""
        return (_LESSONS / f"{self.name}.py").exists()


LESSONS = (
    Lesson("01_visualize_results", N_("Show results"), (0, 1)),
    Lesson("02_serve_models", N_("Serve models"), (1, 1)),
    Lesson("03_what_models_leak", N_("What models leak"), (2, 1)),
    Lesson("04_pate", N_("Learn from private votes"), (3, 0)),
    Lesson("05_encrypted_inference", N_("Predict on encrypted data"), (3, 1)),
    Lesson("06_encrypted_network", N_("An encrypted network"), (4, 1)),
    Lesson("07_secret_sharing", N_("Share a secret"), (3, 2)),
    Lesson("08_private_prediction_train", N_("Train in the open"), (4, 2)),
    Lesson("09_private_prediction_serve", N_("Serve it shared"), (5, 2)),
    Lesson("10_private_prediction_query", N_("Ask without showing"), (6, 2)),
    Lesson("11_remote_data_science", N_("Work where the data lies"), (3, 3)),
)
_ARROWS = ((1, 2), (2, 3), (3, 4), (3, 5), (3, 7), (3, 11), (5, 6), (7, 8), (8, 9), (9, 10))


def draw() -> Figure:
    """The map as a figure: a box for each lesson, filled where the lesson is there."""
    figure, axes = plt.subplots(figsize=(9.5, 4.2), layout="constrained")
    boxes = []
    for number, lesson in enumerate(LESSONS, start=1):
        face, ink = ("#0072B2", "white") if lesson.available else ("white", "#555555")
        box = {"boxstyle": "round,pad=0.5", "facecolor": face, "edgecolor": "#0072B2"}
        text = f"{number:02}\n{_wrapped(_(lesson.title))}"
        boxes.append(
            axes.text(
                *lesson.place, text, ha="center", va="center", fontsize=10, color=ink, bbox=box, zorder=2
            ).get_bbox_patch()
        )
    for start, end in _ARROWS:
        (_x, start_row), (_x, end_row) = LESSONS[start - 1].place, LESSONS[end - 1].place
        # To another row: down or up from the middle of the box, then to the right.
        way = "arc3" if start_row == end_row else "angle,angleA=90,angleB=180,rad=6"
        arrow = {"arrowstyle": "->", "color": "#777777", "connectionstyle": way}
        arrow |= {"patchA": boxes[start - 1], "patchB": boxes[end - 1]}
        axes.annotate("", LESSONS[end - 1].place, LESSONS[start - 1].place, arrowprops=arrow, zorder=1)
    axes.text(
        0,
        3.2,
        _("filled: ready to run") + "\n" + _("empty: in preparation"),
        fontsize=10,
        color="#555555",
        va="center",
        ha="center",
    )
    axes.set(xlim=(-0.6, 6.6), ylim=(3.6, -0.6))
    axes.axis("off")
    return figure


def _wrapped(title: str) -> str:
    wide = any(unicodedata.east_asian_width(character) == "W" for character in title)
    return textwrap.fill(title, width=7 if wide else 12, break_long_words=wide)
