"""What a researcher does, to be run on the researcher's machine: `ada.run(submit, ...)`.

Each function's first argument is that machine, as `parties` describes it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from course_lib.i18n import _

SECONDS_FOR_A_TRY = 60


def try_on_mock(here, owner: str, code: str) -> dict:
    """Fetch what is new and run a job's code here, where PySyft finds the mock for it; its result.

    Raises ValueError with the end of what it printed where it fails or leaves no result.
    """
    here.client.sync()
    with tempfile.TemporaryDirectory(dir=here.folder) as folder:
        (Path(folder) / "job.py").write_text(code, encoding="utf-8")
        result = Path(folder) / "outputs" / "result.json"
        result.parent.mkdir()
        place = {"SYFTBOX_FOLDER": str(here.client.syftbox_folder), "SYFTBOX_EMAIL": owner}
        tried = subprocess.run(
            [sys.executable, "job.py"],
            cwd=folder,
            env={**os.environ, **place},
            capture_output=True,
            text=True,
            timeout=SECONDS_FOR_A_TRY,
        )
        if tried.returncode or not result.exists():
            message = _("The job left no result on the mock. It said: {text}")
            raise ValueError(message.format(text=(tried.stdout + tried.stderr)[-2000:]))
        return json.loads(result.read_bytes())


def submit(here, owner: str, name: str, code: str) -> None:
    """Hand in `code` as the Python job `name`."""
    path = here.folder / "job.py"
    path.write_text(code)
    here.client.submit_python_job(owner, str(path), job_name=name)


def fetch(here, name: str) -> dict:
    """What the researcher gets: the job's `status`, the `reason` that the owner gave, the `result`."""
    job = here.client.jobs[name]
    results = [json.loads(path.read_text()) for path in job.output_paths if path.suffix == ".json"]
    return {"status": job.status, "reason": job.review_reason, "result": results[0] if results else None}


def exchange(here, name: str, code: str) -> None:
    """Put other code in the place of what was handed in: PySyft lets a submitter do so until the job runs."""
    (path,) = here.client.syftbox_folder.rglob(f"{name}/code/job.py")
    path.write_text(code)
    here.client.sync_engine.push_job_files(path.parent.parent)
