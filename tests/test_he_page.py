"""The service's own page, in a real Chromium that can reach nothing but the service."""

import httpx
import pytest
from playwright.sync_api import sync_playwright

from course_lib.he.deployment import deploy
from system_parts import require

SECONDS = 120  # of patience with a service and a browser on a busy machine
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def service():
    with deploy([[1.0, 2.0]], [0.5]) as running:
        yield running


def test_the_page_lists_all_calls_without_any_other_server(service):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=require("chromium"), args=QUIET, timeout=SECONDS * 1000
        )
        page = browser.new_page()
        page.set_default_timeout(SECONDS * 1000)
        complaints, asked = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{service.process.url}/docs")
        page.wait_for_selector(".opblock-summary-path")
        calls = {
            (
                row.query_selector(".opblock-summary-method").inner_text(),
                path.inner_text().replace("\u200b", ""),
            )
            for row in page.query_selector_all(".opblock-summary")
            for path in row.query_selector_all(".opblock-summary-path")
        }
        browser.close()
    assert calls == {
        ("PUT", "/keys/{key_id}"),
        ("DELETE", "/keys/{key_id}"),
        ("POST", "/score"),
        ("GET", "/health"),
    }
    assert complaints == []
    assert all(url.startswith((service.process.url, "data:")) for url in asked)


def test_behind_a_proxy_the_page_looks_below_the_proxys_path(service):
    prefix = "/user/ada/proxy/8000"
    page = httpx.get(
        f"{service.process.url}/docs",
        headers={"X-Forwarded-Prefix": prefix},
        trust_env=False,
        timeout=SECONDS,
    ).text
    assert f"url: '{prefix}/openapi.json'" in page
    assert f'src="{prefix}/static-offline-docs/swagger-ui-bundle.js"' in page
    for path in ("/health", "/static-offline-docs/swagger-ui.css"):
        answer = httpx.get(
            service.process.url + path,
            headers={"X-Forwarded-Prefix": prefix},
            trust_env=False,
            timeout=SECONDS,
        )
        assert answer.status_code == 200


@pytest.mark.parametrize("prefix", ['/"><script>', "no-slash", "/a b", "/é"])
def test_a_prefix_that_is_no_path_is_ignored(service, prefix):
    headers = {"X-Forwarded-Prefix": prefix.encode("latin-1")}
    page = httpx.get(f"{service.process.url}/docs", headers=headers, trust_env=False, timeout=SECONDS).text
    assert "url: '/openapi.json'" in page and prefix not in page
