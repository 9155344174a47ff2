"""Every lesson in English, run from top to bottom: its time, and its peak memory with all it starts.

Memory is that of the kernel and of all processes below it, added up (PSS where the system tells it, so that
shared pages count once), sampled ten times a second.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

from benchmarks.report import Claim, finish, print_table

NOTEBOOKS = Path(__file__).parent.parent / "notebooks" / "en"
# What each lesson says of itself: seconds, GB. A lesson that is not listed here has Binder's limits.
BARS = {
    "00_welcome": (60, 0.5),
    "01_visualize_results": (120, 1.5),
    "02_serve_models": (120, 1.5),
    "03_what_models_leak": (180, 1.5),
    "04_pate": (180, 1.5),
    "05_encrypted_inference": (120, 1.5),
    "06_encrypted_network": (120, 2.0),
    "07_secret_sharing": (60, 1.0),
    "08_private_prediction_train": (120, 2.0),
    "09_private_prediction_serve": (120, 2.0),
    "10_private_prediction_query": (120, 2.0),
    "11_remote_data_science": (60, 1.0),
}
BINDER = (180, 2.0)


def memory(process: psutil.Process) -> int:
    """Bytes of one process; 0 where it has just ended."""
    try:
        used = process.memory_full_info()
    except psutil.Error:
        return 0
    return getattr(used, "pss", used.rss)


class PeakMemory:
    """Samples the memory of all processes below this one until `stop`."""

    def __init__(self):
        self.bytes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stopped.wait(0.1):
            below = psutil.Process().children(recursive=True)
            self.bytes = max(self.bytes, sum(map(memory, below)))

    def stop(self) -> None:
        """End sampling."""
        self._stopped.set()
        self._thread.join()


def run(path: Path) -> tuple[float, float]:
    """Seconds and peak GB of one notebook."""
    notebook = nbformat.read(path, as_version=4)
    peak = PeakMemory()
    start = time.perf_counter()
    try:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    finally:
        seconds = time.perf_counter() - start
        peak.stop()
    return seconds, peak.bytes / 1e9


def main() -> None:
    """Run all lessons, print, and exit non-zero where one takes more than it may."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_HOME"] = folder  # the learner's own list of exercises stays as it is
        os.environ["COURSE_CACHE"] = folder  # and nothing was computed before
        measured = {path.stem: run(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    print_table(
        ("lesson", "seconds", "peak GB"),
        [(name, f"{seconds:.0f}", f"{gigabytes:.2f}") for name, (seconds, gigabytes) in measured.items()],
    )
    claims = []
    for name, (seconds, gigabytes) in measured.items():
        most_seconds, most_gigabytes = BARS.get(name, BINDER)
        claims.append(Claim(f"{name}, seconds", seconds, most_seconds, False))
        claims.append(Claim(f"{name}, peak GB", gigabytes, most_gigabytes, False))
    finish(claims)


if __name__ == "__main__":
    main()
