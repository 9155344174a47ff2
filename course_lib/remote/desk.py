"""The data owner's desk: read a submission, approve or reject it, run what was approved.

Promises: what runs is what was approved, to the letter; where there is a budget, a job's epsilon is written
down before it starts, and a job without one, or for which too little is left, does not start. The owner's
decisions are kept in the owner's own folder, not in the one that PySyft shares.

Leaves out whether the code does what the reviewer believes: no program can decide that.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from course_lib.i18n import _
from course_lib.remote.budget import BudgetRecord
from course_lib.remote.runner import WalledRunner
from course_lib.remote.submission import Submission, read_submission

MAX_SECONDS = 60


@dataclass(frozen=True)
class Approval:
    """What was agreed: for which submission, on which data sets, for how long, at which privacy cost."""

    digest: str
    datasets: list[str]
    seconds: float
    epsilon: float | None
    delta: float


class Desk:
    """The desk of the owner whose PySyft client is given; `folder` is where the owner alone writes."""

    def __init__(self, client, folder: Path):
        self._client = client
        self._folder = Path(folder)
        self.budget: BudgetRecord | None = None
        self.runner = client.job_runner = WalledRunner(
            client.job_runner.config, folder=self._folder, approved=self._agreed
        )

    def open_budget(self, *, epsilon: float, delta: float = 0.0) -> None:
        """From now on each researcher has this much in all, and an approval must say what a job spends."""
        self.budget = BudgetRecord.create(self._folder / "budget.jsonl", epsilon=epsilon, delta=delta)

    def read(self, job_name: str, *, researcher: str | None = None) -> Submission:
        """All that was submitted under this name, after fetching what is new.

        Raises ValueError where there is no such job, or several and no `researcher` is named.
        """
        self._client.sync()
        return read_submission(self._job(job_name, researcher))

    def approve(
        self,
        submission: Submission,
        *,
        datasets: list[str],
        epsilon: float | None = None,
        delta: float = 0.0,
        seconds: float = 20,
        reason: str | None = None,
    ) -> None:
        """Agree to run exactly this submission. Raises ValueError where it may not be agreed to."""
        if self.budget is not None and epsilon is None:
            raise ValueError(_("An epsilon was expected: this owner answers from a privacy budget."))
        if not 0 < seconds <= MAX_SECONDS:
            message = _("A time limit above 0 and up to {most} seconds was expected, not {seconds}.")
            raise ValueError(message.format(most=MAX_SECONDS, seconds=seconds))
        if f"code/{submission.entrypoint}" not in submission.files or not submission.entrypoint:
            raise ValueError(_("Job {job} has no Python file to start with.").format(job=submission.job_name))
        approval = Approval(submission.digest, list(datasets), seconds, epsilon, delta)
        path = self._path(submission)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        path.write_text(json.dumps(asdict(approval)), encoding="utf-8")
        self._job(submission.job_name, submission.researcher).approve(reason)

    def reject(self, submission: Submission, reason: str) -> None:
        """Refuse the job; the researcher gets to read the reason."""
        self._job(submission.job_name, submission.researcher).reject(reason)
        self._client.sync()

    def run(self) -> dict[str, str]:
        """Run the jobs approved since, and return what became of each, for the owner's eyes.

        The submitter gets a job's result and whether it went well; nothing else.
        """
        self.runner.outcomes.clear()
        self._client.process_approved_jobs(
            stream_output=False, timeout=MAX_SECONDS, share_outputs_with_submitter=True
        )
        return dict(self.runner.outcomes)

    def _agreed(self, submission: Submission) -> dict:
        """What was agreed for this submission, with its cost paid. Raises ValueError where it was not."""
        try:
            approval = Approval(**json.loads(self._path(submission).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            message = _("Job {job} was not approved at this desk.")
            raise ValueError(message.format(job=submission.job_name)) from error
        if approval.digest != submission.digest:
            message = _("Job {job} is not what was approved: it was changed after the review.")
            raise ValueError(message.format(job=submission.job_name))
        self._path(submission).unlink()  # an approval is for one run
        if self.budget is not None:
            if approval.epsilon is None:
                raise ValueError(_("An epsilon was expected: this owner answers from a privacy budget."))
            self.budget.spend(
                submission.researcher,
                epsilon=approval.epsilon,
                delta=approval.delta,
                purpose=submission.job_name,
            )
        return asdict(approval)

    def _job(self, name: str, researcher: str | None):
        jobs = self._client.job_client.jobs
        found = [job for job in jobs if job.name == name and researcher in (None, job.submitted_by)]
        if len(found) != 1:
            message = _("One job named {job} was expected, but there are {count}.")
            raise ValueError(message.format(job=name, count=len(found)))
        return found[0]

    def _path(self, submission: Submission) -> Path:
        key = Submission(submission.researcher, submission.job_name, "", {}).digest
        return self._folder / f"approval-{key}.json"
