"""Is this machine ready for the course? Each answer says what to do where it is not.

Promises: about a second or two, no network, nothing changed. ``✓`` is well, ``!`` works but may bother you,
``✗`` has to be mended. Leaves out: speed, and what only one lesson needs.
"""

import platform
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import psutil
from packaging.requirements import InvalidRequirement, Requirement

from course_lib import data
from course_lib.i18n import LANGUAGES, _, number
from course_lib.processes import HOST

REPOSITORY = Path(__file__).parents[1]

_MEMORY_NEEDED = 1.5  # GB: what the largest notebook takes together with its service
_DISK_NEEDED = 1.0  # GB
_CONTAINER = Path("/sys/fs/cgroup")  # where Linux says what a container may take (cgroup v2)
_MOST_NAMED = 5  # packages that one line names

#: A word of each language's own letters, which a figure must be able to draw.
_SAMPLES = {
    "en": "Privacy − ε",
    "de": "Schlüssel",
    "pt-BR": "Predição",
    "ja": "準同型暗号",
    "zh-CN": "同态加密",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: `mark` is ✓, ! or ✗; `advice` is empty where nothing is to be done."""

    mark: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.mark} {self.what}" + (f"\n    → {self.advice}" if self.advice else "")


@dataclass(frozen=True, repr=False)
class Report:
    """What `doctor` found; a notebook shows it line by line."""

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether nothing has to be mended; a warning does not count."""
        return all(finding.mark != "✗" for finding in self.findings)

    def __repr__(self) -> str:
        summary = _("All is well.") if self.well else _("What is marked ✗ has to be mended.")
        return "\n".join([*map(str, self.findings), summary])


def doctor() -> Report:
    """Look at Python, packages, memory, disk, ports, data and fonts, and return what was found.

    >>> doctor().findings[0].mark
    '✓'
    """
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _torch,
        _memory,
        _disk,
        _ports,
        _data,
        _fonts,
    )
    return Report(tuple(finding for check in checks for finding in check()))


def _python() -> Iterator[Finding]:
    what = _("Python {version}").format(version=platform.python_version())
    if sys.version_info[:2] == (3, 11):
        yield Finding("✓", what)
    else:
        advice = _("The course needs Python 3.11: in the course's folder, `make lab` sets it up.")
        yield Finding("✗", what, advice)


def _packages() -> Iterator[Finding]:
    lock = REPOSITORY / "requirements.txt"
    if not lock.is_file():
        what = _("The packages cannot be compared: {path} is missing.").format(path=lock)
        advice = _("Clone the course's repository and run `make lab` there.")
        yield Finding("!", what, advice)
        return
    locked = list(_locked(lock.read_text(encoding="utf-8")))
    different = {found.name: difference for found in locked if (difference := _difference(found))}
    wrong = list(different.values())
    if not wrong:
        yield Finding("✓", _("{count} packages are those of the lock.").format(count=len(locked)))
        return
    names = ", ".join(wrong[:_MOST_NAMED]) + (", …" if len(wrong) > _MOST_NAMED else "")
    what = _("{count} of {all} packages are not those of the lock: {names}")
    advice = _("In the course's folder, `sh tools/setup.sh` mends it.")
    # The set-up goes on without PyTorch where it can't be reached: most lessons need none.
    mark = "!" if list(different) == ["torch"] and not _is_installed("torch") else "✗"
    yield Finding(mark, what.format(count=len(wrong), all=len(locked), names=names), advice)


def _locked(lock: str) -> Iterator[Requirement]:
    """Yield the requirements that hold for this machine and name one exact version."""
    for line in lock.splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip().removesuffix("\\").strip()
        if not text or text.startswith("-"):  # a comment, an option of pip, a hash
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ValueError(f"expected 'name==version' in requirements.txt, not {text!r}") from error
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _difference(requirement: Requirement) -> str | None:
    """Return how what is installed differs from `requirement`; a local build, +cpu, is no difference."""
    if not _is_installed(requirement.name):
        return _("{name} is missing").format(name=requirement.name)
    installed = metadata.version(requirement.name)
    if requirement.specifier.contains(installed, prereleases=True):
        return None
    return f"{requirement.name} {installed} ({requirement.specifier})"


