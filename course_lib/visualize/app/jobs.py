"""Long work beside the page: in a thread of its own, with progress, results in stages, and a way to stop it.

Promises: nobody's page waits for another's work; two people who ask for the same share one job, and it is
stopped when the last of them has left it. Knows nothing of Streamlit.
"""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from course_lib.visualize.training import Stopped


class Job:
    """`work`, called with this job in a new thread. It calls `advance`, and `publish` with what it has.

    >>> job = Job(lambda job: job.publish("answer", 42))
    >>> job.wait("answer", seconds=5)
    True
    >>> job.result("answer")
    42
    """

    def __init__(self, work: Callable[["Job"], None]):
        self.share = 0.0  # how much is done, from 0 to 1
        self.stopping = threading.Event()  # the work looks at it
        self._results: dict[str, Any] = {}
        self._error: BaseException | None = None
        self._ended = False
        self._watchers: set[str] = set()
        self._changed = threading.Condition()
        # In the caller's language: what goes wrong is told to them.
        run = copy_context().run
        threading.Thread(target=run, args=(self._run, work), name="app job", daemon=True).start()

    def advance(self, share: float) -> None:
        """Say that `share`, from 0 to 1, is done."""
        self.share = min(max(share, 0.0), 1.0)

    def publish(self, stage: str, result: Any) -> None:
        """Hand over the result of one `stage` to all who wait for it."""
        with self._changed:
            self._results[stage] = result
            self._changed.notify_all()

    def wait(self, stage: str, *, seconds: float) -> bool:
        """Wait for `stage` at most so long; whether there is something: its result, or an error."""
        with self._changed:
            return self._changed.wait_for(lambda: stage in self._results or self._ended, timeout=seconds)

    def result(self, stage: str) -> Any:
        """The result of `stage`; raises what its work raised, or Stopped."""
        with self._changed:
            if stage in self._results:
                return self._results[stage]
            raise self._error or Stopped()

    @property
    def failed(self) -> bool:
        """Whether it ended before its work was done, by an error or because it was stopped."""
        return self._ended and self._error is not None

    def join(self, watcher: str) -> None:
        """Count `watcher` among those who want the results."""
        self._watchers.add(watcher)

    def leave(self, watcher: str) -> None:
        """`watcher` wants them no more; with the last one gone, the work is stopped."""
        self._watchers.discard(watcher)
        if not self._watchers:
            self.stop()

    def stop(self) -> None:
        """Ask the work to stop, whoever waits; what has ended is left as it is, for those who ask again."""
        with self._changed:
            if not self._ended:
                self.stopping.set()

    def _run(self, work: Callable[["Job"], None]) -> None:
        try:
            work(self)
        except BaseException as error:  # told to whoever asks for the result
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
