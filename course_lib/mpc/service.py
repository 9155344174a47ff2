"""What a party does: it holds its shares of a model, and answers questions with them.

Promises that the model runs on a question only when all three parties have it. Leaves out HTTP (`endpoints`),
the process (`party`), how it joins the other two (`membership`), and how often the model answers (`offer`).
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING

import numpy as np

from course_lib.i18n import N_, _
from course_lib.mpc import wire
from course_lib.mpc.costs import Cost, EngineLog
from course_lib.mpc.frames import unpack_model
from course_lib.mpc.membership import Member
from course_lib.mpc.offer import NOT_SHARED, Offer, Opening
from course_lib.mpc.patience import begin, done_in_time
from course_lib.mpc.questions import Question, Questions
from course_lib.mpc.refusal import Refusal, first_line
from course_lib.mpc.spec import PARTIES, ModelSpec

if TYPE_CHECKING:
    from course_lib.mpc.seat import Seat

#: The first party decides in which order questions are run.
FIRST = PARTIES[0]
_SECONDS_BETWEEN_SWEEPS = 10
_NO_CLUSTER = N_("The party is in no cluster yet.")


class PartyService:
    """One party's work, as a member of a cluster."""

    def __init__(self, member: Member):
        self.member = member
        self._log = EngineLog()
        self._offer, self._questions = Offer(), Questions()
        self._order = asyncio.Lock()
        self._seat: Seat | None = None
        self._joining: asyncio.Task | None = None
        self._changing: asyncio.Task | None = None  # the model that is held
        self._recorded = 0
        self._ended: str | None = None  # why, once this party ends
        member.before_the_end(self._refuse_all)

    def join(self, session: str, endpoints: list[str], links: list[str]) -> None:
        """Begin to join the other two at these addresses, and to take the seat at the table."""
        if self._joining is not None:
            raise Refusal(409, _("The party is in a cluster already; stop that one first."))
        self._joining = begin(self._join(session, endpoints, links))

    async def has_joined(self) -> bool:
        """Whether it has, or is still at it; raises why it could not."""
        if self._joining is None:
            raise Refusal(409, _(_NO_CLUSTER))
        return await self._is_done(self._joining)

    async def _join(self, session: str, endpoints: list[str], links: list[str]) -> None:
        from course_lib.mpc.seat import Seat

        link = await self.member.join(session, endpoints, links)
        self._seat = Seat(link, self._log, self.member.end_from_a_thread)

    # The model

    def hold_model(self, body: bytes) -> None:
        """Begin to hold the model in `body`'s frames: its description, programs, this party's weights."""
        self._change(self._hold_model(body))

    def forget_model(self) -> None:
        """Stop serving, and begin to forget the model."""
        self._change(self._forget_model())

    async def has_changed(self) -> bool:
        """Whether the model is held, or forgotten, or that is still under way; raises why it could not be."""
        if self._changing is None:
            raise Refusal(409, _(NOT_SHARED))
        return await self._is_done(self._changing)

    def _change(self, change: Coroutine) -> None:
        if self._changing is not None and not self._changing.done():
            change.close()
            raise Refusal(409, _("The model is just being changed; please try again."))
        self._changing = begin(change)

    async def _hold_model(self, body: bytes) -> None:
        spec, programs, weights = await asyncio.to_thread(unpack_model, body)
        await self._forget_model()
        for index, weight in enumerate(weights):
            self._record(f"weight-{index}", weight)
        await self._let_the_engine_hold(spec, programs, weights)
        self._offer.hold(spec)

    async def _forget_model(self) -> None:
        self.stop_serving()
        if self._offer.spec is not None:
            self._offer.forget()
            await self._let_the_engine_hold(None, {}, [])

    async def _let_the_engine_hold(
        self, spec: ModelSpec | None, programs: dict[int, bytes], weights: list[np.ndarray]
    ) -> None:
        holding = asyncio.wrap_future(self._require_seat().hold_model(spec, programs, weights))
        try:
            await asyncio.shield(holding)  # the engine goes on in any case
        except RuntimeError as error:  # this party is about to end
            raise _engine_failed(error) from error

    def serve(self, num_requests: int | None) -> None:
        """Answer questions from now on: so many, or, with None, until this is stopped."""
        self._offer.open(num_requests)

    def stop_serving(self) -> None:
        """Answer no further questions."""
        self._offer.close()
        self._questions.refuse_all(self._offer.refusal())

    def state(self) -> dict:
        """What clients and the owner may know."""
        return {
            "party": self.member.setting.name,
            "joined": self._seat is not None,
            **self._offer.state(),
        }

    # Questions

    def room_for(self, size: int) -> contextlib.AbstractContextManager[None]:
        """Keep room for so many bytes while they come; Refusal where there is none."""
        return self._questions.room_for(size)

    def take_question(self, question_id: str, frame: bytes) -> None:
        """Take in this party's share of a question, in a frame for the model; its size says the batch's."""
        spec = self.require_serving()
        shapes = [(size, *spec.input_shape) for size in spec.batch_sizes]
        shape = next((shape for shape in shapes if wire.share_frame_bytes(shape) == len(frame)), shapes[0])
        share = wire.unpack_share(wire.QUESTION, frame, fingerprint=spec.fingerprint, shape=shape)
        self._record("question", share)
        self._questions.add(Question(question_id, spec.fingerprint, share))

    async def run(self, question_id: str) -> None:
        """As the first party: give this question the next turn, at all three."""
        if self.member.setting.name != FIRST:
            raise Refusal(400, _("The order of questions is decided by {party}.").format(party=FIRST))
        async with self._order:
            question = self._find(question_id)
            if question.share is None:
                raise Refusal(409, _("The question has been run already."))
            opening = self._offer.grant()
            try:
                turn = {"question_id": question_id, "fingerprint": question.fingerprint.hex()}
                await self.member.announce(turn)
            except Refusal as refusal:  # one of the others may have taken it: they are out of step
                self.member.end(str(refusal), 1)
                raise
            self._take_turn(question_id, question.fingerprint, opening)

    def take_turn(self, question_id: str, fingerprint: bytes) -> None:
        """As one of the others: run this question next, as the first party announces."""
        self._take_turn(question_id, fingerprint, self._offer.opening)

    def _take_turn(self, question_id: str, fingerprint: bytes, opening: Opening) -> None:
        """Run this question next, if this party has its share; all three come here in the same order."""
        question = self._questions.find(question_id)
        share = question and question.take_share()
        running = asyncio.wrap_future(self._require_seat().take_turn(question_id, fingerprint, share))
        running.add_done_callback(lambda running: self._finish(question, opening, running))

    async def answer(self, question_id: str) -> tuple[bytes, Cost] | None:
        """This party's share of the answer, in a frame, and what it cost; None where it takes longer."""
        question = self._find(question_id)
        try:
            if not await done_in_time(question.answer):
                return None
        finally:
            if question.answer.done():
                self._questions.forget(question_id)
        share, cost = question.answer.result()
        self._record("answer", share)
        return wire.pack_share(wire.ANSWER, share, fingerprint=question.fingerprint), cost

    def forget(self, question_id: str) -> None:
        """Forget a question whose client wants no answer; what is just being run is run all the same."""
        self._questions.forget(question_id)

    def close(self) -> None:
        """Leave no file behind."""
        self._log.close()

    async def sweep(self) -> None:
        """Forget, every few seconds and for ever, what nobody fetched."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_SWEEPS)
            self._questions.forget_old()

    def _finish(self, question: Question | None, opening: Opening, running: asyncio.Future) -> None:
        """Keep the answer for its client, and count it; a turn in which nothing was run does not count."""
        from course_lib.mpc.seat import NotTogetherError

        error = running.exception()
        if error is None:
            self._offer.count_answer(opening)
        else:
            self._offer.take_back(opening)
        if question is None:
            return
        if error is None:
            question.settle(running.result())
        elif isinstance(error, NotTogetherError):
            sentence = _("The question was not run: the parties do not hold shares of it that fit together.")
            question.settle(Refusal(409, sentence))
        else:  # the engine's failures; this party is about to end
            question.settle(_engine_failed(error))

    async def _is_done(self, work: asyncio.Task) -> bool:
        try:
            return await done_in_time(work)
        except asyncio.CancelledError:
            if work.cancelled():
                raise Refusal(503, self._ended) from None
            raise  # the caller has hung up

    def _refuse_all(self, sentence: str) -> None:
        """This party ends: tell all who wait."""
        self._ended = sentence
        self._questions.refuse_all(Refusal(503, sentence))
        for work in (self._joining, self._changing):
            if work is not None and not work.done():
                work.cancel()

    def _find(self, question_id: str) -> Question:
        question = self._questions.find(question_id)
        if question is None:
            self.require_serving()
            raise Refusal(404, _("There is no question with this id, or not any longer."))
        return question

    def _require_seat(self) -> "Seat":
        if self._seat is None:
            raise Refusal(409, _(_NO_CLUSTER))
        return self._seat

    def require_serving(self) -> ModelSpec:
        """The model that questions are answered with; Refusal where none are."""
        return self._offer.require_open()

    def _record(self, what: str, share: np.ndarray) -> None:
        """Keep what has come, as a curious party would, where the party was started to show that."""
        if self.member.setting.record is not None:
            self._recorded += 1
            np.save(self.member.setting.record / f"{self._recorded:04d}-{what}.npy", share)


def _engine_failed(error: BaseException) -> Refusal:
    return Refusal(503, _("The engine failed: {reason}").format(reason=first_line(error)))
