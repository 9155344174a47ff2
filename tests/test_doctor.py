"""The doctor finds what is wrong, says what to do about it, and is quick because it imports little."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from course_lib import doctor as examination
from course_lib.i18n import use_language


@pytest.fixture(autouse=True)
def english():
    with use_language("en"):
        yield


@pytest.fixture
def locked(monkeypatch, tmp_path):
    """Write a lock, and let the packages installed be the ones given."""

    def write(text, **installed):
        (tmp_path / "requirements.txt").write_text(text)
        monkeypatch.setattr(examination, "REPOSITORY", tmp_path)

        def version(name):
            if name not in installed:
                raise examination.metadata.PackageNotFoundError(name)
            return installed[name]

        monkeypatch.setattr(examination.metadata, "version", version)
        return list(examination._packages())

    return write


def only(findings):
    [finding] = findings
    return finding


def test_this_machine_is_described_line_by_line():
    report = examination.doctor()
    lines = repr(report).splitlines()
    assert lines[0].startswith("✓ Python 3.11.")
    assert any("PyTorch" in line for line in lines) == (find_spec("torch") is not None)
    for told in ("packages", "memory", "disk", "127.0.0.1", "mnist", "wine-quality", "日本語"):
        assert any(told in line for line in lines), told
    assert lines[-1] == ("All is well." if report.well else "What is marked ✗ has to be mended.")


def test_a_warning_is_not_wrong_and_a_fault_is():
    good, warning = examination.Finding("✓", "a"), examination.Finding("!", "b", "do this")
    fault = examination.Finding("✗", "c", "do that")
    assert examination.Report((good, warning)).well
    report = examination.Report((good, fault))
    assert not report.well
    assert repr(report).splitlines()[-3:] == ["✗ c", "    → do that", "What is marked ✗ has to be mended."]


def test_another_python_is_told_with_what_to_do(monkeypatch):
    monkeypatch.setattr(examination.sys, "version_info", (3, 12, 1))
    finding = only(examination._python())
    assert finding.mark == "✗" and "needs Python 3.11" in finding.advice and "`make lab`" in finding.advice


def test_packages_like_the_lock_are_well(locked):
    lock = """# a comment
numpy==1.26.4
    # via pandas
