"""Long work is done once for its settings and code, by whoever asks first; nothing old or broken is found."""

import io
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest

from course_lib import cache, fingerprint
from course_lib.cache import CacheWarning, cached
from course_lib.i18n import LANGUAGES, use_language

PROJECT = Path(__file__).resolve().parents[1]
SCALE = 3


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The learner's folder, empty; no warning passes unseen."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings(), use_language("en"):
        warnings.simplefilter("error")
        yield tmp_path / "cache" / "results"


@pytest.fixture
def log(tmp_path):
    """A file that gets a line each time when `multiples` works."""
    path = tmp_path / "log"
    path.touch()
    return str(path)


@cached
def multiples(log, count=4, factor=1.0):
    with open(log, "a", encoding="utf-8") as file:
        file.write("computed\n")
    return {"multiples": np.arange(count) * factor * SCALE, "mean": 2 * factor}


def times_computed(log):
    return len(Path(log).read_text(encoding="utf-8").splitlines())


def kept(folder):
    return sorted(folder.glob("*.npz"))


def test_a_result_is_computed_once_and_then_found_as_it_was(folder, log, capsys):
    first, second = multiples(log), multiples(log, count=4, factor=1.0)
    assert times_computed(log) == 1
    assert list(first) == list(second) == ["multiples", "mean"]
    for name in first:
        assert first[name].dtype == second[name].dtype and np.array_equal(first[name], second[name])
    assert second["multiples"].tolist() == [0, 3, 6, 9] and f"{second['mean']:.1f}" == "2.0"
    computed, found = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"↻ multiples: computed in \d+\.\d s and kept .* multiples\.forget\(\) .*", computed)
    assert re.fullmatch(r"↻ multiples: found .* before in \d+\.\d s; multiples\.forget\(\) .*", found)
    assert len(kept(folder)) == 1


def test_each_choice_of_settings_has_its_own_result(folder, log):
    for settings in ({"count": 4}, {"count": 5}, {"factor": 2.0}, {"factor": 2.0, "count": 5}):
        multiples(log, **settings)
    assert times_computed(log) == len(kept(folder)) == 4
    assert multiples(log, 5, 2.0)["multiples"][-1] == 24
    assert times_computed(log) == 4


def test_forgetting_lets_it_be_computed_anew(folder, log):
    multiples(log)
    multiples(log, count=5)
    multiples.forget()
    assert kept(folder) == []
    multiples(log)
    assert times_computed(log) == 3


def test_changed_code_never_finds_an_old_result(folder):
    text = (
        "from course_lib.cache import cached\n@cached\ndef work(count):\n    return {'total': count * FACTOR}"
    )
    for factor in (2, 3):
        names = {"__name__": "__main__"}
        exec(compile(text.replace("FACTOR", str(factor)), "<cell>", "exec"), names)
        assert names["work"](5)["total"] == 5 * factor
    assert len(kept(folder)) == 2


# What decides which result is found.

CODE = """
import dataclasses, enum, functools, typing
import numpy as np
from numpy import sqrt
from course_lib.i18n import number

START = 1
TABLE = np.arange(6)

@dataclasses.dataclass(frozen=True)
class Settings:
    rate: float = 0.1
    seen: list = dataclasses.field(default_factory=list)
    @functools.cached_property
    def step(self):
        return self.rate
    @functools.lru_cache
    def half(self):
        doubled = 2
        return self.rate / doubled

class Speed(enum.Enum):
    FAST = 1
    SLOW = 2

class Pair(typing.NamedTuple):
    left: int = 1

class Model:
    bias = 0
    def scores(self, values):
        return values + self.bias

def shifted(values, by=START):
    return [value + by for value in values]

def work(count):
    # a comment
    settings = Settings(), Speed.FAST, Pair(), sqrt(4)
    return {"values": np.asarray(shifted(Model().scores(TABLE[:count]))), "text": number(1.5, 1)}
"""


