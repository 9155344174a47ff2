"""The other two parties, as one party sees them: are they there, and whose turn is it.

Each party keeps a request open at the others, over which a beat comes every second. Promises that a party
that died, hangs or can't be reached any longer is noticed: at once where its connection breaks, else in a
few seconds.
"""

import asyncio
import contextlib
from collections.abc import Callable

import httpx

from course_lib.i18n import _
from course_lib.mpc.credentials import Identity
from course_lib.mpc.refusal import Refusal
from course_lib.mpc.spec import PARTIES

SECONDS_BETWEEN_BEATS = 1
BEAT = b"."
#: A party's last word where the owner ended it; otherwise that is the name of the party it has lost.
STOPPED = "stopped"
SECONDS_OF_SILENCE = 6
_SECONDS_TO_MEET = 5
_SECONDS_TO_TAKE_A_TURN = 4  # less than a caller waits for the party that asks for it


class Peers:
    """Connections to the others at `hosts`, by name.

    `lost` is called with the name of one that is gone, or with `STOPPED` where its owner ended it.
    """

    def __init__(self, hosts: dict[str, str], identity: Identity, *, tls: bool, lost: Callable[[str], None]):
        self._hosts, self._lost = hosts, lost
        context = identity.client_context() if tls else True
        self._clients = {
            party: httpx.AsyncClient(
                base_url=f"{'https' if tls else 'http'}://{host}",
                headers={"Authorization": f"Bearer {identity.shown[party]}"},
                timeout=_SECONDS_TO_MEET,
                verify=context,
                trust_env=False,
            )
            for party, host in hosts.items()
        }
        self._met = {party: asyncio.Event() for party in hosts}
        self._watches = [asyncio.create_task(self._watch(party)) for party in hosts]

    async def meet(self) -> None:
        """Return when both answer; Refusal where one does not."""
        deadline = asyncio.get_running_loop().time() + _SECONDS_TO_MEET
        for party, met in self._met.items():
            try:
                async with asyncio.timeout_at(deadline):
                    await met.wait()
            except TimeoutError:
                sentence = _("The party can't reach {party} at {host}, or is not admitted there.")
                raise Refusal(502, sentence.format(party=party, host=self._hosts[party])) from None

    async def announce(self, turn: dict) -> None:
        """Tell both what is to be run next; Refusal where one does not take it."""
        answers = await asyncio.gather(
            *(
                client.post("/turns", json=turn, timeout=_SECONDS_TO_TAKE_A_TURN)
                for client in self._clients.values()
            ),
            return_exceptions=True,
        )
        for party, answer in zip(self._clients, answers, strict=True):
            if not isinstance(answer, httpx.Response) or answer.is_error:
                raise Refusal(
                    502, _("The party {party} is gone, or too busy to take its turn.").format(party=party)
                )

    async def _watch(self, party: str) -> None:
        last_word = ""
        patience = httpx.Timeout(_SECONDS_TO_MEET, read=SECONDS_OF_SILENCE)
        with contextlib.suppress(httpx.HTTPError):
            async with self._clients[party].stream("GET", "/pulse", timeout=patience) as pulse:
                pulse.raise_for_status()
                self._met[party].set()
                async for beat in pulse.aiter_raw():
                    last_word = beat.lstrip(BEAT).decode("ascii", errors="replace")
        self._lost(last_word if last_word in (*PARTIES, STOPPED) else party)
