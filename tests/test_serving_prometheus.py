"""A real Prometheus scrapes the service and evaluates the shipped rules; the dashboard asks what is there."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

import serving_parts
from course_lib.processes import HOST, free_port, start_server
from course_lib.serving.deployment import serve
from course_lib.serving.replay import normal_traffic, replay, shifted_traffic
from serving_parts import WINES, X_TEST, wait_until
from system_parts import require

registry = serving_parts.registry
SERVING = Path(__file__).parents[1] / "course_lib" / "serving"
RULES, DASHBOARD = SERVING / "rules" / "wine_alerts.yml", SERVING / "grafana" / "wine.json"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}


class Prometheus:
    """A running Prometheus that scrapes one service every second, and needs no patience for drift."""

    def __init__(self, folder: Path, port: int):
        self.url = f"http://{HOST}:{free_port()}"
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "200ms"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [{"job_name": "wine", "static_configs": [{"targets": [f"{HOST}:{port}"]}]}],
        }
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        for rule in rules["groups"][0]["rules"]:
            if rule["alert"] == "DriftAlert":
                del rule["for"]  # five minutes, as promtool has tried; nobody waits for them here
        (folder / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        self._log = (folder / "prometheus.log").open("w")
        command = [
            require("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--storage.tsdb.retention.time=1h",
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def __enter__(self) -> "Prometheus":
        wait_until(self._is_up, "Prometheus's start")
        return self

    def __exit__(self, *_error) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _is_up(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, path: str, **parameters: str):
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, trust_env=False, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> float | None:
        """An expression's value now, where it has just one."""
        found = self.ask("query", query=expression)["result"]
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def firing(self) -> set[tuple[str, str]]:
        """The names of the alerts that fire, with their feature."""
        alerts = [alert for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"]
        return {(alert["labels"]["alertname"], alert["labels"].get("feature", "")) for alert in alerts}

    def wait_for_rows(self, rows: int) -> None:
        """Until what the service has counted is here, and the rules have been evaluated on it."""
        wait_until(lambda: self.value("wine_rows_total") == rows, f"row {rows}")
        seen = datetime.now(UTC)

        def evaluated() -> bool:
            (group,) = self.ask("rules")["groups"]
            assert all(rule["health"] != "err" for rule in group["rules"]), group
            moment = re.sub(r"\.(\d{6})\d*", r".\1", group["lastEvaluation"])  # nanoseconds are too fine
            return datetime.fromisoformat(moment) > seen + timedelta(seconds=0.5)

        wait_until(evaluated, "an evaluation of the rules")


def test_the_rules_are_sound():
    subprocess.run([require("promtool"), "check", "rules", "--lint-fatal", str(RULES)], check=True)


def series(name: str, values: str, **labels: str) -> dict:
    """What Prometheus has stored of one metric, a value a minute, in promtool's notation."""
    labels = {"job": "wine", "instance": "a"} | labels
    return {
        "series": f"{name}{{{','.join(f'{key}={json.dumps(labels[key])}' for key in labels)}}}",
        "values": values,
    }


#: For each rule series that make it fire, when, and just not: what it says, and what it doesn't.
CASES = {
    "DriftAlert": (
        [
            series("wine_feature_drift", "0.14x2 0.15x20", feature="pH"),
            series("wine_drift_threshold", "0.14x30"),
        ],
        {"2m": {}, "7m": {}, "9m": {"job": "wine", "feature": "pH", "severity": "warning"}},
    ),
    "ManyOutliers": (
        [
            series("wine_outliers_total", "0+2x30", feature="pH"),
            series("wine_outliers_total", "0+0.9x30", feature="alcohol"),
            series("wine_rows_total", "0+10x30"),
        ],
        {"4m": {}, "12m": {"feature": "pH", "severity": "warning"}},
    ),
    "HighErrorRate": (
        [
            series("wine_requests_total", "0+100x30", status="200"),
            series("wine_requests_total", "0+0x5 0+10x30", status="503"),
        ],
        {"4m": {}, "12m": {"severity": "critical"}},
    ),
    "ManyRefusals": (
        [
            series("wine_requests_total", "0+100x30", status="200"),
            series("wine_requests_total", "0+0x5 0+50x30", status="422"),
        ],
        {"4m": {}, "15m": {"severity": "warning"}},
    ),
    "SlowAnswers": (
        [
            series("wine_request_seconds_bucket", "0+98x30", le="0.1"),
            series("wine_request_seconds_bucket", "0+100x30", le="0.25"),
            series("wine_request_seconds_bucket", "0+100x30", le="+Inf"),
        ],
        {"4m": {}, "12m": {"severity": "warning"}},
    ),
    "ChampionNotRefreshed": (
        [series("wine_refresh_success_timestamp_seconds", "0 60 120x30")],
        {"8m": {}, "12m": {}, "14m": {"job": "wine", "severity": "warning"}},
    ),
    "ServiceDown": (
        [series("up", "1x3 0x30")],
        {"3m": {}, "6m": {"job": "wine", "severity": "critical"}},
    ),
}


def test_every_rule_fires_when_it_should_and_not_before(tmp_path):
    assert set(ALERTS) == set(CASES)
    tests = [
        {
            "interval": "1m",
            "input_series": listed,
            "alert_rule_test": [expected(name, when, labels) for when, labels in moments.items()],
        }
        for name, (listed, moments) in CASES.items()
    ]
    file = tmp_path / "tests.yml"
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    ended = subprocess.run([require("promtool"), "test", "rules", str(file)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def expected(name: str, when: str, labels: dict) -> dict:
    """What promtool should find at a moment: the alert with these labels, or, without any, none."""
    alerts = []
    if labels:
        labels = {"instance": "a"} | labels
        alerts = [{"exp_labels": labels, "exp_annotations": shown(ALERTS[name]["annotations"], labels)}]
    return {"alertname": name, "eval_time": when, "exp_alerts": alerts}


def shown(annotations: dict, labels: dict) -> dict:
    """What Prometheus makes of a rule's annotations."""
    text = json.dumps(annotations)
    for name, value in labels.items():
        text = text.replace("{{ $labels." + name + " }}", value)
    return json.loads(text.replace('{{ $value | printf \\"%.2f\\" }}', "0.15"))


def test_the_alarm_rises_with_a_shift_and_with_errors_and_not_before(registry, tmp_path):
    require("prometheus")
    with (
        serve(tracking_uri=registry.uri, refresh_seconds=2) as service,
        Prometheus(tmp_path, service.process.port) as prometheus,
    ):
        glances = list(replay(service, normal_traffic(X_TEST, seed=1), requests=100, rows=4, every=100))
        prometheus.wait_for_rows(400)
        assert prometheus.firing() == set() == set(glances[-1].alarms)
        assert prometheus.value("max(wine_feature_drift)") == max(glances[-1].drift.values())

        shifted = shifted_traffic(X_TEST, {"alcohol": 1.5}, seed=2)
        glances = list(replay(service, shifted, requests=50, rows=4, every=1))
        prometheus.wait_for_rows(600)
        assert prometheus.firing() == {("DriftAlert", "alcohol")}
        assert glances[-1].alarms == ["alcohol"] and glances[0].alarms == []
        first = next(glance for glance in glances if glance.alarms)
        assert 404 < first.rows < 600

        check_dashboard(prometheus)

        list(replay(service, normal_traffic(X_TEST, seed=3), requests=50, rows=4, every=50))
        prometheus.wait_for_rows(800)
        wait_until(lambda: prometheus.firing() == set(), "the alarm's end")

        registry.client.delete_registered_model_alias("wine", "champion")
        with pytest.raises(RuntimeError, match="no model"):
            service.reload()
        wait_until(lambda: prometheus.value("wine_refresh_failures_total > 0"), "a failure to be seen")


def test_errors_raise_an_alarm(registry, tmp_path):
    """A service without a model fails every request."""
    require("prometheus")
    words = ["-m", "course_lib.serving.service", "--tracking-uri", registry.uri, "--alias", "nobody"]
    question = {"wines": WINES.head(1).to_dict("records")}
    with (
        start_server(words, name="wine", ready_path="/health", timeout=120) as service,
        Prometheus(tmp_path, service.port) as prometheus,
    ):
        wait_until(lambda: prometheus.value("sum(wine_requests_total)") == 0, "the first scrape")

        def fails() -> bool:
            answer = httpx.post(f"{service.url}/predict", json=question, trust_env=False)
            assert answer.status_code == 503
            return ("HighErrorRate", "") in prometheus.firing()

        wait_until(fails, "the alarm")


def check_dashboard(prometheus: Prometheus) -> None:
    """Prometheus accepts every expression of the dashboard, and knows every metric in it."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(expressions) > len(board["panels"]) == 12
    for expression in expressions:
        expression = expression.replace("$__rate_interval", "10s").replace("$instance", ".*")
        assert "$" not in expression
        prometheus.ask("query", query=expression)
        for name in re.findall(r"\bwine_\w+", expression):
            assert prometheus.value(f'count({{__name__="{name}"}}) > 0'), name
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert variables == {"datasource", "instance"}
    used = {name for expression in expressions for name in re.findall(r"\bwine_[a-z_]+", expression)}
    assert {"wine_request_seconds_bucket", "wine_feature_drift", "wine_outliers_total"} <= used


def test_the_dashboard_is_one():
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert board["title"] and board["uid"] and board["schemaVersion"] >= 36
    places = set()
    for panel in board["panels"]:
        assert panel["title"] and panel["description"] and panel["type"] in ("timeseries", "stat")
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & places, panel["title"]
        places |= squares
        assert [target["refId"] for target in panel["targets"]] == list("ABC")[: len(panel["targets"])]
