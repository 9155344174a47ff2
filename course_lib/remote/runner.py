"""PySyft's job runner, with walls: approved code runs in a cell, and one small file comes out.

What PySyft 0.10's own runner does, and this does not: it starts a script that the submitter's client wrote,
hands it the whole environment, lets it reach all that the owner reaches, waits for a child that holds the
output open, and puts what was printed where the submitter can read it. Here a job

- is the code whose digest was approved, copied out of the submitter's reach, run by this Python; - gets a
  copy of the data sets it was approved for, a folder of its own, and an environment that is empty but for
  what it needs;
- ends at its time limit, with what it started; - gives one file, `outputs/result.json`, of at most
  `MAX_RESULT_BYTES`, and whether it went well. What it printed stays with the owner.

Which walls the operating system offers differs: see `walls`. Where Landlock is missing, a job can read what
its owner can read, and only the review stands in its way.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from syft_job.job_runner import SyftJobRunner

import course_lib
from course_lib.i18n import _
from course_lib.remote.submission import Submission, read_submission
from course_lib.remote.supervisor import TIMED_OUT

MAX_RESULT_BYTES = 16_000
RESULT = "result.json"
LIMITS = {"FSIZE": 10_000_000, "AS": 4 * 2**30, "CORE": 0, "NOFILE": 256}
_FAILED = 1  # the one exit code besides 0 that the submitter gets to see: a code of 256 values carries a byte
_COURSE = Path(course_lib.__file__).parent
_READABLE = (
    *(sys.prefix, sys.base_prefix, str(_COURSE)),
    *("/usr", "/lib", "/lib64", "/bin", "/System", "/etc/ld.so.cache", "/etc/localtime"),
    *("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/urandom"),
)


class WalledRunner(SyftJobRunner):
    """Runs approved jobs of the PySyft client whose config it is given, in cells below `folder`.

    `approved` takes a Submission and returns what was agreed for exactly this one, as a mapping with
    `datasets` and `seconds`; it raises ValueError where nothing was.
    """

    def __init__(self, config, *, folder: Path, approved):
        super().__init__(config)
        self._folder = Path(folder).resolve()
        self._approved = approved
        self._running: set[subprocess.Popen] = set()
        #: What became of each job, in a sentence for the owner, and what it printed; neither leaves.
        self.outcomes: dict[str, str] = {}
        self.logs: dict[str, str] = {}
        #: Which walls stood around the last job.
        self.walls: dict[str, bool] = {}

    def end_jobs(self) -> None:
        """End what is running now; harmless when nothing is."""
        for supervisor in list(self._running):
            supervisor.stdin.close()
            supervisor.wait()

    def count_processes(self) -> int:
        """How many processes run below this one: none, when no job does."""
        return len(psutil.Process().children(recursive=True))

    # PySyft calls one or the other, depending on whether output is shown while it comes. We never show it.
    def _execute_job_streaming(self, ref, timeout: int) -> int:
        return self._execute_job_captured(ref, timeout)

    def _execute_job_captured(self, ref, timeout: int) -> int:
        job = self._get_job_info(ref)
        name = job.name
        outputs = Path(job.job_submission_path) / "code" / "outputs"  # PySyft takes the result from here
        try:
            if any(outputs.iterdir()):
                raise ValueError(_("Job {job} came with outputs of its own.").format(job=name))
            submission = read_submission(job)
            agreed = self._approved(submission)
            with tempfile.TemporaryDirectory(dir=self._folder) as cell:
                code = self._run(Path(cell), submission, agreed["datasets"], min(timeout, agreed["seconds"]))
                self.logs[name] = (Path(cell) / "log").read_text(errors="replace")[-10_000:]
                self.walls = json.loads((Path(cell) / "walls").read_text() or "{}")
                result = _checked_result(name, code, Path(cell) / "code" / "outputs", agreed["seconds"])
        except (ValueError, OSError) as error:
            self.outcomes[name] = str(error)
            return _FAILED
        (outputs / RESULT).write_bytes(result)
        self.outcomes[name] = _("done")
        return 0

    def _run(self, cell: Path, submission: Submission, datasets: list[str], seconds: float) -> int:
        """Build the cell and run the job in it; its exit code."""
        for path, text in submission.code.items():
            target = cell / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        (cell / "code" / "outputs").mkdir(parents=True)
        for folder in ("home", "python"):
            (cell / folder).mkdir()
        (cell / "python" / "course_lib").symlink_to(_COURSE)
        self._copy_datasets(cell / "syftbox", datasets)
        command = [sys.executable, str(cell / "code" / submission.entrypoint)]
        description = {
            "command": command,
            "environment": self._environment(cell),
            "folder": str(cell / "code"),
            "readable": [*_READABLE, *(str(cell / part) for part in ("python", "syftbox"))],
            "writable": [*(str(cell / part) for part in ("code", "home")), "/dev/null"],
            "seconds": seconds,
            "limits": LIMITS,
            "log": str(cell / "log"),
            "walls": str(cell / "walls"),
        }
        (cell / "log").touch()
        (cell / "walls").touch()
        (cell / "cell.json").write_text(json.dumps(description), encoding="utf-8")
        supervisor = subprocess.Popen(
            [sys.executable, "-S", "-m", "course_lib.remote.supervisor", str(cell / "cell.json")],
            stdin=subprocess.PIPE,  # its lifeline: it closes when this process is gone, however it went
            env={"PYTHONPATH": str(_COURSE.parent)},
        )
        self._running.add(supervisor)
        try:
            return supervisor.wait()
        finally:
            supervisor.stdin.close()
            supervisor.wait()
            self._running.discard(supervisor)

    def _copy_datasets(self, syftbox: Path, datasets: list[str]) -> None:
        """A SyftBox with these data sets and nothing else, so that PySyft's own call finds them."""
        owner = self.config.current_user_email
        ours = Path(self.config.syftbox_folder) / owner
        for dataset in datasets:
            for part in ("public", "private"):
                folder = Path(part) / "syft_datasets" / dataset
                shutil.copytree(ours / folder, syftbox / owner / folder)

    def _environment(self, cell: Path) -> dict[str, str]:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
        return {
            **threads,
            "PATH": "/usr/bin:/bin",
            "HOME": str(cell / "home"),
            "TMPDIR": str(cell / "home"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(cell / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "JOBLIB_MULTIPROCESSING": "0",  # it would look for semaphores, which are not in the cell
            "SYFTBOX_FOLDER": str(cell / "syftbox"),
            "SYFTBOX_EMAIL": self.config.current_user_email,
            "SYFT_IS_IN_JOB": "true",
        }


def _checked_result(name: str, code: int, outputs: Path, seconds: float) -> bytes:
    """The one file that leaves. Raises ValueError where the job failed, or left something else."""
    if code == TIMED_OUT:
        raise ValueError(
            _("Job {job} was stopped after {seconds:g} seconds.").format(job=name, seconds=seconds)
        )
    if code:
        raise ValueError(_("Job {job} failed.").format(job=name))
    # A link, in the place of a folder too, would have us read what it points to, with the owner's rights.
    if outputs.resolve() != outputs or not outputs.is_dir() or os.listdir(outputs) != [RESULT]:
        raise ValueError(
            _("Job {job} should write outputs/{file} and nothing else.").format(job=name, file=RESULT)
        )
    result = outputs / RESULT
    if result.is_symlink() or not result.is_file() or result.stat().st_size > MAX_RESULT_BYTES:
        message = _("Job {job}: outputs/{file} should be a plain file of at most {bytes} bytes.")
        raise ValueError(message.format(job=name, file=RESULT, bytes=MAX_RESULT_BYTES))
    content = result.read_bytes()
    try:
        json.loads(content)
    except ValueError as error:
        raise ValueError(_("Job {job}: outputs/{file} is not JSON.").format(job=name, file=RESULT)) from error
    return content
