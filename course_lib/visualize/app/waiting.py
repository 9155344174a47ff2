"""Waiting for jobs on the page: a moment in silence, then with progress and a button to stop.

Promises: what was stopped or went wrong for somebody else is no news here, it is tried again; for this
visitor it is told in a sentence, with a button to try again. A job that this visitor wants no more is left,
and ends when nobody else wants it; so is all that they waited for, when they close the page.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import streamlit as st

from course_lib.data import DataError
from course_lib.i18n import _, language, use_language
from course_lib.visualize.app.failures import tell_failure
from course_lib.visualize.app.jobs import Job
from course_lib.visualize.app.literal import literal
from course_lib.visualize.datasets import DatasetError
from course_lib.visualize.evaluation import EvaluationError
from course_lib.visualize.training import Stopped
from course_lib.visualize.uploads import UploadError

#: What goes wrong without anybody's fault in the code; its message is one sentence for the visitor.
_TOLD = (DataError, DatasetError, EvaluationError, UploadError)
#: A page that blinks is harder to read than one that comes a moment later.
SECONDS_IN_SILENCE = 0.8


class Unavailable(Exception):
    """There is nothing to show yet, or at all, and the page says so."""


class Wish(NamedTuple):
    """A cached function of `course_lib.visualize.app.work` with its arguments, and a stage of its job.

    `what` says in the reader's language what is being done.
    """

    cached: Callable[..., Job]
    arguments: tuple
    stage: str
    what: str


@dataclass
class _Visitor:
    """What one visitor waits for, and what they stopped."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    watched: set[Job] = field(default_factory=set)
    stopped: set[Job] = field(default_factory=set)
    wanted: set[Job] = field(default_factory=set)  # in this run of the page

    def leave_all(self) -> None:
        """Leave every job: the browser is gone. Should it come back, the page asks anew."""
        for job in tuple(self.watched):
            job.leave(self.name)
        self.watched = set()


def obtain(*wishes: Wish) -> list[Job]:
    """The jobs for all `wishes`, their stages reached; raises Unavailable once the page has said why not."""
    jobs = [_job(wish) for wish in wishes]  # all of them start before the first is waited for
    missing = [not _show_outcome(job, wish) for job, wish in zip(jobs, wishes, strict=True)]
    if any(missing):
        raise Unavailable
    return jobs


def leave_the_rest() -> None:
    """Leave the jobs that the page, now complete, did not ask for."""
    visitor = _visitor()
    for job in visitor.watched - visitor.wanted:
        job.leave(visitor.name)
        visitor.watched.discard(job)
        visitor.stopped.discard(job)
    visitor.wanted = set()


def _visitor() -> _Visitor:
    if "_visitor" not in st.session_state:
        st.session_state["_visitor"] = _Visitor()
    return _with_browser(st.session_state["_visitor"].name, st.session_state["_visitor"])


@st.cache_resource(show_spinner=False, scope="session", on_release=_Visitor.leave_all)
def _with_browser(name: str, _visitor: _Visitor) -> _Visitor:
    """The visitor, until Streamlit releases what belongs to a session whose browser is gone."""
    return _visitor


def _job(wish: Wish) -> Job:
    visitor = _visitor()
    job = wish.cached(*wish.arguments)
    if (job.failed or job.stopping.is_set()) and job not in visitor.watched:
        wish.cached.clear(*wish.arguments)
        job = wish.cached(*wish.arguments)
    visitor.wanted.add(job)
    if job not in visitor.watched:
        visitor.watched.add(job)
        job.join(visitor.name)
    return job


def _show_outcome(job: Job, wish: Wish) -> bool:
    """Whether the stage is reached; if not, the page tells how far it is, or what went wrong."""
    if job in _visitor().stopped:
        st.info(literal(_("Stopped: {what}").format(what=wish.what)))
    elif not job.wait(wish.stage, seconds=SECONDS_IN_SILENCE):
        _show_progress(job, wish.stage, wish.what, language())
        return False
    else:
        try:
            job.result(wish.stage)
            return True
        except Stopped:
            st.info(literal(_("Stopped: {what}").format(what=wish.what)))
        except _TOLD as error:
            st.error(literal(str(error)))
        except Exception as error:
            tell_failure(error)
    st.button(_("Try again"), on_click=_forget, args=(job,), key=f"again.{id(job)}")
    return False


@st.fragment(run_every=0.5)
def _show_progress(job: Job, stage: str, what: str, lang: str) -> None:
    with use_language(lang):  # a fragment is run by itself, outside the page
        if job.wait(stage, seconds=0):
            st.rerun()
        st.progress(job.share, text=literal(what))
        if st.button(_("Stop"), key=f"stop.{id(job)}"):
            _visitor().stopped.add(job)
            job.leave(_visitor().name)
            st.rerun()


def _forget(job: Job) -> None:
    """Let the next run of the page ask anew."""
    _visitor().watched.discard(job)
    _visitor().stopped.discard(job)
