"""Serving the wine model: our FastAPI service beside `mlflow models serve`, in one run, on loopback.

Both serve the same version of the same registered model (ElasticNet in a pipeline, loaded from skops), one
row a request, on a connection that is kept. Latency: one caller asks a server fifty times, then the next, in
turn, so that whatever else the machine does hits them alike, and none is measured with its processor's caches
full of another; ours checks its input, counts, watches for drift and logs a line for each request. A third
server is ours with monitoring off. Throughput: ten connections, each with one request on its way, from a
caller that does nothing but send and receive; rounds in turn again. A run is logged as lesson 02 does it,
with the requirements given and, once, with MLflow left to guess them.
"""

import json
import os
import selectors
import socket
import statistics
import time
from collections.abc import Mapping

import mlflow

from benchmarks.report import Claim, finish, median_seconds, print_table
from course_lib.processes import HOST, start_server
from course_lib.serving.deployment import serve
from course_lib.serving.model_server import serve_with_mlflow
from course_lib.serving.reference import Reference
from course_lib.serving.runs import elastic_net, log_run, register, split_wines
from course_lib.serving.tracking import start_tracking_server

BLOCKS, QUESTIONS_A_BLOCK, WARM_UP = 60, 50, 5
CONNECTIONS, ROUNDS, SECONDS_A_ROUND = 10, 21, 2


class Caller:
    """One HTTP connection that is kept; as little work per request as can be."""

    def __init__(self, port: int, path: str, question: Mapping):
        body = json.dumps(question).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        self._request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.connection = socket.create_connection((HOST, port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        self.connection.sendall(self._request)

    def receive(self) -> bytes:
        """The body of a whole answer; RuntimeError where it is not 200."""
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        length = int(head.partition(b"content-length:")[2].split()[0])
        while len(answer) < end + 4 + length:
            answer += self._more()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(answer.decode(errors="replace"))
        return answer[end + 4 :]

    def _more(self) -> bytes:
        part = self.connection.recv(65536)
        if not part:
            raise RuntimeError("The server closed the connection.")
        return part

    def ask(self) -> bytes:
        self.send()
        return self.receive()


def latencies(callers: Mapping[str, Caller]) -> dict[str, list[float]]:
    """Seconds of each request to each server, asked in blocks, in turn; a block's first ones do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in callers}
    for _block in range(BLOCKS):
        for name, caller in callers.items():
            times = []
            for _question in range(WARM_UP + QUESTIONS_A_BLOCK):
                start = time.perf_counter()
                caller.ask()
                times.append(time.perf_counter() - start)
            seconds[name] += times[WARM_UP:]
    return seconds


def requests_a_second(how: tuple, seconds: float) -> float:
    """How many requests are answered when each of ten connections has one on its way at any time."""
    callers = [Caller(*how) for _connection in range(CONNECTIONS)]
    for caller in callers:
        caller.ask()
    with selectors.DefaultSelector() as waiting:
        for caller in callers:
            waiting.register(caller.connection, selectors.EVENT_READ, caller)
            caller.send()
        answered, start = 0, time.perf_counter()
        while (now := time.perf_counter()) < start + seconds:
            for key, _events in waiting.select(timeout=start + seconds - now):
                key.data.receive()
                key.data.send()
                answered += 1
        elapsed = time.perf_counter() - start
    for caller in callers:
        caller.receive()
        caller.connection.close()
    return answered / elapsed


def throughputs(asked: Mapping[str, tuple]) -> dict[str, list[float]]:
    """Requests a second of each server in each of `ROUNDS`, in turn."""
    rates: dict[str, list[float]] = {name: [] for name in asked}
    for _round in range(ROUNDS):
        for name, how in asked.items():
            rates[name].append(requests_a_second(how, SECONDS_A_ROUND))
    return rates


def seconds_to_log(wines, reference: Reference) -> tuple[float, float]:
    """Seconds that logging a run takes, the fit included: as the lesson does it, and with MLflow guessing."""
    model = elastic_net(alpha=0.05, l1_ratio=0.5)
    ours = median_seconds(lambda: log_run(model, wines, reference), runs=7)

    def guess() -> None:
        with mlflow.start_run():
            mlflow.sklearn.log_model(model, name="model", serialization_format="skops")

    return ours, median_seconds(guess, runs=1, warm_up=0)


def measure(wines, mlflow_server, ours, bare):
    """Latencies and throughputs of the three servers, which are made sure to answer the same."""
    row = wines.x_test.head(1)
    split = {"dataframe_split": row.to_dict("split", index=False)}
    records = {"wines": row.to_dict("records")}
    asked = {
        "mlflow models serve": (mlflow_server.port, "/invocations", split),
        "ours, monitoring on": (ours.port, "/predict", records),
        "ours, monitoring off": (bare.port, "/predict", records),
    }
    answers = [json.loads(Caller(*how).ask())["predictions"][0] for how in asked.values()]
    if max(answers) - min(answers) > 1e-9:
        raise RuntimeError(f"The servers answer differently: {answers}")
    seconds = latencies({name: Caller(*how) for name, how in asked.items()})
    return seconds, throughputs(asked)


def main() -> None:
    """Measure, print, and exit non-zero where a claim does not hold."""
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # links to a server that ends
    wines = split_wines()
    reference = Reference.from_frame(wines.x_train)
    with start_tracking_server() as tracking:
        mlflow.set_tracking_uri(tracking.uri)
        mlflow.set_experiment("/wine")
        logging, guessing = seconds_to_log(wines, reference)
        register(log_run(elastic_net(alpha=0.05, l1_ratio=0.5), wines, reference), "champion")
        words = ["-m", "course_lib.serving.service", "--tracking-uri", tracking.uri, "--monitoring", "off"]
        with (
            serve_with_mlflow(tracking.uri) as mlflow_server,
            serve(tracking_uri=tracking.uri) as service,
            start_server(words, name="ours, monitoring off", ready_path="/ready", timeout=120) as bare,
        ):
            seconds, rates = measure(wines, mlflow_server, service.process, bare)

    median = {name: statistics.median(values) for name, values in seconds.items()}
    rate = {name: statistics.median(values) for name, values in rates.items()}
    print_table(
        ("one row a request", "median ms", "99 % below ms", "requests/s, 10 connections"),
        [
            (
                name,
                f"{median[name] * 1000:.2f}",
                f"{statistics.quantiles(seconds[name], n=100)[98] * 1000:.2f}",
                f"{rate[name]:.0f}",
            )
            for name in seconds
        ],
    )
    print(f"Logging a run: {logging:.2f} s; with MLflow left to guess the requirements {guessing:.1f} s.")
    peer, ours, unwatched = seconds
    slower = median[ours] / median[unwatched] - 1
    lost = 1 - statistics.median(on / off for on, off in zip(rates[ours], rates[unwatched], strict=True))
    finish(
        [
            Claim("times shorter median latency than MLflow's server", median[peer] / median[ours], 6, True),
            Claim("times MLflow's throughput at 10 connections", rate[ours] / rate[peer], 6, True),
            Claim("% longer median latency with monitoring on", 100 * slower, 15, False),
            Claim("% lower throughput with monitoring on", 100 * lost, 15, False),
            Claim("seconds to log a run", logging, 1, False),
        ]
    )


if __name__ == "__main__":
    main()