torch==2.13.0
colorama==0.4.6  ; sys_platform == 'another'
pip==1.0 ; python_version >= '3'
"""
    finding = only(locked(lock, numpy="1.26.4", torch="2.13.0+cpu", pip="1.0"))
    assert str(finding) == "✓ 3 packages are those of the lock."


def test_packages_unlike_the_lock_are_named(locked):
    finding = only(locked("numpy==1.26.4\npandas==3.0.6\ntyper==1.0\n", numpy="2.0.0", typer="1.0"))
    assert finding.mark == "✗"
    assert (
        finding.what == "2 of 3 packages are not those of the lock: numpy 2.0.0 (==1.26.4), pandas is missing"
    )
    assert "sh tools/setup.sh" in finding.advice


def test_a_pytorch_that_could_not_be_reached_is_a_warning(locked):
    finding = only(locked("numpy==1.26.4\ntorch==2.13.0\n", numpy="1.26.4"))
    assert finding.mark == "!" and finding.what.endswith(": torch is missing")
    assert "sh tools/setup.sh" in finding.advice


@pytest.mark.parametrize("installed", [{"numpy": "2.0.0"}, {}, {"numpy": "1.26.4", "torch": "2.12.0"}])
def test_another_pytorch_or_more_than_it_missing_is_a_fault(locked, installed):
    assert only(locked("numpy==1.26.4\ntorch==2.13.0\n", **installed)).mark == "✗"


def test_a_long_list_of_differences_is_cut(locked):
    finding = only(locked("\n".join(f"package{number}==1" for number in range(9))))
    assert finding.what.count("is missing") == 5 and finding.what.endswith(", …")


def test_a_lock_that_is_missing_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(examination, "REPOSITORY", tmp_path)
    finding = only(examination._packages())
    assert finding.mark == "!" and "requirements.txt is missing" in finding.what and finding.advice


def test_a_line_that_is_no_requirement_is_an_error_that_quotes_it():
    with pytest.raises(ValueError, match="not 'numpy = 1'"):
        list(examination._locked("numpy = 1"))


def test_the_courses_own_lock_is_read_whole():
    text = (examination.REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    requirements = list(examination._locked(text))
    assert len(requirements) > 200
    assert all([specifier.operator for specifier in found.specifier] == ["=="] for found in requirements)
    assert "tenseal" in {found.name for found in requirements}
    assert isinstance(requirements[0], Requirement)


@pytest.mark.parametrize(
    ("line", "mark"), [("cuda: Optional[str] = None", "✓"), ("cuda: Optional[str] = '12.8'", "!")]
)
def test_a_pytorch_with_cuda_is_a_warning(monkeypatch, tmp_path, line, mark):
    (tmp_path / "version.py").write_text(f"__version__ = '2.13.0'\n{line}\nhip = None\n")
    origin = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(examination.util, "find_spec", lambda name: origin)
    finding = only(examination._torch())
    assert finding.mark == mark and ("12.8" in finding.what) == (mark == "!")


@pytest.mark.parametrize(("available", "mark"), [(1.4e9, "!"), (1.6e9, "✓")])
def test_little_memory_is_a_warning(monkeypatch, tmp_path, available, mark):
    monkeypatch.setattr(examination, "_CONTAINER", tmp_path)
    monkeypatch.setattr(
        examination.psutil, "virtual_memory", lambda: SimpleNamespace(available=int(available))
    )
    assert only(examination._memory()).mark == mark


def test_a_containers_limit_counts_and_what_it_only_caches_does_not(monkeypatch, tmp_path):
    monkeypatch.setattr(examination, "_CONTAINER", tmp_path)
    monkeypatch.setattr(examination.psutil, "virtual_memory", lambda: SimpleNamespace(available=64e9))
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("1500000000\n")
    (tmp_path / "memory.stat").write_text("anon 500000000\ninactive_file 400000000\n")
    assert only(examination._memory()).what == "0.9 GB of memory are free."
    (tmp_path / "memory.max").write_text("max\n")
    assert only(examination._memory()).what == "64.0 GB of memory are free."


@pytest.mark.parametrize(("free", "mark"), [(0.4e9, "✗"), (1.1e9, "✓")])
def test_a_full_disk_is_a_fault(monkeypatch, free, mark):
    monkeypatch.setattr(examination.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert only(examination._disk()).mark == mark


def test_a_blocked_loopback_is_a_fault(monkeypatch):
    def refuse(*arguments, **settings):
        raise PermissionError(1, "Operation not permitted")

    assert only(examination._ports()).mark == "✓"
    monkeypatch.setattr(examination.socket, "create_connection", refuse)
    finding = only(examination._ports())
    assert finding.mark == "✗" and "not permitted" in finding.what and "firewall" in finding.advice


def test_damaged_data_is_a_fault_with_its_sentence(monkeypatch):
    problems = {"mnist": ["The file a is missing; `git restore a` mends it."]}
    monkeypatch.setattr(examination.data, "verify", lambda dataset: problems.get(dataset, []))
    marks = {finding.what: finding.mark for finding in examination._data()}
    assert marks["The file a is missing; `git restore a` mends it."] == "✗"
    assert sorted(marks.values()) == ["✓"] * (len(examination.data.DATASETS) - 1) + ["✗"]


def test_missing_fonts_are_a_fault(monkeypatch):
    assert only(examination._fonts()).mark == "✓"
    monkeypatch.setattr("course_lib.figures.font_families", lambda code: ["DejaVu Sans"])
    finding = only(examination._fonts())
    assert finding.mark == "✗" and "日本語, 简体中文" in finding.what and "Deutsch" not in finding.what
    assert "git restore course_lib/fonts" in finding.advice


def test_the_doctor_imports_nothing_heavy():
    program = (
        "import sys; from course_lib.doctor import doctor; doctor();"
        "print(sorted({'torch', 'tensorflow', 'tenseal', 'pandas', 'mlflow'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
