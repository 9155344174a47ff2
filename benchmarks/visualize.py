"""The app on Iris and on Covertype's size: seconds to a new result, to a page of rows, and memory.

All of it in Chromium. A slider on Iris: from the key that moves it (Streamlit waits 0.2 s for another) until
the new results are on the page and the browser has drawn, each time for settings that were never asked for.
Covertype's size: from a click on "Show test data" and on "Show test distributions" of a model that is trained
and cached, until the script has ended and the browser draws again, in the app and in a plain script that
gives all 191,734 test rows to the table (of which Streamlit sends what is looked at) and sends them all to 27
x 27 plots. The plain script is waited for a limited time: where that runs out, or the tab dies, the limit is
what it is counted with, and so the ratio is a lower bound.
Memory: the greatest resident size of the app's process in a session that trains the largest forest the page
allows, then a tree, and shows all there is. Rows: the file that COURSE_COVERTYPE names, else one of its size,
made here.
"""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

import psutil
from playwright.sync_api import Error, Page, sync_playwright

from benchmarks.made_covertype import write_covertype
from benchmarks.report import Claim, finish, print_table
from course_lib.data import covertype
from course_lib.processes import ServerProcess, start_server

TREES = range(60, 160, 10)  # as the slider's steps
RUNS = 3
# What each adds to the page, by Streamlit's own name.
TOGGLES = {"Show test data": "stDataFrame", "Show test distributions": "stVegaLiteChart"}
TRAINING_SECONDS = 900  # the largest forest, on two slow processors
WAITED_LONGER = 15  # times the app's own seconds, and a minute at least
LEAST_SENT = 4 * 27 * 191_734  # bytes: a float32 for each test row of each feature that is plotted

APPEARED = """([kind, before]) => {
  const shown = document.querySelectorAll(`[data-testid=${kind}]`);
  return shown.length > before && shown[shown.length - 1].querySelector('canvas, svg') !== null;
}"""
# The page that stands in the address has its results; while a model is trained, there are no metrics.
NEW_RESULTS = """wish => location.search.includes(wish) && !document.querySelector('[data-stale=true]')
  && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  && document.querySelectorAll('[data-testid=stMetric]').length === 3"""
GONE = "([kind, before]) => document.querySelectorAll(`[data-testid=${kind}]`).length < before"
# The script has ended, and the browser has nothing to do after two frames.
DRAWN = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await new Promise(done => requestIdleCallback(done));
  await frame();
  return document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning';
}"""


class Visit:
    """One visitor's page in Chromium, which counts what the server sends it."""

    def __init__(self, page: Page):
        self.page, self.received = page, 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, frame: bytes | str) -> None:
        self.received += len(frame)

    def open(self, address: str, *, seconds: float) -> None:
        """Open the page and wait until a model is trained."""
        self.page.goto(address)
        self.page.get_by_test_id("stMetric").first.wait_for(timeout=1000 * seconds)
        self.wait(DRAWN, seconds=seconds)

    def wait(self, condition: str, *, seconds: float, **argument: object) -> None:
        """Wait for `condition`, JavaScript; raises playwright's Error when time runs out, or the tab dies."""
        self.page.wait_for_function(condition, timeout=1000 * seconds, **argument)

    def switch(self, toggle: str) -> None:
        """Click on `toggle`."""
        self.page.get_by_text(toggle, exact=True).click(timeout=30_000)

    def show_rows(self, *, seconds: float) -> float:
        """Switch on the rows and the distributions; how long it took until both were drawn."""
        start = time.perf_counter()
        for toggle, kind in TOGGLES.items():
            before = self.page.get_by_test_id(kind).count()
            self.switch(toggle)
            for condition, argument in ((APPEARED, [kind, before]), (DRAWN, None)):
                left = seconds - (time.perf_counter() - start)
                self.wait(condition, seconds=max(left, 0.1), arg=argument)
        return time.perf_counter() - start


