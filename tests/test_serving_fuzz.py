"""The service under schemathesis: requests made from its own OpenAPI document, good and bad.

Its checks hold what the document says: no 5xx, every status and every body documented, valid questions
accepted, invalid ones refused.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

import serving_parts
from course_lib.serving.api import create_app
from course_lib.serving.monitoring import Monitoring
from course_lib.serving.schema import EXAMPLE_WINE
from serving_parts import FixedChampion, served

reference = serving_parts.reference


def document(champion: FixedChampion):
    """What the service says of itself, with the application behind it."""
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(champion, monitoring=Monitoring()))


@pytest.mark.parametrize(
    ("path", "method", "mode", "requests"),
    [
        ("/predict", "POST", GenerationMode.POSITIVE, 80),
        ("/predict", "POST", GenerationMode.NEGATIVE, 200),
        ("/reload", "POST", GenerationMode.POSITIVE, 5),
        ("/ready", "GET", GenerationMode.POSITIVE, 5),
        ("/health", "GET", GenerationMode.POSITIVE, 5),
        ("/metrics", "GET", GenerationMode.POSITIVE, 5),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_service_keeps_to_its_document(reference, path, method, mode, requests):
    operation = document(FixedChampion(served(reference)))[path][method]
    statuses = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=requests,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=HealthCheck,
    )
    def keeps_to_it(case):
        statuses.add(case.call_and_validate().status_code)

    keeps_to_it()
    assert statuses == {200} if mode is GenerationMode.POSITIVE else statuses <= {400, 415, 422}


def test_a_service_that_does_not_is_noticed(reference, monkeypatch):
    broken = FixedChampion(served(reference))
    monkeypatch.setattr(broken.current.model, "predict", lambda rows: 1 / 0)
    case = document(broken)["/predict"]["POST"].Case(
        body={"wines": [EXAMPLE_WINE]}, media_type="application/json"
    )
    with pytest.raises(FailureGroup, match="Server error"):
        case.call_and_validate()
