"""The drive between the parties: who is let in, to what, and what it says to nonsense."""

import base64
import json

import pytest
from fastapi.testclient import TestClient

from course_lib.remote import drive as drive_module
from course_lib.remote.drive import OPERATOR, create_app

ACCOUNTS = {
    "ada's token": "ada@university.example",
    "eve's token": "eve@elsewhere.example",
    "operator's": OPERATOR,
}


@pytest.fixture
def call():
    client = TestClient(create_app(ACCOUNTS))

    def ask(token, resource, method, media=None, **arguments):
        content = None if media is None else base64.b64encode(media).decode()
        asked = {"resource": resource, "method": method, "arguments": arguments, "media": content}
        answer = client.post("/call", json=asked, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()

    ask.client = client
    return ask


@pytest.fixture
def secret(call):
    """A file of Ada's: its id."""
    status, file = call("ada's token", "files", "create", b"483920", body={"name": "secret"}, fields="id")
    assert status == 200
    return file["id"]


def test_the_owner_reads_writes_and_deletes(call, secret):
    assert (
        call("ada's token", "files", "get_media", fileId=secret)[1]["media"]
        == base64.b64encode(b"483920").decode()
    )
    assert call("ada's token", "files", "update", b"7", fileId=secret)[0] == 200
    assert [file["name"] for file in call("ada's token", "files", "list", q="")[1]["files"]] == ["secret"]
    assert call("ada's token", "files", "delete", fileId=secret)[0] == 200
    assert call("ada's token", "files", "get", fileId=secret)[0] == 404


@pytest.mark.parametrize(
    ("resource", "method"),
    [("files", "get"), ("files", "get_media"), ("files", "update"), ("files", "delete")]
    + [("permissions", "list"), ("permissions", "create")],
)
def test_another_account_does_not_even_learn_that_it_exists(call, secret, resource, method):
    extra = {"body": {"type": "user", "role": "writer", "emailAddress": "eve@elsewhere.example"}}
    arguments = extra if method == "create" else {}
    assert call("eve's token", resource, method, fileId=secret, **arguments)[0] == 404
    assert call("eve's token", "files", "list", q="")[1]["files"] == []
    assert call("eve's token", "files", "create", b"", body={"name": "x", "parents": [secret]})[0] == 404


def test_a_reader_reads_and_does_not_write(call, secret):
    permission = {"type": "user", "role": "reader", "emailAddress": "eve@elsewhere.example"}
    assert call("ada's token", "permissions", "create", fileId=secret, body=permission)[0] == 200
    assert call("eve's token", "files", "get_media", fileId=secret)[0] == 200
    assert call("eve's token", "files", "update", b"0", fileId=secret)[0] == 403
    permission["role"] = "writer"
    assert call("eve's token", "permissions", "create", fileId=secret, body=permission)[0] == 403


@pytest.mark.parametrize("token", ["", "ada", "ada's token2", "wrong"])
def test_an_unknown_token_is_refused(call, token):
    assert call(token, "files", "list", q="")[0] == 401
    assert call.client.get("/everything", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_operator_alone_sees_everything(call, secret):
    assert call.client.get("/everything", headers={"Authorization": "Bearer ada's token"}).status_code == 403
    everything = call.client.get("/everything", headers={"Authorization": "Bearer operator's"}).json()
    assert [(file["owner"], base64.b64decode(file["content"])) for file in everything] == [
        ("ada@university.example", b"483920")
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"no JSON",
        b"\xff",
        json.dumps({"resource": "files", "method": "list", "arguments": [1], "media": None}).encode(),
        json.dumps({"resource": "files", "method": "list", "arguments": {"x": 1}, "media": None}).encode(),
        json.dumps({"resource": "files", "method": "create", "arguments": {}, "media": "*"}).encode(),
        json.dumps({"resource": "__class__", "method": "mro", "arguments": {}, "media": None}).encode(),
        json.dumps({"resource": "files", "method": "__init__", "arguments": {}, "media": None}).encode(),
        json.dumps({"resource": [], "method": {}, "arguments": {}, "media": None}).encode(),
        json.dumps(
            {"resource": "files", "method": "create", "arguments": {"body": 3}, "media": None}
        ).encode(),
    ],
)
def test_nonsense_is_refused_and_the_drive_goes_on(call, body):
    answer = call.client.post("/call", content=body, headers={"Authorization": "Bearer ada's token"})
    assert answer.status_code == 400 and "badRequest" in answer.json()["error"]
    assert call("ada's token", "files", "list", q="")[0] == 200


def test_what_is_too_large_is_refused(call, monkeypatch):
    monkeypatch.setattr(drive_module, "MAX_REQUEST_BYTES", 1000)
    assert call("ada's token", "files", "create", bytes(1000), body={"name": "large"})[0] == 413
    monkeypatch.setattr(drive_module, "MAX_STORE_BYTES", 150)
    assert call("ada's token", "files", "create", bytes(100), body={"name": "one"})[0] == 200
    assert call("ada's token", "files", "create", bytes(100), body={"name": "two"})[0] == 403
