"""What the service answers over HTTP, in this very process and without a registry."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.svm import SVR

import serving_parts
from course_lib.serving import api
from course_lib.serving.champion import NoChampion
from course_lib.serving.deployment import read_metrics
from course_lib.serving.logs import LOGGER, JsonFormatter, RequestLog
from course_lib.serving.monitoring import Monitoring
from course_lib.serving.saved_model import RefusedModel
from course_lib.serving.schema import EXAMPLE_WINE, FEATURES, MOST_BYTES, MOST_ROWS
from serving_parts import PATIENCE, WINES, X_TEST, FixedChampion, ask, fitted, one_sentence, served, talk

reference = serving_parts.reference
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def champion(reference):
    return FixedChampion(served(reference))


@pytest.fixture
def lines():
    """What is logged meanwhile, as the service would write it."""
    written = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter())
    handler.emit = lambda record: written.extend(map(json.loads, handler.format(record).splitlines()))
    LOGGER.addHandler(handler)
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield written
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def wines(rows) -> dict:
    return {"wines": rows.to_dict("records")}


def scraped(text: str) -> dict:
    return read_metrics(text)


def test_a_batch_is_answered_as_the_model_itself_does(champion):
    answer = ask(champion, json=wines(X_TEST))
    assert answer.status_code == 200
    assert answer.json()["predictions"] == pytest.approx(fitted().predict(X_TEST).tolist(), rel=1e-12)
    assert (answer.json()["model"], answer.json()["version"]) == ("wine", 1)


def test_a_large_batch_is_answered_too_and_alike(champion):
    batch = X_TEST.sample(MOST_ROWS, replace=True, random_state=0)
    answer = ask(champion, json=wines(batch))
    assert np.allclose(answer.json()["predictions"], fitted().predict(batch), rtol=1e-12)


def test_a_large_batch_keeps_nobody_waiting(champion, monkeypatch):
    """While one is predicted in a thread, another question is answered."""
    others = asyncio.Event()
    predict = api._predict

    def slow(model, body):
        if len(body) > 10_000:
            asyncio.run_coroutine_threadsafe(others.wait(), loop).result(20)
        return predict(model, body)

    async def conversation(http):
        nonlocal loop
        loop = asyncio.get_running_loop()
        large = asyncio.create_task(http.post("/predict", json=wines(X_TEST)))
        small = await http.post("/predict", json=wines(X_TEST.head(1)))
        others.set()
        return small, await large

    loop = None
    monkeypatch.setattr(api, "_predict", slow)
    small, large = talk(champion, conversation)
    assert small.status_code == large.status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"hello", 400),
        (b"\x80\x04K\x01.", 400),
        (b'{"wines": []}', 422),
        (b'{"wines": [{}]}', 422),
        (json.dumps({"wines": [EXAMPLE_WINE | {"pH": "3"}]}).encode(), 422),
        (json.dumps({"wines": [EXAMPLE_WINE | {"pH": float("nan")}]}).encode(), 422),
        (json.dumps({"wines": [EXAMPLE_WINE | {"pH": float("-inf")}]}).encode(), 422),
        (json.dumps({"wines": [EXAMPLE_WINE] * (MOST_ROWS + 1)}).encode(), 413),
        (b" " * (MOST_BYTES + 1), 413),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(champion, content, status):
    answer = ask(champion, content=content, headers=JSON)
    assert answer.status_code == status
    assert len(one_sentence(answer)) < 300


def test_a_million_rows_are_refused_before_they_are_in_memory(champion):
    row = json.dumps(EXAMPLE_WINE).encode() + b","
    sent = 0

    async def million():
        nonlocal sent
        yield b'{"wines": ['
        for _thousand in range(1000):
            sent += 1000
            yield row * 1000

    monitoring, before = Monitoring(), serving_parts.memory_bytes()
    answer = ask(champion, monitoring, content=million(), headers=JSON)
    assert answer.status_code == 413 and str(MOST_BYTES) in one_sentence(answer)
    assert sent == 1_000_000 and serving_parts.memory_bytes() - before < 10 * MOST_BYTES


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/csv", "", None])
def test_another_content_type_is_refused(champion, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    answer = ask(champion, content=json.dumps(wines(WINES.head(1))), headers=headers)
    assert answer.status_code == 415 and "application/json" in one_sentence(answer)


def test_a_content_type_may_name_its_characters(champion):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert ask(champion, content=json.dumps(wines(WINES.head(1))), headers=headers).status_code == 200


def test_a_refusal_is_told_in_the_callers_language(champion):
    from course_lib.i18n import use_language

    with use_language("de"):
        expected = api._("JSON was expected, but what came can't be read as JSON.")
    answer = ask(champion, content=b"{", headers=JSON | {"Accept-Language": "de"})
    assert one_sentence(answer) == expected


def test_unusual_values_are_answered_and_counted_by_feature(champion):
    async def conversation(http):
        low, high = (EXAMPLE_WINE | {"alcohol": value} for value in (0, 99))
        answer = await http.post(
            "/predict", json={"wines": [low, high, EXAMPLE_WINE | {"pH": 14}, EXAMPLE_WINE]}
        )
        return answer, scraped((await http.get("/metrics")).text)

    answer, metrics = talk(champion, conversation, monitoring=Monitoring())
    assert answer.status_code == 200
    counted = dict.fromkeys(FEATURES, 0) | {"alcohol": 2, "pH": 1}
    assert metrics["wine_outliers_total"] == counted
    assert metrics["wine_rows_total"] == 4


def test_a_model_without_a_finite_answer_is_told(champion, monkeypatch):
    monkeypatch.setattr(champion.current.model, "predict", lambda rows: np.array([1, np.nan]))
    answer = ask(champion, json=wines(WINES.head(2)))
    assert answer.status_code == 422 and "no finite answer for wine 2" in one_sentence(answer)


def test_a_mistake_is_answered_and_logged_without_what_it_was_about(champion, monkeypatch, lines):
    def mistake(_rows):
        raise RuntimeError("secret value 7.4")

    monkeypatch.setattr(champion.current.model, "predict", mistake)
    request = {"json": wines(WINES.head(1)), "headers": {"X-Request-ID": "mine"}}
    answer = ask(champion, Monitoring(), **request)
    assert answer.status_code == 500 and "its log says which" in one_sentence(answer)
    assert answer.headers["X-Request-ID"] == "mine"
    (mistakes,) = [line for line in lines if line["event"] == "mistake"]
    assert mistakes["error"] == "RuntimeError" and mistakes["request_id"] == "mine"
    assert any(place.endswith(" mistake") for place in mistakes["places"])
    assert "secret" not in json.dumps(lines)


def test_without_a_model_it_is_alive_but_not_ready():
    why = NoChampion('The registry has no model "wine" with the alias "champion".')

    async def conversation(http):
        asked = [("GET", "/health"), ("GET", "/ready"), ("POST", "/reload"), ("POST", "/predict")]
        body = {"json": wines(WINES.head(1))}
        return [await http.request(*each, **(body if each[1] == "/predict" else {})) for each in asked]

    health, *others = talk(FixedChampion(next_one=why), conversation)
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    for answer in others:
        assert answer.status_code == 503 and one_sentence(answer) == str(why)


def test_while_the_registry_is_away_it_goes_on_and_says_so(champion, lines):
    champion.next_one = NoChampion("The model registry at x can't be used (y).")

    async def conversation(http):
        reload = await http.post("/reload")
        ready, answer = await http.get("/ready"), await http.post("/predict", json=wines(WINES.head(1)))
        return reload, ready, answer, scraped((await http.get("/metrics")).text)

    reload, ready, answer, metrics = talk(champion, conversation, monitoring=Monitoring())
    assert reload.status_code == 503 and one_sentence(reload) == str(champion.next_one)
    assert ready.status_code == 200
    assert ready.json() == {"model": "wine", "version": 1, "refresh_failure": str(champion.next_one)}
    assert answer.json()["version"] == 1
    assert metrics["wine_refresh_failures_total"] == 2  # at its start, and now
    assert metrics["wine_refresh_success_timestamp_seconds"] > 1e9  # its start: no alarm at once
    failed = [line for line in lines if line["event"] == "refresh failed"]
    assert len(failed) == 2 and failed[0]["reason"] == str(champion.next_one)


def test_no_error_ends_the_looks_at_the_registry(champion, reference, lines, monkeypatch):
    """Not even one that nobody has thought of: the next champion is found all the same."""
    looks = iter([ZeroDivisionError("secret"), MemoryError()])
    refresh = champion.refresh

    def fails_twice():
        for error in looks:
            raise error
        champion.next_one = served(reference, version=2)
        return refresh()

    async def conversation(http):
        async with asyncio.timeout(20):
            while (await http.get("/ready")).json()["version"] == 1:
                await asyncio.sleep(0.01)
        return scraped((await http.get("/metrics")).text)

    monkeypatch.setattr(champion, "refresh", fails_twice)
    metrics = talk(champion, conversation, monitoring=Monitoring(), refresh_seconds=0.01)
    assert metrics["wine_refresh_failures_total"] == 2
    failed = [line["reason"] for line in lines if line["event"] == "refresh failed"]
    assert failed == ["ZeroDivisionError", "MemoryError"]


def test_many_reloads_take_one_thread_and_see_what_was_there_when_they_came(champion, monkeypatch):
    """A hundred ask while a look at a slow registry is under way: all share the one that follows."""
    go_on, looks = threading.Event(), []

    def slow():
        looks.append(threading.current_thread())
        assert len(looks) == 1 or go_on.wait(20)  # the first is the service's own, at its start
        return False

    async def conversation(http):
        first = asyncio.create_task(http.post("/reload"))
        while len(looks) < 2:
            await asyncio.sleep(0)
        others = [asyncio.create_task(http.post("/reload")) for _caller in range(100)]
        async with asyncio.timeout(20):
            answer = await http.post("/predict", json=wines(X_TEST))  # large enough for a thread
        go_on.set()
        return answer, await asyncio.gather(first, *others)

    monkeypatch.setattr(champion, "refresh", slow)
    answer, reloads = talk(champion, conversation, refresh_seconds=1000)
    assert answer.status_code == 200 and {reload.status_code for reload in reloads} == {200}
    assert len(looks) == 3


def test_a_champion_that_is_refused_is_a_conflict(champion):
    champion.next_one = RefusedModel("The model is in the format pickle.")
    answer = talk(champion, lambda http: http.post("/reload"))
    assert answer.status_code == 409 and one_sentence(answer) == "The model is in the format pickle."


def test_a_reload_exchanges_the_model_and_begins_a_new_window(champion, reference):
    async def conversation(http):
        question = {"json": wines(X_TEST.head(150))}
        before = await http.post("/predict", **question)
        first = scraped((await http.get("/metrics")).text)
        champion.next_one = served(reference, version=2, model=SVR())
        reload = await http.post("/reload")
        after = await http.post("/predict", **question)
        again = await http.post("/reload")
        return before, reload, after, again, first, scraped((await http.get("/metrics")).text)

    before, reload, after, again, first, second = talk(champion, conversation, monitoring=Monitoring())
    assert reload.json() == {"model": "wine", "version": 2, "changed": True}
    assert again.json() == {"model": "wine", "version": 2, "changed": False}
    assert (before.json()["version"], after.json()["version"]) == (1, 2)
    assert after.json()["predictions"] == pytest.approx(fitted(SVR()).predict(X_TEST.head(150)).tolist())
    assert (first["wine_model_version"], second["wine_model_version"]) == (1, 2)
    assert first["wine_window_rows"] == second["wine_window_rows"] == 150
    assert second["wine_prediction_mean"] == pytest.approx(np.mean(after.json()["predictions"]))


def test_nobody_waits_for_an_exchange_and_each_answer_is_of_one_model(champion, reference):
    """Many ask while the model is exchanged again and again."""
    models = [served(reference, version=1), served(reference, version=2, model=SVR())]
    expected = {model.version: model.model.predict(WINES.to_numpy()[:5]) for model in models}

    async def conversation(http):
        async def exchange():
            for number in range(30):
                champion.next_one = models[number % 2]
                await http.post("/reload")
            done.set()

        async def keep_asking():
            answers = []
            while not done.is_set():
                answers.append(await http.post("/predict", json=wines(WINES.head(5))))
                await asyncio.sleep(0)  # others may go on: nothing here waits for a network
            return answers

        done = asyncio.Event()

        _none, *answers = await asyncio.gather(exchange(), *(keep_asking() for _caller in range(4)))
        return [answer for each in answers for answer in each]

    answers = talk(champion, conversation, monitoring=Monitoring())
    assert len(answers) >= 8 and {answer.status_code for answer in answers} == {200}
    assert {answer.json()["version"] for answer in answers} == {1, 2}
    for answer in answers:
        assert np.allclose(answer.json()["predictions"], expected[answer.json()["version"]])


@pytest.mark.parametrize("given", ["order-7.2", "A_b", "0" * 64])
def test_a_callers_request_id_comes_back(champion, given, lines):
    request = {"json": wines(WINES.head(3)), "headers": {"X-Request-ID": given}}
    answer = ask(champion, Monitoring(), **request)
    assert answer.headers["X-Request-ID"] == given
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["request_id"] == given
    assert (
        line.items() >= {"path": "/predict", "method": "POST", "status": 200, "rows": 3, "version": 1}.items()
    )


@pytest.mark.parametrize("given", ["", "0" * 65, "a b", "a\tb", 'a"b', "é".encode(), "../x", "<script>"])
def test_a_request_id_that_is_none_is_replaced(champion, given):
    answer = ask(champion, Monitoring(), json=wines(WINES.head(1)), headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_no_measurement_is_logged(champion, lines):
    async def conversation(http):
        for value in (123.456789, "123.456789", None):
            await http.post("/predict", json={"wines": [EXAMPLE_WINE | {"pH": value}]})
            await http.post("/predict?alcohol=123.456789", json={"wines": [EXAMPLE_WINE | {"pH": value}]})

    talk(champion, conversation, monitoring=Monitoring())
    assert len([line for line in lines if line["event"] == "request"]) == 6
    assert "123.456" not in json.dumps(lines)


def test_what_is_asked_every_few_seconds_is_not_logged(champion, lines):
    async def conversation(http):
        for path in ("/health", "/ready", "/metrics", "/nothing"):
            await http.get(path)

    talk(champion, conversation, monitoring=Monitoring())
    assert [line["path"] for line in lines if line["event"] == "request"] == ["/nothing"]


def test_metrics_count_what_happened(champion):
    async def conversation(http):
        for size in (1, 2, 300):
            await http.post("/predict", json=wines(X_TEST.head(size)))
        await http.post("/predict", content=b"{", headers=JSON)
        await http.post("/predict", json={"wines": []})
        await http.get("/health")
        return await http.get("/metrics")

    exposed = talk(champion, conversation, monitoring=Monitoring())
    assert exposed.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    metrics = scraped(exposed.text)
    statuses = {status: count for status, count in metrics["wine_requests_total"].items() if count}
    assert statuses == {"200": 3, "400": 1, "422": 1}
    assert metrics["wine_request_seconds_count"] == 5
    assert 0 < metrics["wine_request_seconds_sum"] < 60
    assert metrics["wine_rows_total"] == 303
    assert metrics["wine_window_rows"] == 200
    newest = fitted().predict(X_TEST.iloc[100:300])
    assert metrics["wine_prediction_mean"] == pytest.approx(newest.mean())
    assert metrics["wine_prediction_variance"] == pytest.approx(newest.var())
    reference = champion.current.model.reference
    assert metrics["wine_drift_threshold"] == reference.threshold
    assert metrics["wine_feature_drift"] == pytest.approx(
        reference.distances(X_TEST.iloc[100:300].to_numpy())
    )
    assert metrics["wine_memory_bytes"] > 10e6 and metrics["wine_cpu_seconds_total"] > 0
    assert metrics["wine_model_registered_timestamp_seconds"] == 1e9


def test_without_monitoring_nothing_is_counted_or_logged(champion, lines):
    async def conversation(http):
        answer = await http.post("/predict", json=wines(WINES.head(1)))
        return answer, await http.get("/metrics")

    answer, metrics = talk(champion, conversation)
    assert answer.status_code == 200 and "X-Request-ID" in answer.headers
    assert metrics.status_code == 404 and lines == []


def test_other_addresses_have_a_sentence_too(champion):
    async def conversation(http):
        return [await http.request(*each) for each in (("GET", "/"), ("GET", "/predict"), ("PUT", "/health"))]

    answers = talk(champion, conversation)
    assert [answer.status_code for answer in answers] == [404, 405, 405]
    assert all("/docs" in one_sentence(answer) for answer in answers)


def test_the_openapi_document_describes_every_call(champion):
    async def conversation(http):
        return await http.get("/openapi.json"), await http.get("/docs")

    document, page = talk(champion, conversation, monitoring=Monitoring())
    assert page.status_code == 200 and "://cdn" not in page.text
    paths = document.json()["paths"]
    assert set(paths) == {"/predict", "/reload", "/health", "/ready", "/metrics"}
    asked = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert asked["example"] == {"wines": [EXAMPLE_WINE]}
    assert asked["schema"]["properties"]["wines"]["items"]["properties"]["alcohol"]["x-unit"] == "% by volume"
    assert set(paths["/predict"]["post"]["responses"]) == {"200", "400", "408", "413", "415", "422", "503"}
    description = document.json()["info"]["description"]
    assert str(MOST_ROWS) in description and str(MOST_BYTES) in description
    for methods in paths.values():
        for operation in methods.values():
            assert operation["summary"] and operation["description"]


def test_behind_a_hub_the_page_finds_its_document(champion):
    async def conversation(http):
        return await http.get("/docs", headers={"X-Forwarded-Prefix": "/user/ada/proxy/8000"})

    assert "/user/ada/proxy/8000/openapi.json" in talk(champion, conversation).text


def test_lines_of_many_requests_are_written_together(lines, monkeypatch):
    log, moment = RequestLog(most=3), 0.0
    clock = SimpleNamespace(time=lambda: moment, monotonic=lambda: moment)
    monkeypatch.setattr("course_lib.serving.logs.time", clock)

    def note(at: float) -> list[str]:
        """The paths that have been written after this one, which is named after its time."""
        nonlocal moment
        moment = at
        log.note({"path": f"{at:.2f}"})
        return [line["path"] for line in lines]

    assert note(1.00) == ["1.00"]  # after a pause
    assert note(1.01) == note(1.02) == ["1.00"]
    assert note(1.03) == ["1.00", "1.01", "1.02", "1.03"]  # three waited
    assert len(note(1.04)) == 4
    log.flush()
    assert lines[-1]["path"] == "1.04"
    log.flush()
    assert len(note(1.20)) == 6
    assert lines[3] == {
        "time": "1970-01-01T00:00:01.030+00:00",
        "level": "INFO",
        "event": "request",
        "path": "1.03",
    }


def test_lines_that_wait_are_written_after_a_while(champion, lines, monkeypatch):
    """Also where no further request comes."""
    monkeypatch.setattr(api, "_SECONDS_BETWEEN_UPDATES", 0.01)

    async def conversation(http):
        for _request in range(3):
            await http.get("/nothing")
        async with asyncio.timeout(PATIENCE):
            while len(lines) < 3:
                await asyncio.sleep(0.01)

    talk(champion, conversation, monitoring=Monitoring())


def test_lines_of_two_workers_do_not_mix():
    """One pipe, which is full most of the time: then Linux takes long writes in parts."""
    program = (
        "import sys\n"
        "from course_lib.serving.logs import LOGGER, log_json\n"
        "log_json()\n"
        "fields = {'worker': sys.argv[1], 'filling': 'x' * 200}\n"
        "for _batch in range(50):\n"
        "    LOGGER.info('request', extra={'fields': [fields] * 100})\n"
    )
    ours, theirs = os.pipe()
    workers = [subprocess.Popen([sys.executable, "-c", program, name], stderr=theirs) for name in "ab"]
    os.close(theirs)
    written = b""
    with open(ours, "rb", buffering=0) as pipe:
        while part := pipe.read(10_000):
            written += part
            time.sleep(0.001)
    assert [worker.wait() for worker in workers] == [0, 0]
    entries = [json.loads(line) for line in written.splitlines()]
    assert [sum(entry["worker"] == name for entry in entries) for name in "ab"] == [5000, 5000]


def test_a_deep_mistake_is_one_line_that_fits(lines):
    def deeper(levels: int):
        return deeper(levels - 1) if levels else 1 / 0

    try:
        deeper(500)
    except ZeroDivisionError:
        LOGGER.error("mistake", exc_info=True)
    (line,) = lines
    assert line["error"] == "ZeroDivisionError" and len(line["places"]) == 12
    assert line["places"][-1].endswith("deeper")
    assert len(json.dumps(line)) < 4096  # what Linux writes to a pipe in one piece
