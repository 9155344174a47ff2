"""Everything that a researcher sent for a job, and a digest of it: what a reviewer reads, and agrees to.

PySyft shows `job.code`, one file. A submission is more: other modules, parameters, the script that PySyft's
own runner starts. A researcher's client wrote all of it, and may change it until the job runs, after it was
approved too. So the whole of it is read once, and the digest says whether what runs is what was read.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from course_lib.i18n import _

MAX_FILES = 50
MAX_BYTES = 1_000_000
#: What PySyft itself keeps beside a submission; it is not run.
_NOT_SUBMITTED = {"syft.pub.yaml"}


@dataclass(frozen=True)
class Submission:
    """A job as it was read: who sent it, under which name, and its files (path: text)."""

    researcher: str
    job_name: str
    entrypoint: str
    files: dict[str, str]

    @property
    def code(self) -> dict[str, str]:
        """The files that were sent to be run: those below code/."""
        return {path: text for path, text in self.files.items() if path.startswith("code/")}

    @property
    def digest(self) -> str:
        """SHA-256 of all names and contents; one changed letter changes it.

        >>> one = Submission("ada@university.example", "mean", "job.py", {"code/job.py": "print(1)"})
        >>> other = Submission("ada@university.example", "mean", "job.py", {"code/job.py": "print(2)"})
        >>> one.digest == other.digest
        False
        """
        hashed = hashlib.sha256()
        for part in (self.researcher, self.job_name, self.entrypoint):
            _add(hashed, part)
        for path in sorted(self.files):
            _add(hashed, path)
            _add(hashed, self.files[path])
        return hashed.hexdigest()


def read_submission(job) -> Submission:
    """Read all files of PySyft's `job` (a `syft_job.job.JobInfo`) from the owner's folder.

    Raises ValueError for what nobody can review: a link, a file that is not text, too many or too large
    files.
    """
    folder = Path(job.job_submission_path)
    files, size = {}, 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ValueError(
                _("Job {job}: {path} is a link, which is not run.").format(job=job.name, path=name)
            )
        if path.is_dir() or path.name in _NOT_SUBMITTED:
            continue
        size += path.stat().st_size
        if len(files) == MAX_FILES or size > MAX_BYTES:
            message = _("Job {job}: at most {files} files of {bytes} bytes in all are reviewed.")
            raise ValueError(message.format(job=job.name, files=MAX_FILES, bytes=MAX_BYTES))
        try:
            files[name] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            message = _("Job {job}: {path} is not text, so nobody can review it.")
            raise ValueError(message.format(job=job.name, path=name)) from error
    return Submission(job.submitted_by, job.name, job.job_metadata.entrypoint or "", files)


def _add(hashed, text: str) -> None:
    part = text.encode("utf-8")
    hashed.update(len(part).to_bytes(8, "big") + part)
