"""The set-up of a fresh machine and of a server, told by programs that only note what they were asked."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SHELL_PROGRAMS = [
    "awk",
    "cat",
    "chmod",
    "cp",
    "df",
    "dirname",
    "du",
    "grep",
    "make",
    "mkdir",
    "rm",
    "sed",
    "sh",
]
SHELL_PROGRAMS += ["sleep", "tail", "touch", "tr", "uname"]

# Says it is Python $VERSION, makes environments by copying itself, fails where $REFUSES fits what is asked.
PRETENDED_PYTHON = f"""#!/bin/sh
echo "$*" >>"$CALLS"
if [ -n "$REFUSES" ] && echo "$*" | grep -qE -e "$REFUSES"; then
    echo "$REASON"
    exit 1
fi
case "$*" in
    *version_info*) echo "$VERSION" ;;
    "-c print(open"*) exec {sys.executable} "$@" ;;
    *"version(\\"torch\\")"*) exit 1 ;;
    "-m pip check") [ -z "$CHECKED" ] || echo "$CHECKED"; exit "$CHECK_STATUS" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/pyvenv.cfg" ;;
esac
"""

# Makes an environment around the Python 3.11 that it brought.
PRETENDED_UV = """#!/bin/sh
for folder; do :; done
mkdir -p "$folder/bin"
sed 's/"$VERSION"/3.11/' "$BROUGHT" >"$folder/bin/python"
chmod +x "$folder/bin/python"
"""


class Machine:
    """A folder with the course's files, and a PATH with shell programs and pretended Pythons alone."""

    def __init__(self, folder: Path):
        self.course, self.programs, self.calls = folder / "course", folder / "programs", folder / "calls"
        (self.course / "tools").mkdir(parents=True)
        for name in ("Makefile", "requirements.txt", "pyproject.toml", "tools/setup.sh"):
            shutil.copy(PROJECT / name, self.course / name)
        self.programs.mkdir()
        for name in SHELL_PROGRAMS:
            (self.programs / name).symlink_to(shutil.which(name))

    def add(self, name: str, script: str) -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def run(
        self, *command: str, version="3.11", refuses="", reason="refused", checked="No broken", status=None
    ):
        self.calls.write_text("")
        environment = {"PATH": str(self.programs), "CALLS": str(self.calls), "VERSION": version}
        environment |= {"REFUSES": refuses, "REASON": reason, "BROUGHT": str(self.programs / "python3")}
        environment["CHECKED"] = checked
        environment["CHECK_STATUS"] = str((0 if checked == "No broken" else 1) if status is None else status)
        return subprocess.run(
            command or ("sh", "tools/setup.sh"),
            cwd=self.course,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def installed(self) -> list[str]:
        """What pip and uv were asked to install, in order."""
        lines = self.calls.read_text().splitlines()
        return [line.partition(" install ")[2] for line in lines if " install " in line]


@pytest.fixture
def machine(tmp_path) -> Machine:
    machine = Machine(tmp_path)
    machine.add("python3.11", PRETENDED_PYTHON)
    machine.add("uname", "#!/bin/sh\necho Linux\n")
    return machine


def test_everything_is_installed_and_nothing_that_was_not_asked_for(machine):
    result = machine.run()
    assert result.returncode == 0 and result.stderr == "", result
    assert machine.installed() == [
        "--no-deps -r .cache/requirements-without-torch.txt",
        "--no-deps torch==2.13.0+cpu",
        "--no-deps --no-build-isolation -e .",
    ]
    assert (machine.course / ".venv/.course-ready").read_text().strip() == str(machine.course)
    assert os.listdir(machine.course / ".cache") == ["setup.log"]


def test_pytorch_comes_by_uv_where_pip_has_no_cpu_build(machine):
    result = machine.run(refuses=r"pip .*\+cpu")
    assert result.returncode == 0 and "without it" not in result.stdout
    assert machine.installed()[1:3] == [
        "--no-deps torch==2.13.0+cpu",
        "--python .venv/bin/python --no-deps --torch-backend cpu torch==2.13.0",
    ]


def test_without_pytorch_the_course_goes_on_and_says_so(machine):
    (machine.course / "lessons").mkdir()
    (machine.course / "lessons/04_pate.py").write_text("import torch\n")
    result = machine.run(refuses="torch==")
    assert result.returncode == 0
    assert "goes on without it. What needs it here: lessons/04_pate.py" in result.stdout
    assert (machine.course / ".venv/.course-ready").exists()


def test_elsewhere_plain_pytorch_is_the_cpu_build(machine):
    machine.add("uname", "#!/bin/sh\necho Darwin\n")
    machine.run()
    assert "--no-deps torch==2.13.0" in machine.installed()


def test_what_was_interrupted_is_built_anew(machine):
    failed = machine.run(refuses="-r .cache", reason="Connection refused")
    assert failed.returncode == 1
    assert "Connection refused" in failed.stderr and "could not be installed" in failed.stderr
    assert not (machine.course / ".venv/.course-ready").exists()
    (machine.course / ".venv/half-installed").touch()
    assert machine.run().returncode == 0
    assert not (machine.course / ".venv/half-installed").exists()


def test_an_update_that_fails_is_noticed_the_next_time(machine):
    machine.run()
    assert machine.run(refuses="-r .cache").returncode == 1
    assert not (machine.course / ".venv/.course-ready").exists()


def test_an_environment_that_is_there_already_is_filled_and_never_thrown_away(machine):
    (machine.course / "conda/bin").mkdir(parents=True)
    shutil.copy(machine.programs / "python3.11", machine.course / "conda/bin/python")
    (machine.course / "conda/theirs").touch()
    for refuses, status in (("-r .cache", 1), ("", 0)):
        assert machine.run("sh", "tools/setup.sh", "conda", refuses=refuses).returncode == status
        assert (machine.course / "conda/theirs").exists()
    assert "-m venv" not in machine.calls.read_text()


def test_the_environment_of_another_copy_of_the_course_is_left_alone(machine, tmp_path):
    assert machine.run().returncode == 0
    first, machine.course = machine.course, tmp_path / "second"
    shutil.copytree(first, machine.course, symlinks=True)
    (first / ".venv/theirs").touch()
    refused = machine.run("sh", "tools/setup.sh", str(first / ".venv"))
    assert refused.returncode == 1 and f"belongs to the course in {first}" in refused.stderr
    assert (first / ".venv/theirs").exists() and machine.installed() == []
    (machine.course / ".venv/theirs").touch()  # a copy's own environment is built anew
    assert machine.run().returncode == 0 and not (machine.course / ".venv/theirs").exists()
    shutil.rmtree(first / "tools")  # nobody's any longer
    assert machine.run("sh", "tools/setup.sh", str(first / ".venv")).returncode == 0


def test_packages_that_contradict_each_other_are_an_error_where_all_are_ours(machine):
    assert machine.run(checked="syft 0.10.0 requires torch, which is not installed.").returncode == 0
    (machine.course / ".venv/.course-ready").unlink()
    result = machine.run(checked="keras 3 has requirement numpy>=2, but you have numpy 1.")
    assert result.returncode == 1 and "contradict each other: keras 3" in result.stderr
    assert not (machine.course / ".venv/.course-ready").exists()


@pytest.mark.parametrize(("checked", "status"), [("", 1), ("", 2), ("keras 3 has", 137), ("", 0)])
def test_a_comparison_that_crashes_is_not_taken_for_agreement(machine, checked, status):
    result = machine.run(checked=checked, status=status)
    said = f"could not compare the packages with each other (its status: {status};"
    assert result.returncode == 1 and said in result.stderr
    assert not (machine.course / ".venv/.course-ready").exists()


def test_what_was_in_an_environment_before_may_contradict(machine):
    (machine.course / "conda/bin").mkdir(parents=True)
    shutil.copy(machine.programs / "python3.11", machine.course / "conda/bin/python")
    result = machine.run("sh", "tools/setup.sh", "conda", checked="hub 5 requires tornado<6")
    assert result.returncode == 0 and "does not fit the course's packages: hub 5" in result.stdout


def test_a_wrong_python_is_one_clear_sentence(machine):
    (machine.programs / "python3.11").rename(machine.programs / "python3")
    result = machine.run(version="3.13", refuses="install uv")
    assert result.returncode == 1
    assert "needs Python 3.11 with its venv module; here, python3 is 3.13," in result.stderr.splitlines()[-1]
    assert not (machine.course / ".venv").exists()


def test_no_python_at_all_is_one_clear_sentence(machine):
    (machine.programs / "python3.11").unlink()
    assert "here, there is no Python, and uv" in machine.run().stderr


def test_uv_brings_python_where_there_is_another(machine):
    (machine.programs / "python3.11").rename(machine.programs / "python3")
    machine.add("uv", PRETENDED_UV)
    result = machine.run(version="3.13")
    assert result.returncode == 0, result
    assert "python3 is 3.13" in result.stdout and (machine.course / ".venv/.course-ready").exists()


def test_a_full_disk_is_one_clear_sentence_before_anything_is_downloaded(machine):
    machine.add("df", "#!/bin/sh\necho Filesystem\necho /dev/disk 9000000 8000000 1000000 89% /\n")
    result = machine.run()
    assert result.returncode == 1
    assert result.stderr.strip().startswith("The disk has 976 MB free and the environment needs 6000 MB")
    assert machine.installed() == []


def test_a_disk_that_fills_up_on_the_way_is_one_clear_sentence(machine):
    result = machine.run(refuses="-r .cache", reason="OSError: [Errno 28] No space left on device")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("The disk is full: make room")


def test_make_sets_up_when_something_changed_and_only_then(machine, tmp_path):
    def setups() -> int:
        result = machine.run("make", "-n", "test")
        assert result.returncode == 0, result
        return result.stdout.count("tools/setup.sh")

    assert setups() == 1
    machine.run()
    assert setups() == 0
    os.utime(machine.course / ".venv/.course-ready", (0, 0))
    assert setups() == 1
    machine.run()
    assert setups() == 0
    machine.course = machine.course.rename(tmp_path / "moved")
    assert setups() == 1
    machine.run()
    assert setups() == 0
    (machine.course / ".venv/bin/python").unlink()
    assert setups() == 1


class Server:
    """A folder with `.ci/run`, and a PATH where every program only notes what it was asked for."""

    def __init__(self, folder: Path):
        self.course, self.programs, self.calls = folder / "course", folder / "programs", folder / "calls"
        (self.course / ".ci").mkdir(parents=True)
        shutil.copy(PROJECT / ".ci/run", self.course / ".ci/run")
        self.programs.mkdir()
        for name in ("bash", "dirname"):
            (self.programs / name).symlink_to(shutil.which(name))
        for name in ("make", "chromium", "curl", "msgfmt", "npm", "prometheus", "uv", "apt-get"):
            self.add(name, f'echo "{name} $*" >>"$CALLS"')
        self.add("dpkg-query", "echo installed")
        self.add("id", "echo 0")
        self.add("node", "exit 1")

    def add(self, name: str, line: str) -> None:
        path = self.programs / name
        path.write_text(f"#!{self.programs / 'bash'}\n{line}\n")
        path.chmod(0o755)

    def run(self) -> tuple[int, list[str]]:
        """The status, and the calls in order."""
        self.calls.write_text("")
        environment = {"PATH": str(self.programs), "CALLS": str(self.calls)}
        done = subprocess.run(["bash", ".ci/run"], cwd=self.course, env=environment, timeout=60)
        return done.returncode, self.calls.read_text().splitlines()


@pytest.fixture
def server(tmp_path) -> Server:
    return Server(tmp_path)


def test_a_server_gets_azurite_in_the_version_that_is_pinned(server):
    azurite = server.course / ".cache/node/node_modules/.bin/azurite-blob"
    pinned = re.search(r"^azurite=([\d.]+)", (PROJECT / ".ci/run").read_text(), re.MULTILINE)[1]
    install = f"npm install --silent --no-fund --no-audit --prefix .cache/node azurite@{pinned}"
    tests = ["make test", "make lint"]
    assert server.run() == (0, [install, *tests])
    azurite.parent.mkdir(parents=True)
    azurite.touch(0o755)
    server.add("node", "echo 1.0.0")
    assert server.run() == (0, [install, *tests])
    server.add("node", f"echo {pinned}")
    assert server.run() == (0, tests)


def test_a_server_gets_the_packages_that_are_missing(server):
    (server.programs / "msgfmt").unlink()
    (server.programs / "chromium").unlink()
    server.add("dpkg-query", '[ "${!#}" = postgresql ] || echo installed')
    status, calls = server.run()
    install = "apt-get install -y -qq --no-install-recommends chromium gettext postgresql"
    assert status == 0 and install in calls


def test_what_fails_first_ends_a_servers_run(server):
    server.add("make", 'echo "make $*" >>"$CALLS"; exit 2')
    status, calls = server.run()
    assert status == 2 and calls[-1] == "make test"


def test_a_list_of_missing_packages_that_fails_ends_a_servers_run(server):
    script = server.course / ".ci/run"
    text = script.read_text()
    broken = text.replace("missing_packages() {\n", "missing_packages() {\n    false\n")
    assert broken != text
    script.write_text(broken)
    assert server.run() == (1, [])