def digest_of(text):
    """The fingerprint of `work` in a notebook's cell with the source `text`."""
    names = {"__name__": "__main__"}
    exec(compile(text, "<cell>", "exec"), names)
    return fingerprint.fingerprint(names["work"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("count]))", "count])) * 2"),
        ("value + by", "value - by"),
        ("START = 1", "START = 2"),
        ("START = 1", "START = 1.0"),
        ("np.arange(6)", "np.arange(6)[::-1]"),
        ("np.arange(6)", "np.arange(6).astype(float)"),
        ("values + self.bias", "values - self.bias"),
        ("bias = 0", "bias = 1"),
        ("number(1.5, 1)", "number(1.5, 2)"),
        ("number(1.5, 1)", "shifted(values=[1])"),
        ("class Model:", "class Model(dict):"),
        ("rate: float = 0.1", "rate: float = 0.2"),
        ("rate: float", "speed: float"),
        ("default_factory=list", "default_factory=dict"),
        ("FAST = 1", "FAST = 3"),
        ("return self.rate", "return -self.rate"),
        ("doubled = 2", "doubled = 3"),
        ("import number", "import language as number"),
        ("import sqrt", "import cbrt as sqrt"),
    ],
)
def test_other_code_is_another_result(old, new):
    assert old in CODE and digest_of(CODE.replace(old, new)) != digest_of(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# ein Kommentar\n"),
        ("START = 1", "UNUSED = 9\nSTART = 1"),
        ("value + by", "(value + by)"),
    ],
)
def test_words_about_the_code_are_not_the_code(old, new):
    assert old in CODE and digest_of(CODE.replace(old, new)) == digest_of(CODE)


def test_a_function_inside_has_names_of_its_own():
    inside = "def work():\n    thing = 1\n    def inner():\n        return thing\n    return inner()\n"
    assert digest_of("thing = object()\n" + inside) == digest_of("thing = 5\n" + inside)
    outside = inside.replace("    thing = 1\n", "")
    assert digest_of("thing = 4\n" + outside) != digest_of("thing = 5\n" + outside)


def test_a_functions_own_variable_in_a_comprehension_is_not_the_one_outside():
    own = "def work():\n    thing = 1\n    return [thing for _ in range(thing)]\n"
    assert digest_of("thing = object()\n" + own) == digest_of("thing = 5\n" + own)


