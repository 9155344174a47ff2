"""The encrypted-inference service describes itself."""

import he_callers

service, http = he_callers.service, he_callers.http


def test_the_openapi_page_lists_everything_with_examples(http):
    document = http.get("/openapi.json").json()
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        ("/keys/{key_id}", "put"),
        ("/keys/{key_id}", "delete"),
        ("/score", "post"),
        ("/health", "get"),
    }
    scoring_request = operations["/score", "post"]["requestBody"]["content"]["application/json"]
    assert (
        set(scoring_request["example"]) == set(scoring_request["schema"]["properties"]) == {"data", "key_id"}
    )
    for (path, _method), operation in operations.items():
        assert operation["summary"] and operation["description"]
        refusals = {status: told for status, told in operation["responses"].items() if status >= "400"}
        assert path == "/health" or refusals.keys() >= {"400", "422", "503"}
        for told in refusals.values():
            assert set(told["content"]["application/json"]["example"]) == {"error"}
    assert http.get("/docs").status_code == 200
