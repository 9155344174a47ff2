"""What a server writes: the end of it is kept, so that an error can show it."""

import subprocess
import threading

from course_lib.processes.lifeline import GRACE

_KEPT_BYTES = 64 * 1024


class Log:
    """The end of what a process writes, read as it comes, so that the process never waits for us."""

    def __init__(self, process: subprocess.Popen):
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._follow, args=(process,), name="server log", daemon=True)
        self._reader.start()

    def _follow(self, process: subprocess.Popen) -> None:
        with process.stdout as output:
            while chunk := output.read(_KEPT_BYTES):
                with self._lock:
                    self._kept += chunk
                    del self._kept[:-_KEPT_BYTES]
        process.wait()  # a server that ended by itself leaves no zombie

    def text(self) -> str:
        """What has been kept so far, at most 64 KiB."""
        with self._lock:
            return self._kept.decode("utf-8", errors="replace")

    def finish(self) -> None:
        """Wait until all that an ended process wrote has been read."""
        self._reader.join(GRACE)
