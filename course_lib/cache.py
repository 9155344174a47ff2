"""Long work is done once: its arrays stay on the learner's own machine, and the next notebook finds them.

Promises: a result is found only for the same settings and the same code (`course_lib.fingerprint`), and
whole, byte for byte as it was written; two notebooks that ask at the same time compute once, and when the
first of them dies, the second computes; nothing is unpickled. A damaged result, or a folder that cannot be
used, is told in a warning that names it, and the work is done all the same.
Leaves out: results from another machine, whose last digits differ; secrets, since whoever may read the
learner's files may read these.
"""

import functools
import hashlib
import inspect
import io
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock, Timeout

from course_lib.fingerprint import fingerprint, plain_json
from course_lib.i18n import _, number

Arrays = dict[str, np.ndarray]

_DAYS_KEPT = 30  # since it was last asked for
_SECONDS = "seconds it took"  # lies beside the arrays, whose names have no spaces


class CacheWarning(UserWarning):
    """A result could not be read or kept, and was computed all the same."""


def folder() -> Path:
    """Return the folder of the results: in `COURSE_CACHE`, else in the user's own folder for caches."""
    home = os.environ.get("COURSE_CACHE") or platformdirs.user_cache_dir("course-lib", appauthor=False)
    return Path(home) / "results"


def cached(compute: Callable[..., Mapping[str, np.ndarray]]) -> "Cached":
    """Decorate `compute`, which returns a dict of arrays, so that it works once for each choice of settings.

    Its arguments are the settings: None, truth values, finite numbers, texts, and lists, tuples and dicts
    of these; data it loads inside. A call prints one line, which says whether the arrays were computed or
    found. ``compute.forget()`` lets the next call compute anew.

    Raises ValueError, at the call, when a setting or a value that `compute` uses from outside is of another
    kind, and when it returns anything but a dict of arrays or numbers.

    >>> @cached
    ... def squares(count):
    ...     return {"squares": np.arange(count) ** 2}
    >>> squares.forget()
    >>> squares(count=4)["squares"]
    ↻ squares: computed in 0.0 s and kept on this machine; squares.forget() lets it be computed anew.
    array([0, 1, 4, 9])
    >>> squares(4)["squares"]
    ↻ squares: found on this machine, computed before in 0.0 s; squares.forget() lets it be computed anew.
    array([0, 1, 4, 9])
    """
    return Cached(compute)


class Cached:
    """A function whose results are kept; `cached` makes it."""

    def __init__(self, compute: Callable[..., Mapping[str, np.ndarray]]):
        functools.update_wrapper(self, compute)
        self._compute = compute

    def __call__(self, *arguments, **named) -> Arrays:
        settings = inspect.signature(self._compute).bind(*arguments, **named)
        settings.apply_defaults()
        entry = _Entry(f"{self.__name__}-{self._key(settings.arguments)}")
        with entry.locked(self._say):
            content = entry.read()
            if content is not None:
                line = _(
                    "found on this machine, computed before in {seconds} s; "
                    "{forget} lets it be computed anew."
                )
            else:
                start = time.perf_counter()
                arrays = self._compute(*settings.args, **settings.kwargs)
                content = _packed(self.__name__, arrays, time.perf_counter() - start)
                if entry.write(content):
                    line = _(
                        "computed in {seconds} s and kept on this machine; {forget} lets it be computed anew."
                    )
                else:
                    line = _("computed in {seconds} s.")
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            arrays = dict(kept)
        seconds = float(arrays.pop(_SECONDS))
        self._say(line.format(seconds=number(seconds, 1), forget=f"{self.__name__}.forget()"))
        return arrays

    def forget(self) -> None:
        """Remove what is kept of this function, for whichever settings and whichever state of its code."""
        for path in folder().glob(f"{self.__name__}-*.npz"):
            path.unlink(missing_ok=True)

    def _key(self, settings: Mapping[str, object]) -> str:
        texts = [fingerprint(self._compute)]
        for name, value in settings.items():
            try:
                texts.append(f"{name}={plain_json(value)}")
            except ValueError:
                wrong = _(
                    "The setting {name} of {function} decides which result is found: a finite number, a "
                    "text, or a list or dict of these was expected, not {kind}."
                )
                raise ValueError(
                    wrong.format(name=name, function=self.__name__, kind=type(value).__name__)
                ) from None
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]

    def _say(self, sentence: str) -> None:
        """Print the line; by its first sign the comparison of notebooks' outputs knows to pass it over."""
        print(f"↻ {self.__name__}: {sentence}")


class _Entry:
    """A result on the disk: ``<name>-<key>-<digest of its bytes>.npz``."""

    def __init__(self, stem: str):
        self._stem = stem

    @contextmanager
    def locked(self, say: Callable[[str], None]) -> Iterator[None]:
        """Hold this entry alone. The system frees a lock whose holder dies: nobody waits for the dead."""
        lock = FileLock(folder() / f"{self._stem}.lock", fallback_to_soft=False)
        try:
            folder().mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                say(_("another notebook computes this just now; waiting for its result."))
                lock.acquire()
        except (OSError, NotImplementedError) as error:  # the second: file systems that know no locks
            _tell(_("The folder {path} cannot be used ({reason})."), folder(), error)
        try:
            yield
        finally:
            lock.release()

    def read(self) -> bytes | None:
        """Return the kept bytes, or None; what is damaged is removed, and told."""
        for path in folder().glob(f"{self._stem}-*.npz"):
            try:
                content = path.read_bytes()
                if path.stem.endswith(f"-{_digest(content)}"):
                    os.utime(path)  # asked for today
                    return content
                path.unlink(missing_ok=True)
            except OSError as error:
                _tell(
                    _("The kept result {path} cannot be read ({reason}); the result is computed anew."),
                    path,
                    error,
                )
            else:
                _tell(
                    _("The kept result {path} was damaged and is removed; the result is computed anew."), path
                )
        return None

    def write(self, content: bytes) -> bool:
        """Keep `content`, whole or not at all, and tell which; remove what nobody asked for in a month."""
        try:
            handle, new = tempfile.mkstemp(dir=folder(), prefix=self._stem, suffix=".new")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.replace(new, folder() / f"{self._stem}-{_digest(content)}.npz")
            except BaseException:
                os.unlink(new)
                raise
            for path in folder().glob("*.*"):
                with suppress(FileNotFoundError):  # another notebook was quicker
                    if path.stat().st_mtime < time.time() - _DAYS_KEPT * 24 * 3600:
                        path.unlink()
        except OSError as error:
            _tell(_("The result could not be kept in {path} ({reason})."), folder(), error)
            return False
        return True


def _packed(name: str, arrays: object, seconds: float) -> bytes:
    """Return `arrays` and the time they took as the bytes of an .npz file."""
    wrong = _("{function} should return a dict of arrays or numbers, by name, not {returned}.")
    if not isinstance(arrays, Mapping):
        raise ValueError(wrong.format(function=name, returned=type(arrays).__name__))
    packed = {_SECONDS: np.float64(seconds)}
    for key, value in arrays.items():
        array = np.asarray(value)
        if not (isinstance(key, str) and key.isidentifier() and key != "file") or array.dtype.hasobject:
            raise ValueError(wrong.format(function=name, returned=f"{key!r}: {type(value).__name__}"))
        packed[key] = array
    content = io.BytesIO()
    np.savez(content, **packed)
    return content.getvalue()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _tell(message: str, path: Path, error: Exception | None = None) -> None:
    reason = getattr(error, "strerror", None) or str(error)
    warnings.warn(message.format(path=path, reason=reason), CacheWarning, stacklevel=4)
