"""A party's seat at the table: one thread in which its engine runs, one query after another.

The engine's link counts messages, so the three parties have to run the same queries in the same order, and
all calls of one party come from one thread. Before each query the three tell each other what they are about
to run; where one of them lacks its share, or has another model, none runs it. Nor do they where two of them
were not given the same numbers for the part of the question that both hold: a client that gives out shares
which don't fit together could learn more of the weights than answers tell.
"""

import contextvars
import hashlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from spu import libspu

from course_lib.i18n import _
from course_lib.mpc import engine
from course_lib.mpc.costs import Cost, EngineLog, parse_cost
from course_lib.mpc.credentials import Identity
from course_lib.mpc.refusal import first_line
from course_lib.mpc.spec import PARTIES, ModelSpec

#: Seconds that the engine waits for a message. Whether the others are still there is not for it to find out.
_LONGEST_COMPUTATION = 600
_SECONDS_TO_CONNECT = 10
_NOTHING = "nothing"


class NotTogetherError(RuntimeError):
    """The three parties did not have shares of the same question to the same model."""


class Seat:
    """One party's engine in a thread; `broken` is called, with a sentence, when it fails for good."""

    def __init__(self, link: libspu.link.Context, log: EngineLog, broken: Callable[[str], None]):
        config = engine.runtime_config()
        config.enable_pphlo_profile = True  # the log tells what a query cost
        engine.log_to(log.path, libspu.logging.LogLevel.INFO)
        self._link, self._log, self._broken = link, log, broken
        self._machine = engine.Machine(link, config)
        self._spec: ModelSpec | None = None
        self._programs: dict[int, bytes] = {}
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def hold_model(
        self, spec: ModelSpec | None, programs: dict[int, bytes], weights: list[np.ndarray]
    ) -> Future:
        """Hold this model's shares from now on, and no others; without a `spec`, none."""
        return self._do(self._hold_model, spec, programs, weights)

    def take_turn(self, question_id: str, fingerprint: bytes, share: np.ndarray | None) -> Future:
        """Run the model with this fingerprint on a question, together: the answer's share and the cost.

        `share` is None where this party has none. The future raises NotTogetherError where nothing was run.
        """
        return self._do(self._take_turn, question_id, fingerprint, share)

    def _do(self, action: Callable, *arguments) -> Future:
        future = Future()
        self._jobs.put((contextvars.copy_context(), future, action, arguments))
        return future

    def _work(self) -> None:
        while True:
            context, future, action, arguments = self._jobs.get()
            try:
                future.set_result(context.run(action, *arguments))
            except NotTogetherError as error:
                future.set_exception(error)
            except Exception as error:  # the engine's own failures have no types; none leaves it usable
                future.set_exception(error)
                self._broken(_("The engine failed: {reason}").format(reason=first_line(error)))
                return

    def _hold_model(
        self, spec: ModelSpec | None, programs: dict[int, bytes], weights: list[np.ndarray]
    ) -> None:
        self._machine.hold_weights(weights)
        self._spec, self._programs = spec, programs

    def _take_turn(
        self, question_id: str, fingerprint: bytes, share: np.ndarray | None
    ) -> tuple[np.ndarray, Cost]:
        plan = _NOTHING
        if share is not None and self._spec is not None and self._spec.fingerprint == fingerprint:
            plan = f"{question_id} {fingerprint.hex()} {len(share)}"
        if not self._holds_what_the_others_hold(question_id, share):
            plan = _NOTHING
        plans = self._link.all_gather(plan)
        if plan == _NOTHING or any(_text(other) != plan for other in plans):
            raise NotTogetherError
        self._log.take()
        answer = self._machine.run(self._programs[len(share)], share, (len(share), *self._spec.output_shape))
        return answer, parse_cost(self._log.take())

    def _holds_what_the_others_hold(self, question_id: str, share: np.ndarray | None) -> bool:
        """Whether the party before this one was given the same part as this one, which both hold.

        Each tells the next one alone, who has the part: the third would learn something by a digest.
        """
        own, shared_with_next = (
            _NOTHING if share is None else _digest(question_id, share[..., part]) for part in (0, 1)
        )
        self._link.send(self._link.next_rank(), shared_with_next)
        return _text(self._link.recv(self._link.next_rank(len(PARTIES) - 1))) == own


def open_link(session: str, rank: int, hosts: list[str], identity: Identity | None) -> libspu.link.Context:
    """The engine's link to the other two, with mutual TLS where there is an `identity`.

    `hosts` are the links' addresses in the parties' order, this party's own being the one to listen on.
    Messages carry the `session`, which nobody else knows. The engine's port takes plain text as well, from
    anybody, and keeps what nobody waits for: who can reach it can't read along or join in, but can fill this
    party's memory. Between machines, let the other two parties alone reach it (`--link-port`, a firewall).
    RuntimeError where the others can't be reached: within about ten seconds where they refuse, a minute where
    they say nothing.
    """
    link = libspu.link.Desc()
    link.id, link.recv_timeout_ms = session, _LONGEST_COMPUTATION * 1000
    link.connect_retry_times, link.connect_retry_interval_ms = _SECONDS_TO_CONNECT // 3, 700
    for party, host in zip(PARTIES, hosts, strict=True):
        link.add_party(party, host)
    if identity is not None:
        link.enable_ssl = True
        for options in (link.client_ssl_opts, link.server_ssl_opts):
            options.cert.certificate_path = identity.path("certificate", link=True)
            options.cert.private_key_path = identity.path("key", link=True)
            options.verify.ca_file_path = identity.path("authority", link=True)
            options.verify.verify_depth = 1
    return libspu.link.create_brpc(link, rank)


def _digest(question_id: str, part: np.ndarray) -> str:
    return hashlib.sha256(question_id.encode() + part.tobytes()).hexdigest()


def _text(message: str | bytes) -> str:
    return message.decode() if isinstance(message, bytes) else message
