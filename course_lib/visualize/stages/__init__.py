"""A data app in five stages, from three lines to the linked chart: each is a script that Streamlit can run.

Promises that the source a learner reads is the source that runs. `start_stage` serves a stage to a browser;
`open_page` runs it in this process and without one, to move its widgets in code and count what happens.
Leaves out the chart of the last stage, which stands in `linked_view`.

The stages, in order: `three_lines`, `slider`, `cached`, `form`, `linked`.
"""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.i18n import _, language
from course_lib.processes import ServerProcess, start_server

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

STAGES = ("three_lines", "slider", "cached", "form", "linked")
_SECONDS_TO_RUN = 60  # also on a slow machine that has to import a library first


def path_of(stage: str) -> Path:
    """The script of `stage`; ValueError when there is no stage of this name.

    >>> path_of("slider").name
    'slider.py'
    """
    if stage not in STAGES:
        message = _("One of the stages {known} was expected, not {name}.")
        raise ValueError(message.format(known=", ".join(STAGES), name=repr(stage)))
    return Path(__file__).with_name(f"{stage}.py")


def source_of(stage: str) -> str:
    """The code of `stage` as it is run, but for the sentence in quotes at its top.

    >>> print(source_of("three_lines").splitlines()[0])
    import streamlit as st
    """
    text = path_of(stage).read_text(encoding="utf-8")
    about = ast.parse(text).body[0]
    return "\n".join(text.splitlines()[about.end_lineno :]).strip()


def open_page(stage: str) -> "AppTest":
    """The page of `stage` after its first run, as one visitor has it; each call is another visitor.

    Set the value of a widget and call `run()` for what the browser does when somebody moves it. Calls
    `without_warnings`. Raises RuntimeError when the script fails.

    >>> page = open_page("slider")
    >>> page.slider[0].value
    10
    """
    from streamlit.testing.v1 import AppTest  # it takes seconds to import

    without_warnings()
    with main_module_kept():
        page = AppTest.from_file(path_of(stage), default_timeout=_SECONDS_TO_RUN).run()
    if page.exception:
        raise RuntimeError(page.exception[0].message)
    return page


@contextmanager
def main_module_kept() -> Iterator[None]:
    """Give this process its own `__main__` back afterwards: Streamlit's test page leaves the script there.

    A process that is started by `spawn` from here would otherwise begin with that script.

    >>> with main_module_kept():
    ...     open_page("slider").slider[0].set_value(20).run().slider[0].value
    20
    """
    own = sys.modules["__main__"]
    try:
        yield
    finally:
        sys.modules["__main__"] = own


def without_warnings() -> None:
    """Tell Streamlit in this process to log errors alone: it warns whenever it is used without a browser.

    >>> without_warnings()
    """
    from streamlit import config
    from streamlit.logger import set_log_level

    config.set_option("logger.level", "error")  # for when it reads its settings the next time
    set_log_level("ERROR")  # and from now on


def start_stage(stage: str, *, port: int | None = None) -> ServerProcess:
    """Serve `stage` to a browser, as a process of its own, in the notebook's language, until it is stopped.

    `port` is a free one unless given. Keep the returned object: when it is dropped, the stage is stopped.
    Raises ValueError when there is no such stage, RuntimeError when it does not start.

    >>> with start_stage("three_lines") as page:
    ...     page.running
    True
    """
    path_of(stage)
    return start_server(
        ["-m", __name__, "--stage", stage],
        name=stage,
        ready_path="/_stcore/health",
        port=port,
        env={"COURSE_LANG": language()},
    )