def _torch() -> Iterator[Finding]:
    found = util.find_spec("torch")  # without importing it, which takes seconds
    if found is None or found.origin is None:
        return  # told with the packages
    version = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    cuda = re.search(r"^cuda\b.*=\s*(['\"].+['\"])", version, flags=re.MULTILINE)
    if cuda is None:
        yield Finding("✓", _("PyTorch is a build without CUDA."))
    else:
        what = _("PyTorch is a build with CUDA {version}: it works, and takes some gigabytes more.")
        advice = _("The course needs no graphics card; PyTorch's CPU build takes less room.")
        yield Finding("!", what.format(version=cuda[1].strip("'\"")), advice)


def _memory() -> Iterator[Finding]:
    free = _free_memory() / 1e9
    what = _("{free} GB of memory are free.").format(free=number(free, 1))
    if free >= _MEMORY_NEEDED:
        yield Finding("✓", what)
    else:
        advice = _("{needed} GB are needed at times: close other programs and notebooks.")
        yield Finding("!", what, advice.format(needed=number(_MEMORY_NEEDED, 1)))


def _free_memory() -> float:
    """Return the bytes this process may still take: the machine's, or its container's where that is less."""
    free = psutil.virtual_memory().available
    limit = _CONTAINER / "memory.max"
    if limit.is_file() and (most := limit.read_text().strip()) != "max":
        used = int((_CONTAINER / "memory.current").read_text())
        statistics = dict(line.split() for line in (_CONTAINER / "memory.stat").read_text().splitlines())
        cached = int(statistics.get("inactive_file", 0))  # the kernel gives it back when it is asked
        free = min(free, int(most) - used + cached)
    return free


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(REPOSITORY).free / 1e9
    what = _("{free} GB of the disk are free.").format(free=number(free, 1))
    if free >= _DISK_NEEDED:
        yield Finding("✓", what)
    else:
        advice = _("{needed} GB are needed to save notebooks and models: delete what you no longer need.")
        yield Finding("✗", what, advice.format(needed=number(_DISK_NEEDED, 1)))


def _ports() -> Iterator[Finding]:
    try:
        with (
            socket.create_server((HOST, 0)) as server,
            socket.create_connection(server.getsockname(), timeout=2) as caller,
        ):
            server.settimeout(2)
            answering, _address = server.accept()
            with answering:
                answering.sendall(b"?")
                caller.recv(1)
    except OSError as error:
        what = _("No server can be reached on {host} ({reason}).").format(host=HOST, reason=error)
        yield Finding("✗", what, _("Let your firewall allow connections from this machine to itself."))
    else:
        yield Finding("✓", _("Servers can be started and reached on {host}.").format(host=HOST))


def _data() -> Iterator[Finding]:
    for dataset in data.DATASETS:
        problems = data.verify(dataset)
        if not problems:
            yield Finding("✓", _("The data set {name} is complete and unaltered.").format(name=dataset))
        yield from (Finding("✗", problem) for problem in problems)


def _fonts() -> Iterator[Finding]:
    from course_lib.figures import font_families, missing_glyphs  # matplotlib is quick, but not free

    lost = [code for code, sample in _SAMPLES.items() if missing_glyphs(sample, font_families(code))]
    if not lost:
        yield Finding(
            "✓", _("Figures can be drawn in {languages}.").format(languages=", ".join(LANGUAGES.values()))
        )
        return
    names = ", ".join(LANGUAGES[code] for code in lost)
    advice = _("In the course's folder, `{mend}` brings the fonts back.").format(
        mend="git restore course_lib/fonts"
    )
    yield Finding("✗", _("Figures have no letters for {languages}.").format(languages=names), advice)
