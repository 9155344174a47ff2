"""Feed the encrypted-inference service damaged requests, and hold it to answering the next good one.

    python -m tools.fuzz --requests 10000 --seed 7

Promises for each damaged request: an answer within bounds, namely a 4xx with one sentence or (where SEAL
can't see the damage) a success, never a 5xx; after every 25 of them a good request answered right;
no process left at the end. A seed gives the same damage in the same places; the keys under it are
fresh each time, so a request that fails is also kept in a file. Leaves out floods: one at a time.
"""

import argparse
import collections
import json
import random
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from course_lib.he.deployment import WebService, deploy
from tools.fuzz_cases import FEATURES, MUTATIONS, Attempt, Caller

BATCH = 25
ENDED_A_WORKER = 422
SECONDS_PER_ANSWER = 60
FAILURES = Path(__file__).resolve().parents[1] / ".cache" / "fuzz"


class Failure(AssertionError):
    """The service did what it must not."""


@dataclass
class Report:
    """What came of it: how often each kind of damage got each status, and how long the slowest took."""

    statuses: collections.Counter = field(default_factory=collections.Counter)
    slowest: dict[str, float] = field(default_factory=dict)  # seconds
    most_memory: int = 0  # bytes, of the service and its workers together

    def note(self, kind: str, status: int, seconds: float) -> None:
        self.statuses[kind, status] += 1
        self.slowest[kind] = max(seconds, self.slowest.get(kind, 0))

    def __str__(self) -> str:
        lines = []
        for kind, seconds in sorted(self.slowest.items()):
            counts = {status: n for (of, status), n in sorted(self.statuses.items()) if of == kind}
            told = ", ".join(f"{status}: {count}" for status, count in counts.items())
            lines.append(f"{kind:>24}  {told}  (slowest {seconds * 1000:.0f} ms)")
        return "\n".join([*lines, f"{self.most_memory >> 20} MB at most"])


class Target:
    """A service with a model that is known here, and a caller whose good requests it must answer."""

    def __init__(self, service: WebService, coeffs: np.ndarray, intercept: np.ndarray, seed: int):
        self.caller = Caller(seed)
        self._expected = coeffs @ self.caller.values + intercept
        self._service = service
        self._http = httpx.Client(base_url=service.process.url, timeout=SECONDS_PER_ANSWER, trust_env=False)
        service.upload_keys(self.caller.key_id, self.caller.public_keys)
        self.family = [psutil.Process(service.process.pid)]

    def send(self, attempt: Attempt) -> int:
        """The status that a damaged request got; Failure where it is not one it may get."""
        answer = self._http.request(attempt.method, attempt.path, content=attempt.body)
        if answer.status_code >= 500 or (answer.is_error and list(answer.json()) != ["error"]):
            raise Failure(f"status {answer.status_code}: {answer.text[:300]}")
        if answer.is_success and attempt.then_score is not None:
            return self._try_out(attempt)
        return answer.status_code

    def _try_out(self, attempt: Attempt) -> int:
        """Score with keys that were let through, then delete them."""
        status = self.send(Attempt("POST", "/score", attempt.then_score))
        if not attempt.path.endswith(self.caller.key_id):
            self._http.delete(attempt.path).raise_for_status()
        return status

    def check(self) -> None:
        """Failure unless a good request is answered right."""
        reply = self._service.run(json.dumps(self.caller.request()))
        scores = self.caller.client.decrypt(reply)
        if not np.allclose(scores, self._expected, atol=1e-3):
            raise Failure(f"a good request got the scores {scores} instead of {self._expected}")

    def memory(self) -> int:
        """What the service and its workers take now, in bytes; remembers who they were."""
        now = [self.family[0], *self.family[0].children(recursive=True)]
        self.family += [process for process in now if process not in self.family]
        return sum(process.memory_info().rss for process in now)


def fuzz(requests: int, seed: int) -> Report:
    """Send so many damaged requests to a service of its own; Failure where it does not stand them."""
    report, model = Report(), np.random.default_rng(seed)
    coeffs, intercept = model.normal(size=(10, FEATURES)), model.normal(size=10)
    with deploy(coeffs, intercept) as service:
        target = Target(service, coeffs, intercept, seed)
        target.check()
        for number in range(requests):
            chance = random.Random(f"{seed} {number}")
            mutation = chance.choice(MUTATIONS)
            attempt = mutation(chance, target.caller)
            began = time.perf_counter()
            try:
                status = target.send(attempt)
                if (number + 1) % BATCH == 0 or number + 1 == requests:
                    report.most_memory = max(report.most_memory, target.memory())
                    target.check()
            except (Failure, httpx.HTTPError, ValueError, RuntimeError) as error:
                raise Failure(
                    f"{told(seed, number, mutation, attempt)}: {error}\n{service.process.log()[-2000:]}"
                ) from error
            report.note(mutation.__name__, status, time.perf_counter() - began)
            if status == ENDED_A_WORKER:
                print(f"A worker was ended by {told(seed, number, mutation, attempt)}.", flush=True)
    left = psutil.wait_procs(target.family, timeout=5)[1]
    if left:
        raise Failure(f"processes are left: {left}")
    return report


def told(seed: int, number: int, mutation, attempt: Attempt) -> str:
    """Which request failed; its body is kept in a file."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    kept = FAILURES / f"{seed}-{number}.bin"
    kept.write_bytes(attempt.body)
    request = f"{attempt.method} {attempt.path[:100]} with {kept}"
    return f"seed {seed}, request {number}, {mutation.__name__}, {request}"


def main() -> None:
    """Read the command line, fuzz, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    arguments = parser.parse_args()
    print(f"{arguments.requests} damaged requests, seed {arguments.seed}", flush=True)
    began = time.perf_counter()
    print(fuzz(arguments.requests, arguments.seed))
    print(f"The service stood them all ({time.perf_counter() - began:.0f} s).")


if __name__ == "__main__":
    main()
