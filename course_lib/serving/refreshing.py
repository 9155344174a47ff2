"""Looking at the registry, again and again, while requests are answered.

Promises that whatever goes wrong in one look is logged and counted, and that the next look is made all the
same; and that, however many ask for a look at once, one is under way and one more waits at most. Leaves out
what a look is, which stands in `champion`.
"""

import asyncio
import contextlib

from course_lib.serving.champion import Champion, NoChampion
from course_lib.serving.logs import LOGGER
from course_lib.serving.monitoring import Monitoring
from course_lib.serving.saved_model import RefusedModel


class Refreshing:
    """The looks at the registry for `champion`."""

    def __init__(self, champion: Champion, monitoring: Monitoring | None):
        self._champion = champion
        self._monitoring = monitoring
        self._looking = asyncio.Lock()
        self._next: asyncio.Task | None = None  # a look that has not begun

    async def refresh(self) -> bool:
        """Whether a look that begins from now on brought another model; what goes wrong in it is raised.

        Who asks before that look begins shares it: each takes a thread, and there are few.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look())
        return await asyncio.shield(self._next)

    async def keep(self, seconds: float) -> None:
        """Look every so many `seconds`, for good."""
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(Exception):  # logged, and counted
                await self.refresh()

    async def _look(self) -> bool:
        async with self._looking:
            self._next = None
            try:
                changed = await asyncio.to_thread(self._champion.refresh)
            except Exception as error:
                known = isinstance(error, NoChampion | RefusedModel)
                reason = str(error) if known else type(error).__name__
                LOGGER.warning("refresh failed", extra={"fields": {"reason": reason}})
                if self._monitoring is not None:
                    self._monitoring.count_refresh(failed=True)
                raise
        if self._monitoring is not None:
            self._monitoring.count_refresh(failed=False)
        if changed:
            fields = {"model": self._champion.name, "version": self._champion.current.version}
            LOGGER.info("model loaded", extra={"fields": fields})
        return changed
