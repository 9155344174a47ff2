"""The researcher's three steps with PySyft: try a job on the mock, hand it in, fetch what became of it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from course_lib.i18n import _

SECONDS_FOR_A_TRY = 60


def try_on_mock(client, owner: str, code: str) -> dict:
    """Run a job's code here, where `syft.resolve_dataset_file_path` finds the mock; its result.

    Raises ValueError with the end of what it printed where it fails or leaves no result.
    """
    with tempfile.TemporaryDirectory(prefix="course_job_") as folder:
        (Path(folder) / "job.py").write_text(code, encoding="utf-8")
        (Path(folder) / "outputs").mkdir()
        place = {"SYFTBOX_FOLDER": str(client.syftbox_folder), "SYFTBOX_EMAIL": owner, "SYFT_IS_IN_JOB": "false"}
        tried = subprocess.run(
            [sys.executable, "job.py"],
            cwd=folder,
            env={**os.environ, **place},
            capture_output=True,
            text=True,
            timeout=SECONDS_FOR_A_TRY,
        )
        result = Path(folder) / "outputs" / "result.json"
        if tried.returncode or not result.exists():
            message = _("The job left no result on the mock. It said: {text}")
            raise ValueError(message.format(text=(tried.stdout + tried.stderr)[-2000:]))
        return json.loads(result.read_bytes())


def hand_in(client, owner: str, job_name: str, code: str) -> None:
    """Submit `code` as the Python job `job_name`."""
    with tempfile.TemporaryDirectory(prefix="course_job_") as folder:
        path = Path(folder) / "job.py"
        path.write_text(code, encoding="utf-8")
        client.submit_python_job(owner, str(path), job_name=job_name)


def fetch(client, job_name: str) -> dict:
    """What the researcher gets: the job's `status`, the owner's `reason` for a refusal, and its `result`."""
    job = client.jobs[job_name]
    result = next((json.loads(path.read_bytes()) for path in job.output_paths if path.suffix == ".json"), None)
    return {"status": job.status, "reason": job.review_reason, "result": result}