@contextmanager
def visit(server: ServerProcess, *, query: str = "") -> Iterator[Visit]:
    """A visitor with a browser of their own, at the address of `server`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        try:
            visitor = Visit(browser.new_page(viewport={"width": 1280, "height": 900}))
            visitor.open(f"{server.url}/?{query}", seconds=TRAINING_SECONDS)
            yield visitor
        finally:
            browser.close()


def seconds_on_iris(server: ServerProcess) -> float:
    """The median from a key that moves the slider to the page with the new results, all figures drawn."""
    seconds = []
    with visit(server, query="lang=en&data=iris&model=random_forest&n_estimators=50") as visitor:
        slider = visitor.page.get_by_role("slider").first
        slider.focus()
        for trees in TREES:
            _wait_for_importance(visitor)  # of the model before: its work is not counted with the new one's
            start = time.perf_counter()
            visitor.page.keyboard.press("ArrowRight")
            visitor.wait(NEW_RESULTS, seconds=60, arg=f"n_estimators={trees}")
            visitor.wait(DRAWN, seconds=60)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def rows_in_the_app(server: ServerProcess) -> tuple[float, int]:
    """The median seconds until rows and distributions are drawn, and the bytes that were sent for them."""
    seconds, sent = [], []
    with visit(server, query="lang=en&data=covertype&model=decision_tree") as visitor:
        _wait_for_importance(visitor)
        for _run in range(RUNS + 1):  # the first warms up
            before = visitor.received
            seconds.append(visitor.show_rows(seconds=120))
            sent.append(visitor.received - before)
            for toggle, kind in TOGGLES.items():
                shown = visitor.page.get_by_test_id(kind).count()
                visitor.switch(toggle)
                visitor.wait(GONE, seconds=60, arg=[kind, shown])
                visitor.wait(DRAWN, seconds=60)
    return statistics.median(seconds[1:]), sent[0]


def rows_in_the_plain_script(*, at_most: float) -> tuple[float, int, str]:
    """The same in the plain script: seconds, `at_most` where these ran out; bytes; and how it ended."""
    with _served("benchmarks.visualize_peers", "the plain script") as server, visit(server) as visitor:
        before = visitor.received
        # A tab that is busy answers nobody: its browser is ended from outside.
        end = threading.Timer(at_most, _end_browsers)
        end.start()
        try:
            return visitor.show_rows(seconds=at_most), visitor.received - before, "drawn"
        except Error as error:  # playwright's, for a time that ran out and for a tab that died
            ended = " ".join(str(error).split())[:60]
            return at_most, visitor.received - before, f"not drawn ({ended})"
        finally:
            end.cancel()


def _end_browsers() -> None:
    """End every browser that this process has started, by way of playwright."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "chrom" in child.name():
                child.kill()


def largest_session(server: ServerProcess) -> None:
    """Train the largest forest that the page allows, and show its rows."""
    query = "lang=en&data=covertype&model=random_forest&n_estimators=100&max_depth=20"
    with visit(server, query=query) as visitor:
        _wait_for_importance(visitor)
        visitor.show_rows(seconds=120)


def _wait_for_importance(visitor: Visit) -> None:
    """Nothing works in the server's background any more."""
    visitor.page.get_by_text("How much AUC is lost").wait_for(timeout=1000 * TRAINING_SECONDS)
    visitor.wait(DRAWN, seconds=60)


def _served(module: str, name: str) -> ServerProcess:
    return start_server(["-m", module], name=name, ready_path="/_stcore/health", env={"COURSE_LANG": "en"})


def _greatest_megabytes(pid: int) -> float:
    """The greatest resident size that the process has had, as Linux counts it."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e6


def main() -> None:
    """Measure, print, and exit non-zero where a claim does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        if not os.environ.get(covertype.VARIABLE):
            os.environ[covertype.VARIABLE] = str(write_covertype(Path(folder) / "covtype.data.gz"))
            print("Covertype: a file of its size, made here.")
        with _served("course_lib.visualize.app.run", "the app") as server:
            iris = seconds_on_iris(server)
            largest_session(server)
            ours, sent = rows_in_the_app(server)
            megabytes = _greatest_megabytes(server.pid)
        theirs, theirs_sent, ended = rows_in_the_plain_script(at_most=max(60, WAITED_LONGER * ours))
    if theirs_sent < LEAST_SENT:  # a peer that does not work would look slow
        raise RuntimeError(f"the plain script sent {theirs_sent} bytes, which is not all rows: {ended}")
    print_table(
        ("test rows of Covertype's size", "seconds until drawn", "MB sent", ""),
        [
            ("the app", f"{ours:.2f}", f"{sent / 1e6:.2f}", "drawn"),
            ("a plain script", f"{theirs:.2f}", f"{theirs_sent / 1e6:.2f}", ended),
        ],
    )
    finish(
        [
            Claim("seconds from a moved slider to new results on Iris", iris, 1, False),
            Claim(
                "times faster than a plain script, rows and distributions of Covertype",
                theirs / ours,
                10,
                True,
            ),
            Claim("MB of memory, a session with the largest forest on Covertype", megabytes, 2000, False),
        ]
    )


if __name__ == "__main__":
    main()