def test_sets_of_words_have_one_fingerprint_in_every_process():
    program = (
        "from course_lib.fingerprint import fingerprint\n"
        "print(fingerprint(lambda x: x in {'a', 'b', 'c', 'd', ('e', 'f')}))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(digests) == 1


@pytest.fixture
def course(monkeypatch, tmp_path):
    """A copy of the course's library, which a test may change, in the place of the library."""
    root = tmp_path / "course"
    ours = shutil.ignore_patterns("locale", "fonts", "__pycache__")
    shutil.copytree(PROJECT / "course_lib", root / "course_lib", ignore=ours)
    monkeypatch.setattr(fingerprint, "ROOT", root)
    return root / "course_lib"


DATA = "from course_lib.data import mnist\ndef work():\n    return mnist.load_data()"
IMPORTS_INSIDE = "def work():\n    from course_lib.data import mnist\n    return mnist.load_data()"
IN_WORDS = "def work():\n    return start('course_lib.data.mnist')"
PACKAGE = "import course_lib.data\ndef work():\n    return course_lib.data.mnist.load_data()"


@pytest.mark.parametrize("text", [DATA, IMPORTS_INSIDE, IN_WORDS, PACKAGE])
@pytest.mark.parametrize("changed", ["data/mnist.py", "data/integrity.py", "i18n.py", "data/checksums.json"])
def test_a_changed_module_that_the_work_reaches_is_another_result(course, text, changed):
    before = digest_of(text)
    with (course / changed).open("a", encoding="utf-8") as file:
        file.write("\nMORE = 1\n")
    assert digest_of(text) != before


def test_a_module_that_the_work_does_not_reach_and_comments_do_not_count(course):
    before = digest_of(DATA)
    for name, more in (("he/noise.py", "\nMORE = 1\n"), ("data/mnist.py", "\n# a comment\n")):
        with (course / name).open("a", encoding="utf-8") as file:
            file.write(more)
    assert digest_of(DATA) == before


def test_another_version_of_a_package_is_another_result(monkeypatch):
    before = digest_of(CODE)
    versions = {"numpy": "1.0"}
    version = fingerprint.metadata.version
    monkeypatch.setattr(fingerprint.metadata, "version", lambda name: versions.get(name) or version(name))
    assert digest_of(CODE) != before


# Bad input.


@pytest.mark.parametrize("value", [np.arange(3), {1: 2}, float("nan"), b"bytes", object(), [1, {2}]])
def test_a_setting_that_cannot_be_told_apart_is_refused(log, value):
    with pytest.raises(ValueError, match=rf"setting factor of multiples .* not {type(value).__name__}"):
        multiples(log, factor=value)
    assert times_computed(log) == 0


@pytest.mark.parametrize("value", ["np.random.default_rng(0)", "np.array([None])", "[].append", "{1: 2}"])
def test_a_value_from_outside_is_named_when_it_is_refused(value):
    text = f"import numpy as np\nsource = {value}\ndef work():\n    return source"
    with pytest.raises(ValueError, match="uses source from outside"):
        digest_of(text)


@pytest.mark.parametrize(
    "returned", [None, [1, 2], {1: 2}, {"a": None}, {"a": np.array([object()])}, {"file": 1}, {"a b": 1}]
)
def test_only_a_dict_of_arrays_is_kept(folder, returned):
    @cached
    def work():
        return source()

    def source():
        return eval(shown)

    shown = repr(returned).replace("array(", "np.array(")
    shown = re.sub(r"<object .*?>", "object()", shown).replace(", dtype=object", "")
    with pytest.raises(ValueError, match="work should return a dict of arrays or numbers"):
        work()
    assert kept(folder) == []


def test_an_error_in_the_work_is_the_readers_and_leaves_nothing(folder):
    @cached
    def work(divisor):
        return {"result": 1 / divisor}

    with pytest.raises(ZeroDivisionError):
        work(0)
    assert kept(folder) == []
    assert work(2)["result"] == 0.5


# Damage.


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_a_damaged_result_is_told_removed_and_computed_anew(folder, log, damage):
    whole = multiples(log)
    (path,) = kept(folder)
    damage(path)
    with pytest.warns(CacheWarning, match=f"{re.escape(str(path))} was damaged"):
        again = multiples(log)
    assert times_computed(log) == 2 and np.array_equal(again["multiples"], whole["multiples"])
    assert multiples(log)["mean"] == 2 and times_computed(log) == 2


def test_nothing_is_unpickled(folder, log):
    multiples(log)
    (path,) = kept(folder)
    evil = io.BytesIO()
    np.savez(evil, multiples=np.array([{}]))
    name = path.stem.rpartition("-")[0]
    path.unlink()
    (folder / f"{name}-{cache._digest(evil.getvalue())}.npz").write_bytes(evil.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        multiples(log)


def test_where_nothing_can_be_kept_the_work_is_done_and_it_is_told(monkeypatch, tmp_path, log, capsys):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("COURSE_CACHE", str(in_the_way))
    with pytest.warns(CacheWarning, match=re.escape(str(in_the_way))):
        assert multiples(log)["mean"] == 2
    assert re.fullmatch(r"↻ multiples: computed in \d+\.\d s\.\n", capsys.readouterr().out)


def test_a_result_is_written_whole_or_not_at_all(monkeypatch, folder, log):
    def full(*_paths):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(cache.os, "replace", full)
        with pytest.warns(CacheWarning, match="could not be kept .*No space left"):
            multiples(log)
    assert [path for path in folder.iterdir() if path.suffix != ".lock"] == []
    multiples(log)
    assert times_computed(log) == 2 and len(kept(folder)) == 1


def test_what_nobody_asked_for_in_a_month_is_removed(folder, log):
    multiples(log)
    multiples(log, count=5)
    left = folder / "multiples-0.new"  # by a process that was killed
    left.touch()
    long_ago = time.time() - 31 * 24 * 3600
    for path in [*kept(folder), left]:
        os.utime(path, (long_ago, long_ago))
    multiples(log, count=5)  # asked for: stays
    multiples(log, count=6)
    assert len(kept(folder)) == 2 and not left.exists()
    multiples(log, count=5)
    assert times_computed(log) == 3


# Two at a time.

SLOW = """
import os, sys, time
from pathlib import Path
import numpy as np
from course_lib.cache import cached

@cached
def work(log, gate):
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not Path(gate).exists():
        time.sleep(0.02)
    return {"answer": 42}

print(int(work(sys.argv[1], sys.argv[2])["answer"]), flush=True)
"""


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come in a minute"
        time.sleep(0.02)


@pytest.fixture
def two(log, tmp_path):
    """Two processes that ask for one result: the first is at work, the second has said that it waits.

    Also a function that opens the gate and returns what the second said until its end.
    """
    gate, said = tmp_path / "gate", tmp_path / "said"
    command = [sys.executable, "-u", "-c", SLOW, log, str(gate)]
    surroundings = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with said.open("wb") as output:
        first = subprocess.Popen(command, cwd=PROJECT, env=surroundings, stdout=subprocess.DEVNULL)
        wait_until(lambda: times_computed(log) == 1)
        second = subprocess.Popen(command, cwd=PROJECT, env=surroundings, stdout=output)
    wait_until(lambda: "another notebook computes this just now" in said.read_text(encoding="utf-8"))

    def end():
        gate.touch()
        assert second.wait(timeout=60) == 0
        return said.read_text(encoding="utf-8")

    yield first, end
    for process in (first, second):
        process.kill()
        process.wait()


def test_two_that_ask_at_once_compute_once(two, log):
    first, end = two
    said = end()
    assert first.wait(timeout=60) == 0
    assert "found on this machine" in said and said.endswith("42\n")
    assert times_computed(log) == 1


def test_when_the_first_dies_the_second_computes(two, log):
    first, end = two
    first.kill()
    wait_until(lambda: times_computed(log) == 2)
    said = end()
    assert "computed in" in said and said.endswith("42\n")


# Notebooks, and the workers of a test run.


def test_notebooks_in_each_language_find_one_result_and_show_the_same(tmp_path):
    cell = (
        "import numpy as np\nfrom course_lib.cache import cached\n\n@cached\ndef work(count):\n"
        "    # {comment}\n    return {{'total': np.arange(count).sum()}}\n\nprint(work(4)['total'])"
    )
    for code in LANGUAGES:
        stored = nbformat.v4.new_output(
            "stream", name="stdout", text=f"↻ work: in the words of {code}\n{6}\n"
        )
        source = cell.format(comment=f"said in {code}")
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source, outputs=[stored], execution_count=1)]
        )
        path = tmp_path / "notebooks" / code / "small.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    sanitize = PROJECT / "tests" / "nbval_sanitize.cfg"
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval",
        "--nbval-current-env",
        f"--nbval-sanitize-with={sanitize}",
    ]
    run = [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path / "notebooks")]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "5 passed" in done.stdout, done.stdout
    assert len(list((tmp_path / "cache" / "results").glob("work-*.npz"))) == 1


def test_the_workers_of_a_test_run_share_one_cache_and_leave_nothing(tmp_path):
    seen = tmp_path / "seen"
    seen.mkdir()
    shutil.copy(PROJECT / "conftest.py", tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(
            "import os, time\nfrom pathlib import Path\n\n\ndef test_it():\n"
            f"    seen = Path({str(seen)!r})\n"
            "    folders = os.environ['COURSE_CACHE'] + '\\n' + os.environ['COURSE_HOME']\n"
            f"    (seen / '{name}').write_text(folders)\n"
            "    assert Path(os.environ['COURSE_CACHE']).is_dir()\n"
            "    while len(list(seen.iterdir())) < 2:\n"
            "        time.sleep(0.02)\n"
        )
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"]
    run += ["-p", "xdist.plugin", "--rootdir", str(tmp_path), str(tmp_path)]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take long to load, three times
    done = subprocess.run(run, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    caches, homes = zip(*((seen / name).read_text().split("\n") for name in ("one", "two")), strict=True)
    assert len(set(caches)) == 1 and len(set(homes)) == 2
    assert str(tmp_path / "cache") not in caches  # nor is the learner's own one used
    assert not any(Path(path).exists() for path in (*caches, *homes))
