"""Which exercises are done: one small JSON file on the learner's own machine.

Promises: two notebooks that solve exercises at the same time both get theirs recorded; a crash leaves
the old file or the new one, never half of one; a file that cannot be read is put aside and told, and a
folder that cannot be written is told, and in both cases the lesson goes on.
Leaves out: what was tried, and how often.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from course_lib.i18n import _

_LONGEST_WAIT = 10  # seconds for another kernel to finish writing a few hundred bytes


class RecordWarning(UserWarning):
    """What was done could not be read or kept."""


class Record:
    """The record in the folder `COURSE_HOME`, else in the user's data folder."""

    def __init__(self):
        home = os.environ.get("COURSE_HOME") or platformdirs.user_data_dir("course-lib", appauthor=False)
        self.path = Path(home) / "exercises.json"

    def done(self) -> Mapping[str, str]:
        """Return the exercises done, by name, each with the day (ISO 8601) on which it was solved first."""
        try:
            return self._read()
        except OSError as error:
            _tell(_("Which exercises are done cannot be read from {path} ({reason})."), self.path, error)
        except ValueError:
            _tell(
                _("The record of exercises in {path} is damaged; a new one begins with the next."), self.path
            )
        return {}

    def add(self, name: str) -> None:
        """Record that the exercise `name` is done today, unless it was before."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_LONGEST_WAIT):
                try:
                    done = self._read()
                except ValueError:
                    done = self._put_aside()
                if name not in done:
                    self._write({**done, name: date.today().isoformat()})
        except (OSError, Timeout) as error:
            _tell(_("That this exercise is done could not be kept in {path} ({reason})."), self.path, error)

    def _read(self) -> dict[str, str]:
        """Return what the file holds; raises ValueError when that is no record of exercises."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return {name: date.fromisoformat(day).isoformat() for name, day in content["done"].items()}
        except FileNotFoundError:
            return {}
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{self.path} holds no record of exercises") from error

    def _write(self, done: Mapping[str, str]) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name, suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as new:
                json.dump({"done": done}, new, indent=2)
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise

    def _put_aside(self) -> dict[str, str]:
        aside = self.path.with_name(f"{self.path.name}.broken")
        os.replace(self.path, aside)
        _tell(
            _("The record of exercises was damaged; it was put aside as {path}, and a new one begins."), aside
        )
        return {}


def _tell(message: str, path: Path, error: Exception | None = None) -> None:
    reason = getattr(error, "strerror", None) or str(error)
    warnings.warn(message.format(path=path, reason=reason), RecordWarning, stacklevel=4)
