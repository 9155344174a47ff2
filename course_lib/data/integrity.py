"""Reading a data file only if it is, byte for byte, the one that the course was written with.

Promises: what `read` returns has the size and the SHA-256 that ``checksums.json`` holds; anything
else is a `DataError` of one sentence. Leaves out: protection from someone who may write to this
package, who could change ``checksums.json`` too.
"""

import hashlib
import json
from pathlib import Path

from course_lib.i18n import _

#: The repository's ``data/``. It is not part of an installed wheel.
DATA_FOLDER = Path(__file__).parents[2] / "data"

_FILES: dict[str, dict] = json.loads(Path(__file__).with_name("checksums.json").read_text(encoding="utf-8"))

#: The data sets' names: the folders below ``data/``.
DATASETS: tuple[str, ...] = tuple(sorted({name.split("/")[0] for name in _FILES}))


class DataError(OSError):
    """A data file is missing, truncated, altered or unreadable; the message says how to mend it."""


def read(name: str) -> bytes:
    """Return the content of the data file `name`, for example ``wine-quality/winequality-red.csv``.

    The size is compared first: it is told from the file's entry, without reading it.

    Raises DataError as described above; KeyError if the course has no such file.
    """
    expected = _FILES[name]
    path = DATA_FOLDER / name
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size == expected["bytes"] else b""
    except FileNotFoundError as error:
        raise DataError(_missing(name)) from error
    except OSError as error:
        wrong = _(
            "The data file {path} cannot be read ({reason}); in the course's folder, `{mend}` mends it."
        )
        raise DataError(wrong.format(path=path, reason=error.strerror, mend=_mend(name))) from error
    if size != expected["bytes"]:
        wrong = _(
            "The data file {path} has {size} bytes where {expected} were expected; "
            "in the course's folder, `{mend}` mends it."
        )
        raise DataError(wrong.format(path=path, size=size, expected=expected["bytes"], mend=_mend(name)))
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        wrong = _(
            "The data file {path} was altered, its SHA-256 is not the published one; "
            "in the course's folder, `{mend}` mends it."
        )
        raise DataError(wrong.format(path=path, mend=_mend(name)))
    return content


def verify(dataset: str) -> list[str]:
    """Return what is wrong with the files of `dataset`, a sentence for each; an empty list is good.

    Raises ValueError when the course has no such data set.

    >>> verify("wine-quality")
    []
    """
    names = [name for name in _FILES if name.split("/")[0] == dataset]
    if not names:
        message = _("One of the data sets {known} was expected, not {name}.")
        raise ValueError(message.format(known=", ".join(DATASETS), name=repr(dataset)))
    problems = []
    for name in names:
        try:
            read(name)
        except DataError as error:
            problems.append(str(error))
    return problems


def _missing(name: str) -> str:
    if DATA_FOLDER.parent.joinpath("pyproject.toml").is_file():
        missing = _("The data file {path} is missing; in the course's folder, `{mend}` mends it.")
    else:
        missing = _(
            "The data file {path} is missing: the data travels with the course's repository and not with "
            "the installed package, so clone the repository and run `make lab` there."
        )
    return missing.format(path=DATA_FOLDER / name, mend=_mend(name))


def _mend(name: str) -> str:
    return f"git restore data/{name}"
