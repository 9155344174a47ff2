"""A digest of all the code that a function can reach, to tell whether an old result is still its own.

Promises: `fingerprint` changes when the function changes, or a function, class or value that it uses, or a
module of the course that these reach, or the version of a package that any of them imports. Comments and
formatting do not count, so that a notebook has the same digest in every language.
Leaves out: files that the function reads (the course's data sets are held by their checksums, which do
count), environment variables, and modules that are found by a name put together while the code runs.
"""

import ast
import dataclasses
import dis
import enum
import functools
import hashlib
import inspect
import json
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType

import numpy as np

from course_lib.i18n import _
from course_lib.imports import OUR_MODULE, ROOT, course_files, imported_names, package_of

_PACKAGES = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}


def fingerprint(function: Callable) -> str:
    """Return 16 hexadecimal digits that stand for the code which `function` can reach.

    A value that the function uses from outside must be a number, a text, a list or dict of these, or an
    array without Python objects. Raises ValueError, which names the value, when it is anything else.

    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)
    True
    """
    reached = _Reached()
    reached.add(function.__name__, function)
    parts = [*sys.version_info[:2], *reached.own]
    imported = set(reached.modules)
    for path in course_files(reached.modules, root=ROOT):
        text = path.read_text(encoding="utf-8")
        parts.append(path.relative_to(ROOT).as_posix())
        if path.suffix == ".py":
            parts.append(_code_alone(text))
            imported |= set(imported_names(text, package=package_of(path, root=ROOT)))
        else:
            parts.append(text)
    roots = {name.partition(".")[0] for name in imported} - {"course_lib"}
    parts += [f"{name}=={metadata.version(name)}" for name in _distributions(roots)]
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


class _Reached:
    """What a function can reach: its own code and values as texts, and modules by their names."""

    def __init__(self):
        self.own: list[str] = []
        self.modules: set[str] = set()
        self._seen: set[int] = set()

    def add(self, name: str, value: object) -> None:
        """Add `value`, which the code calls `name`."""
        if inspect.ismodule(value):
            self.own.append(f"{name} = {value.__name__}")
            self.modules.add(value.__name__)
            if _is_own(value.__name__):
                self.own.append(Path(value.__file__).read_text(encoding="utf-8"))
        elif isinstance(value, (FunctionType, type)) and _is_own(value.__module__, value):
            if id(value) not in self._seen:  # the function holds it: its id is not used again meanwhile
                self._seen.add(id(value))
                self._add_class(value) if isinstance(value, type) else self._add_function(value)
        elif hasattr(value, "__wrapped__"):
            self.add(name, value.__wrapped__)
        elif hasattr(value, "__name__") and not _holds_an_object(value):  # a function, class or ufunc
            module = getattr(value, "__module__", None) or "builtins"
            self.own.append(f"{name} = {module}.{value.__name__}")
            self.modules.add(module)
            if isinstance(value, FunctionType):  # its module's text does not tell which one it is
                self._add_code(value.__code__, {})
        else:
            self.own.append(f"{name} = {_value(name, value)}")

    def _add_function(self, function: FunctionType) -> None:
        self.own.append(function.__name__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        around = function.__globals__ | {name: cell.cell_contents for name, cell in cells}
        defaults = {str(place): value for place, value in enumerate(function.__defaults__ or ())}
        for name, value in {**defaults, **(function.__kwdefaults__ or {})}.items():
            self.add(name, value)
        self._add_code(function.__code__, around)

    def _add_class(self, kind: type) -> None:
        self.own += [base.__qualname__ for base in kind.__mro__]
        for base in kind.__bases__:
            self.add(base.__name__, base)
        members = dict(vars(kind))
        made = dataclasses.is_dataclass(kind) or hasattr(
            kind, "_fields"
        )  # its methods are made from its fields
        if dataclasses.is_dataclass(kind):
            self.own += [f"{field.name}: {field.type}" for field in dataclasses.fields(kind)]
            members |= {
                field.name: field.default_factory
                for field in dataclasses.fields(kind)
                if field.default_factory is not dataclasses.MISSING
            }
        for name, member in members.items():
            for value in _parts_of(member):
                if isinstance(value, FunctionType):
                    if not (made and value.__code__.co_filename == "<string>"):
                        self.add(name, value)
                elif not name.startswith("_"):
                    self.add(name, value)

    def _add_code(self, code: CodeType, around: dict[str, object]) -> None:
        """Add byte code (which has no comments, and no line numbers) and all that it looks up by name."""
        self.own += [
            code.co_code.hex(),
            code.co_exceptiontable.hex(),
            repr(code.co_names),
            repr(code.co_varnames),
        ]
        # A function inside sees this one's own names before equal ones outside.
        inside = {name: value for name, value in around.items() if name not in code.co_cellvars}
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._add_code(constant, inside)
            else:
                self.own.append(_constant(constant))
                if isinstance(constant, str) and OUR_MODULE.fullmatch(constant):
                    self.modules.add(constant)
        package = ""
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                package = step.argval
                self.modules.add(package)
            elif step.opname == "IMPORT_FROM":
                self.modules.add(f"{package}.{step.argval}")
            elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF") and step.argval in inside:
                self.add(step.argval, inside[step.argval])


def _parts_of(member: object) -> list[object]:
    """What decides a class's member: functions behind a property, or the value itself."""
    if isinstance(member, FunctionType):
        return [member]
    if isinstance(member, property):
        return [part for part in (member.fget, member.fset, member.fdel) if part]
    for where in ("__func__", "func", "__wrapped__"):  # a static or class method, a cached one
        if hasattr(member, where):
            return [getattr(member, where)]
    return [] if hasattr(member, "__get__") else [member]


def _is_own(module: str | None, value: object = None) -> bool:
    """Tell whether the module is the reader's: a notebook, or a file outside the course and all packages.

    `value` is a function or class of that module; a package's decorator gives its own function that name.
    """
    if isinstance(value, FunctionType) and _is_in_a_package(value.__code__.co_filename):
        return False
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if module == "__main__":
        return True
    if file is None or OUR_MODULE.fullmatch(module):
        return False
    return not _is_in_a_package(file)


def _is_in_a_package(file: str) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in _PACKAGES)


