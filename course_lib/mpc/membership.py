"""A party's membership in a cluster: how it was started, meets the other two, and ends with them.

Promises that a party ends when one of the other two does, and says which of the three was the cause.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.i18n import _
from course_lib.mpc.credentials import Identity
from course_lib.mpc.patience import begin, done_in_time
from course_lib.mpc.peers import BEAT, SECONDS_BETWEEN_BEATS, STOPPED, Peers
from course_lib.mpc.refusal import Refusal, first_line
from course_lib.mpc.spec import PARTIES

if TYPE_CHECKING:
    from spu import libspu


_SECONDS_TO_LOAD = 60  # for the engine: a busy machine takes its time
_SECONDS_TO_JOIN = 6


@dataclass(frozen=True)
class Setting:
    """How a party was started: its name, where it listens, and whether it insists on TLS."""

    name: str
    listen: str
    link_port: int
    identity: Identity
    tls: bool
    record: Path | None


class Member:
    """A party among the three; `ended` is called once, with a sentence and an exit code, at its end."""

    def __init__(self, setting: Setting, ended: Callable[[str, int], None]):
        self.setting, self._ended = setting, ended
        self._loop = asyncio.get_running_loop()
        self._engine = begin(asyncio.to_thread(_load_engine))
        self._loaded_by = self._loop.time() + _SECONDS_TO_LOAD
        self._peers: Peers | None = None
        self._ending, self._last_word = asyncio.Event(), setting.name
        self._before_the_end: Callable[[str], None] = lambda sentence: None

    async def link_port(self) -> int | None:
        """The port on which the engine's link will listen; None where the engine takes longer to load."""
        try:
            if not await done_in_time(self._engine):
                if self._loop.time() < self._loaded_by:
                    return None
                raise TimeoutError(_("it takes more than {seconds} seconds").format(seconds=_SECONDS_TO_LOAD))
        except Exception as error:  # a processor that it can't run on, a damaged installation, ...
            raise Refusal(500, _("The engine can't be loaded: {reason}").format(reason=error)) from error
        if self.setting.link_port:
            return self.setting.link_port
        with socket.socket() as probe:
            probe.bind((self.setting.listen, 0))
            return probe.getsockname()[1]

    async def join(self, session: str, endpoints: list[str], links: list[str]) -> "libspu.link.Context":
        """Meet the others at these addresses, in the parties' order; the party ends where that fails.

        Returns the engine's link.
        """
        from course_lib.mpc.seat import open_link

        name, identity, tls = self.setting.name, self.setting.identity, self.setting.tls
        rank = PARTIES.index(name)
        others = {party: host for party, host in zip(PARTIES, endpoints, strict=True) if party != name}
        links = [*links]
        links[rank] = f"{self.setting.listen}:{links[rank].rpartition(':')[2]}"
        self._peers = Peers(others, identity, tls=tls, lost=self._lose)
        try:
            async with asyncio.timeout(_SECONDS_TO_JOIN):
                await self._peers.meet()
                return await asyncio.to_thread(open_link, session, rank, links, identity if tls else None)
        except (Refusal, RuntimeError, TimeoutError) as error:
            reason = first_line(error)
            if isinstance(error, TimeoutError):  # which is `asyncio.timeout`'s, and says nothing
                reason = _("not all of the ports {links} answered within {seconds} seconds.")
                reason = reason.format(links=", ".join(links), seconds=_SECONDS_TO_JOIN)
            sentence = _("The party can't join the other two: {reason}").format(reason=reason)
            self.end(sentence, 1)
            raise Refusal(502, sentence) from error

    async def announce(self, turn: dict) -> None:
        """Tell the other two what is to be run next; Refusal where one does not take it."""
        if self._peers is None:
            raise Refusal(409, _("The party is in no cluster yet."))
        await self._peers.announce(turn)

    def before_the_end(self, action: Callable[[str], None]) -> None:
        """Call `action` with the sentence that says why, before this party ends."""
        self._before_the_end = action

    def stop(self) -> None:
        """End this party, and with it the other two, because the owner wants it."""
        self._end(_("The cluster was stopped."), 0, last_word=STOPPED)

    def end(self, sentence: str, code: int) -> None:
        """End this party, and with it the other two; callers that wait are told the sentence."""
        self._end(sentence, code, last_word=self.setting.name)

    def end_from_a_thread(self, sentence: str) -> None:
        """The same, with exit code 1, for a thread that is not the event loop's."""
        self._loop.call_soon_threadsafe(self.end, sentence, 1)

    async def beats(self) -> AsyncIterator[bytes]:
        """For another party: a beat each second, and a last word at the end."""
        while not self._ending.is_set():
            yield BEAT
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_BETWEEN_BEATS):
                    await self._ending.wait()
        yield self._last_word.encode()

    def _lose(self, party: str) -> None:
        if party == STOPPED:
            self.stop()
            return
        sentence = _("The party {party} is gone, and so the other two end.").format(party=party)
        self._end(sentence, 1, last_word=party)

    def _end(self, sentence: str, code: int, *, last_word: str) -> None:
        if not self._ending.is_set():
            self._last_word = last_word
            self._ending.set()
            self._before_the_end(sentence)
            self._ended(sentence, code)


def _load_engine() -> None:
    import course_lib.mpc.seat  # noqa: F401
