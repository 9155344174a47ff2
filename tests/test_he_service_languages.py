"""The encrypted-inference service speaks its caller's language."""

import asyncio

import pytest

import he_callers
from course_lib.i18n import _, language, use_language
from course_lib.web.middleware import InTheCallersLanguage
from he_callers import UNKNOWN_ID, IdlePool, ask_app, one_sentence

service, http, caller = he_callers.service, he_callers.http, he_callers.caller


def test_refusals_speak_the_callers_language(http, caller):
    with use_language("de"):
        expected = _("No public keys are stored under the key id {key_id}.").format(key_id=UNKNOWN_ID)
    answer = http.post(
        "/score", content=caller.request(key_id=UNKNOWN_ID), headers={"Accept-Language": "de-CH, en;q=0.5"}
    )
    assert one_sentence(answer) == expected


@pytest.mark.parametrize("wish", [b"ja", b"fr, pt;q=0.5", b"", b"\xff\xfe", b"," * 5000, b"zh;q=NaN", b"*"])
def test_any_wish_for_a_language_is_heard_or_passed_over(wish):
    spoken = {b"ja": "ja", b"fr, pt;q=0.5": "pt-BR"}.get(wish, "en")
    pool = IdlePool()
    (answer,) = ask_app(pool, {"content": b"{}", "headers": {b"Accept-Language": wish}})
    assert answer.status_code == 200
    assert pool.questions[0][0]["language"] == spoken


def test_the_language_is_set_while_a_request_is_answered():

    heard = []

    async def app(_scope, _receive, _send):
        heard.append(language())

    asyncio.run(InTheCallersLanguage(app)({"headers": [(b"accept-language", b"zh-CN")]}, None, None))
    assert heard == ["zh-CN"]