def _holds_an_object(function: object) -> bool:
    """Tell whether `function` is a method of some object, whose state decides what it returns."""
    holder = getattr(function, "__self__", None)
    return not (holder is None or isinstance(holder, type) or inspect.ismodule(holder))


def _value(name: str, value: object) -> str:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest = hashlib.sha256(np.ascontiguousarray(value)).hexdigest()
        return f"{value.dtype.str} {value.shape} {digest}"
    if isinstance(value, enum.Enum):
        return f"{value.name} {_value(name, value.value)}"
    try:
        return plain_json(value)
    except ValueError:
        wrong = _(
            "A function whose result is kept uses {name} from outside; a finite number, a text, a list "
            "or dict of these, or an array was expected there, not {kind}: make it inside the function."
        )
        raise ValueError(wrong.format(name=name, kind=type(value).__name__)) from None


def plain_json(value: object) -> str:
    """Return `value` as JSON: None, truth values, finite numbers, texts; lists, tuples, dicts of these.

    Raises ValueError when it is or holds anything else.

    >>> plain_json({"sigma": 40.0, "parts": (1, 2)})
    '{"parts": [1, 2], "sigma": 40.0}'
    """
    match value:
        case None | bool() | int() | float() | str():
            return json.dumps(value, allow_nan=False)
        case list() | tuple():
            return f"[{', '.join(map(plain_json, value))}]"
        case dict() if all(isinstance(key, str) for key in value):
            return f"{{{', '.join(f'{json.dumps(key)}: {plain_json(value[key])}' for key in sorted(value))}}}"
    raise ValueError(f"a plain value was expected, not {value!r} of type {type(value).__name__}")


def _constant(constant: object) -> str:
    if isinstance(constant, frozenset):  # their order changes from process to process
        return f"frozenset({sorted(map(_constant, constant))})"
    if isinstance(constant, tuple):
        return f"({', '.join(map(_constant, constant))})"
    return repr(constant)


def _code_alone(text: str) -> str:
    """The code's syntax tree, without comments and formatting."""
    return ast.dump(ast.parse(text))


def _distributions(roots: Iterable[str]) -> list[str]:
    brought_by = _packages()
    return sorted({name for root in roots for name in brought_by.get(root, [])})


_packages = functools.lru_cache(metadata.packages_distributions)  # half a second
