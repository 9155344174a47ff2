"""Work of a party that may take longer than its callers wait for an answer.

Promises that a caller can tell a party that works from one that hangs: who asks is answered every few
seconds, that it is done or that it is not.
"""

import asyncio
import traceback
from collections.abc import Coroutine

SECONDS_TO_WAIT = 3  # for work, before the caller is told to ask again


def begin(work: Coroutine) -> asyncio.Task:
    """Begin with `work`; what goes wrong in it is kept for `done_in_time`, whether or not anybody asks."""
    task = asyncio.create_task(work)
    task.add_done_callback(_keep_the_sentence_alone)
    return task


async def done_in_time(work: asyncio.Future) -> bool:
    """Whether `work` is done in a few seconds; raises what went wrong in it. It goes on in either case.

    Raises asyncio.CancelledError where it was cancelled.

    >>> async def wait_for(seconds: float) -> bool:
    ...     return await done_in_time(begin(asyncio.sleep(seconds)))
    >>> asyncio.run(wait_for(0.1)), asyncio.run(wait_for(60))
    (True, False)
    """
    await asyncio.wait({work}, timeout=SECONDS_TO_WAIT)
    if work.done():
        work.result()
    return work.done()


def _keep_the_sentence_alone(task: asyncio.Task) -> None:
    """An error's traceback would hold what the work was given, up to a gigabyte, for as long as the task."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        traceback.clear_frames(error.__traceback__)
