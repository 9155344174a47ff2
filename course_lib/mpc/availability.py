"""Whether the engine is there: it has no build for Windows, nor for Macs with Intel's processors."""

from importlib.util import find_spec

from course_lib.i18n import _


def has_engine() -> bool:
    """Whether the engine is installed; it is not loaded for that."""
    return find_spec("spu") is not None


def no_engine() -> str:
    """What to do where it is not."""
    return _(
        "The engine of the three parties has no build for this machine. Secret sharing by hand works here;"
        " for the rest, open the course on Binder or, on Windows, in WSL."
    )


def require_engine() -> None:
    """Raise RuntimeError where the engine is not there."""
    if not has_engine():
        raise RuntimeError(no_engine())
