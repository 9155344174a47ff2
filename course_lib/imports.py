"""What a piece of the course's code imports, read from its text: nothing is run for it.

Promises: every import statement counts, wherever it stands, and so does a text that spells a module of ours
out, such as ``"course_lib.he.service:app"``, since such modules are started by name.
Leaves out: names that are put together while the code runs.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUR_MODULE = re.compile(r"course_lib(\.\w+)*")


def imported_names(code: str, *, package: str = "") -> Iterator[str]:
    """Yield the dotted names that `code`, a module of `package` or a notebook's cell, imports or spells out.

    >>> list(imported_names("from ..data import mnist\\nimport numpy", package="course_lib.he"))
    ['course_lib.data.mnist', 'numpy']
    """
    for node in ast.walk(compile(code, "<code>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Constant(value=str(spelt)) if OUR_MODULE.fullmatch(spelt.partition(":")[0]):
                yield spelt.partition(":")[0]


def files_run(name: str, *, root: Path) -> Iterator[Path]:
    """Yield the files below `root` that importing `name` runs: each package's on the way, then the module's.

    >>> [path.name for path in files_run("course_lib.data.mnist", root=ROOT)]
    ['__init__.py', '__init__.py', 'mnist.py']
    """
    parts = name.split(".")
    if parts[0] != "course_lib":
        return
    for end in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:end])
        yield from (path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file())


def package_of(path: Path, *, root: Path) -> str:
    """Return the dotted name of the package that the file at `path` stands in.

    >>> package_of(Path(__file__), root=ROOT)
    'course_lib'
    """
    return ".".join(path.relative_to(root).parts[:-1])


def course_files(names: Iterable[str], *, root: Path) -> list[Path]:
    """Return the files behind the dotted `names` of modules, those they import, and the JSON beside these.

    A name that stands for a whole package stands for every module in it. Names outside the course are
    passed over.

    >>> [path.name for path in course_files(["course_lib.data.integrity", "numpy"], root=ROOT)]
    ['__init__.py', '__init__.py', 'checksums.json', 'integrity.py', 'i18n.py']
    """
    waiting, seen = list(names), set()
    while waiting:
        for path in _files_of(waiting.pop(), root):
            if path not in seen:
                seen.add(path)
                if path.suffix == ".py":
                    seen.update(path.parent.glob("*.json"))
                    package = package_of(path, root=root)
                    waiting += imported_names(path.read_text(encoding="utf-8"), package=package)
    return sorted(seen)


def _files_of(name: str, root: Path) -> Iterator[Path]:
    """The files that importing `name` runs; where it is a whole package, every module in it."""
    yield from files_run(name, root=root)
    if OUR_MODULE.fullmatch(name):
        yield from root.joinpath(*name.split(".")).rglob("*.py")
