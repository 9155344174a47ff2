"""Where the parts of the course lie.

`Course` names every folder the build reads or writes, so that tests can build a small course in a
temporary folder with the same code. It knows paths and languages only; nothing is read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from course_lib.i18n import LANGUAGES

SOURCE_LANGUAGE = "en"
LESSON_FILE = re.compile(r"\d\d_[a-z0-9_]+\.py")


@dataclass(frozen=True)
class Course:
    """A course's folders below `root`.

    >>> Course(Path("/c")).notebook("05_encrypted_inference", "pt-BR").as_posix()
    '/c/notebooks/pt-BR/05_encrypted_inference.ipynb'
    """

    root: Path
    languages: tuple[str, ...] = tuple(LANGUAGES)

    @property
    def translated_languages(self) -> tuple[str, ...]:
        """All languages but English, which the lessons are written in."""
        return tuple(language for language in self.languages if language != SOURCE_LANGUAGE)

    def lesson_files(self) -> list[Path]:
        """The sources of the lessons, in teaching order."""
        return sorted(
            path for path in (self.root / "lessons").glob("*.py") if LESSON_FILE.fullmatch(path.name)
        )

    def library_files(self) -> list[Path]:
        """Every module of `course_lib`, in a fixed order."""
        return sorted((self.root / "course_lib").rglob("*.py"))

    def notebook(self, lesson: str, language: str) -> Path:
        """The notebook built from `lesson` in `language`."""
        return self.root / "notebooks" / language / f"{lesson}.ipynb"

    def catalogue(self, name: str, language: str) -> Path:
        """What translators edit: `name` is a lesson's name or "course_lib"."""
        return self.root / "translations" / language / f"{name}.po"

    def runtime_catalogue(self, language: str) -> Path:
        """What `course_lib.i18n` looks messages up in."""
        return self.root / "course_lib" / "locale" / language / "LC_MESSAGES" / "course.mo"

    @property
    def glossary(self) -> Path:
        """The terms that every translation uses."""
        return self.root / "translations" / "glossary.csv"

    def relative(self, path: Path) -> str:
        """`path` as people name it, from the root and with forward slashes."""
        return path.relative_to(self.root).as_posix()


HERE = Course(Path(__file__).resolve().parent.parent)
