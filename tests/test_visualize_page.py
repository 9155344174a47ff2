"""The app's real page in Chromium: every language, projector and phone, brush, files, proxy, axe-core.

Screenshots stay in ``.cache/screenshots`` for those who want to look.
"""

import http.client
import os
import re
import resource
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from course_lib.i18n import LANGUAGES, _, use_language
from course_lib.processes import HOST, free_port, start_server
from course_lib.visualize.app.run import UPLOAD_MEGABYTES
from course_lib.visualize.app.server import app_address, start_app
from system_parts import PROJECT, require

SCREENSHOTS = PROJECT / ".cache" / "screenshots"
MILLISECONDS = 120_000
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
}
#: Findings of axe-core in what others draw, which we cannot mend: rule, and what the element's HTML holds.
KNOWN = {"svg-img-alt": "brush_brush"}  # the rectangle that Vega-Lite draws has no name


@pytest.fixture(scope="module")
def app():
    with start_server(
        ["-m", "course_lib.visualize.app.run"],
        name="the app",
        ready_path="/_stcore/health",
        timeout=120,
        env={"COURSE_LANG": "en", "COURSE_COVERTYPE": "/nowhere/covtype.data"},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=require("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield running
        running.close()


@contextmanager
def opened(browser, address: str, title: str, *, screen=PROJECTOR):
    """The page at `address`, at rest and titled so; it must not complain, nor call anyone else."""
    context = browser.new_context(**screen)
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    complaints, asked = [], []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    expect(page.locator("h1")).to_have_text(title, timeout=MILLISECONDS)
    at_rest(page)
    yield page
    context.close()
    host = re.match(r"http://[^/]+", address)[0]
    assert complaints == []
    assert [url for url in asked if not url.startswith((host, "data:", "blob:"))] == []


def at_rest(page) -> None:
    """Wait until the script has run, nothing is under way or a mere outline, and every chart is drawn."""
    page.wait_for_function(
        """() => document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'
            && !document.querySelector('[data-testid="stProgress"]')
            && !document.querySelector('[data-testid="stSkeleton"]')
            && !document.querySelector('[data-stale="true"]')
            && document.getAnimations().every(each => !(each instanceof CSSTransition))
            && [...document.querySelectorAll('[data-testid="stElementContainer"]')]
                .every(element => getComputedStyle(element).opacity === '1')
            && [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')]
                .every(chart => chart.querySelector('svg, canvas'))""",
        timeout=MILLISECONDS,
    )


def title(language: str, model: str = "Random forest", data: str = "Iris") -> str:
    with use_language(language):
        return _("{model} on {data}").format(model=_(model), data=_(data))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_in_every_language_on_a_projector_and_on_a_phone(app, browser, language):
    for name, screen in (("projector", PROJECTOR), ("phone", PHONE)):
        query = f"{app.url}/?lang={language}&rows=1&distributions=1"
        with opened(browser, query, title(language), screen=screen) as page:
            expect(page.locator("html")).to_have_attribute("lang", language, timeout=MILLISECONDS)
            with use_language(language):
                assert page.get_by_role("heading", name=_("Confusion matrix")).is_visible()
            width = page.evaluate(
                """() => Math.max(...[document.documentElement, ...document.querySelectorAll(
                    '[data-testid="stMain"], [data-testid="stMainBlockContainer"]')]
                    .map(each => each.scrollWidth - each.clientWidth))"""
            )
            assert width <= 0, f"{width} pixels stand out on the {name}"
            assert "{" not in page.locator('[data-testid="stMain"]').inner_text()
            page.screenshot(path=SCREENSHOTS / f"app-{language}-{name}.png")


def test_a_rectangle_in_one_plot_changes_all_others(app, browser):
    features = "&".join(f"features={name}+(cm)" for name in ("petal+length", "petal+width", "sepal+width"))
    address = f"{app.url}/?distributions=1&{features}"
    with opened(browser, address, title("en")) as page:
        chart = page.locator('[data-testid="stVegaLiteChart"]').last
        chart.scroll_into_view_if_needed()

        def bars() -> list[str]:
            return sorted(
                mark.get_attribute("aria-label")
                for mark in chart.locator(".mark-rect.role-mark path[aria-label]").all()
            )

        def faint() -> int:
            return chart.locator('.mark-symbol.role-mark path[opacity="0.08"]').count()

        before = bars()
        assert before and faint() == 0
        plots = chart.locator("g.mark-group.role-scope > g > path.background").all()
        frame = next(box for box in (plot.bounding_box() for plot in plots) if box["width"] > 150)
        page.mouse.move(frame["x"] + 3, frame["y"] + frame["height"] * 0.6)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] * 0.45, frame["y"] + frame["height"] - 3, steps=5)
        page.mouse.up()
        page.wait_for_function(
            "chart => chart.querySelectorAll('.mark-symbol.role-mark path[opacity=\"0.08\"]').length > 50",
            arg=chart.element_handle(),
        )
        assert bars() != before, "the bars count what is inside"


def test_figures_and_the_table_are_downloaded(app, browser):
    with opened(browser, f"{app.url}/?lang=ja&rows=1", title("ja")) as page:
        with use_language("ja"):
            expander, table = _("Download the figures"), _("Download this table (CSV)")
            figure = _("Confusion matrix")
            png, svg = (_(words).format(figure=figure) for words in ("{figure} as PNG", "{figure} as SVG"))
        with page.expect_download() as downloaded:
            page.get_by_role("button", name=table).click()
        assert Path(downloaded.value.path()).read_bytes().startswith(b"\xef\xbb\xbf")
        page.get_by_text(expander).click()
        for name, start in ((png, b"\x89PNG"), (svg, b"<svg")):
            with page.expect_download() as downloaded:
                page.get_by_role("button", name=name).click()
            assert Path(downloaded.value.path()).read_bytes().startswith(start)


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(app, browser, tmp_path):
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate((UPLOAD_MEGABYTES + 1) * 1024 * 1024)
    with opened(browser, f"{app.url}/?data=csv", "A CSV file of your own") as page:
        page.locator("input[type=file]").set_input_files(large)
        refused = page.get_by_text(re.compile(rf"{UPLOAD_MEGABYTES}\.?0? ?MB or smaller"))
        expect(refused.first).to_be_visible()
        assert page.get_by_text("is not written to disk").first.is_visible()


def test_the_server_too_refuses_a_file_that_is_too_large(app, browser):
    with opened(browser, f"{app.url}/?data=csv", "A CSV file of your own") as page:
        with page.expect_request(lambda request: request.method == "PUT") as sent:
            page.locator("input[type=file]").set_input_files(
                {"name": "own.csv", "mimeType": "text/csv", "buffer": b"width,kind\n"}
            )
        expect(page.get_by_role("alert")).to_be_visible()
        address, headers = sent.value.url.removeprefix(app.url), sent.value.all_headers()
        answers = {}
        for megabytes in (1, 60):
            line = http.client.HTTPConnection(HOST, app.port, timeout=60)
            body = b"--x\r\nContent-Disposition: form-data; name=f; filename=own.csv\r\n\r\n"
            body += megabytes * 1_000_000 * b"1" + b"\r\n--x--\r\n"
            headers |= {"content-type": "multipart/form-data; boundary=x", "content-length": str(len(body))}
            line.putrequest("PUT", address, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                line.putheader(name, value)
            line.endheaders()
            with suppress(ConnectionError):  # it may have hung up before all is sent
                line.send(body if megabytes == 1 else body[: len(body) // 60])
            answers[megabytes] = line.getresponse().status
            line.close()
    assert answers == {1: 204, 60: 413}


def test_a_file_of_ones_own_is_never_written_to_disk(app, browser):
    """The process may write no byte to a file while 3 MB are uploaded, read and trained on."""
    rows = b"width,kind\n" + b"".join(
        b"%d,%s%s\n" % (i, b"ab"[i % 2 : i % 2 + 1], b" " * 200) for i in range(15_000)
    )
    with opened(browser, f"{app.url}/?data=csv&model=decision_tree", "A CSV file of your own") as page:
        before = resource.prlimit(app.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            page.locator("input[type=file]").set_input_files(
                {"name": "own.csv", "mimeType": "text/csv", "buffer": rows}
            )
            expect(page.locator("h1")).to_have_text("Decision tree on own.csv")
            at_rest(page)
        finally:
            resource.prlimit(app.pid, resource.RLIMIT_FSIZE, before)


def test_two_people_see_their_own_language_and_nobody_elses_file(app, browser):
    rows = b"width,kind\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(60))
    with (
        opened(browser, f"{app.url}/?data=csv&lang=en", "A CSV file of your own") as one,
        opened(browser, f"{app.url}/?lang=de&data=wine", title("de", data="Wine")) as other,
    ):
        one.locator("input[type=file]").set_input_files(
            {"name": "own.csv", "mimeType": "text/csv", "buffer": rows}
        )
        expect(one.locator("h1")).to_have_text("Random forest on own.csv")
        at_rest(one)
        expect(other.locator("html")).to_have_attribute("lang", "de", timeout=MILLISECONDS)
        assert other.locator("h1").inner_text() == title("de", data="Wine")
    with opened(browser, f"{app.url}/?data=csv", "A CSV file of your own") as third:
        assert "own.csv" not in third.locator("body").inner_text()
    assert "own.csv" not in app.log() and "width" not in app.log()


def test_text_from_a_visitor_is_shown_letter_by_letter(app, browser):
    signs = ["[click](http://x.org)", ":red[x]", "$x$", "<b>hi</b>", ":material/home:", "www.x.org", "a -> b"]
    rows = "".join(f"{place},{place % 5},{sign}\n" for place, sign in enumerate(20 * signs))
    good = f"width,:blue[y],kind\n{rows}"
    with opened(browser, f"{app.url}/?data=csv", "A CSV file of your own") as page:

        def upload(name: str, text: str) -> None:
            page.locator("input[type=file]").set_input_files(
                {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
            )

        def shown(element) -> str:
            return element.inner_text().replace("\u2060", "")

        upload(":red[x].csv", good)
        expect(page.locator("h1")).to_contain_text("red[x].csv")
        at_rest(page)
        main = page.locator('[data-testid="stMain"]')
        assert shown(page.locator("h1")) == "Random forest on :red[x].csv"
        cells = shown(main.locator("table"))
        assert [sign for sign in signs if sign not in cells] == []
        assert main.locator("a[href*='x.org'], .katex, table b").count() == 0
        page.get_by_role("combobox", name=re.compile("Column with the classes")).click()
        page.get_by_role("option", name=":blue[y]", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("kind")
        assert signs[0] in shown(page.get_by_role("alert"))
        assert main.locator("a[href*='x.org']").count() == 0


def test_without_the_network_covertype_is_a_sentence(app, browser):
    with opened(browser, f"{app.url}/?data=wine", title("en", data="Wine")) as page:
        page.get_by_role("combobox", name=re.compile("Data set")).click()
        page.get_by_role("option", name="Covertype").click()
        expect(page.get_by_role("alert")).to_contain_text("covtype.data")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_the_page_works_by_keyboard_and_goes_back(app, browser):
    with opened(browser, f"{app.url}/?model=decision_tree", title("en", "Decision tree")) as page:
        slider = page.get_by_role("slider").first
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_url(re.compile("max_depth=6"))
        at_rest(page)
        page.go_back()
        page.wait_for_url(re.compile("max_depth=5"))
        expect(page.get_by_role("slider").first).to_have_value("5")


def test_axe_finds_nothing_serious_of_ours(app, browser):
    found = {}
    address = f"{app.url}/?rows=1&distributions=1&versus=decision_tree"
    with opened(browser, address, "Random forest and Decision tree on Iris") as page:
        expect(page.locator('[data-testid="stVegaLiteChart"]')).to_have_count(10, timeout=MILLISECONDS)
        page.get_by_text("Download the figures").click()
        at_rest(page)
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("moderate", "serious", "critical"):
                found[violation["id"]] = [node["html"] for node in violation["nodes"]]
    ours = {
        rule: elements
        for rule, elements in found.items()
        if rule not in KNOWN or not all(KNOWN[rule] in element for element in elements)
    }
    assert ours == {}
    assert set(KNOWN) <= set(found), "an exception that is needed no more"


def test_every_chart_is_read_aloud_by_what_it_shows(app, browser):
    with opened(browser, app.url, title("en")) as page:
        charts = page.locator('[data-testid="stVegaLiteChart"][aria-label]')
        expect(charts).to_have_count(4, timeout=MILLISECONDS)
        names = [each.get_attribute("aria-label") for each in charts.all()]
        assert names[0].startswith("Confusion matrix of 50 rows") and all(len(name) > 30 for name in names)


@contextmanager
def jupyter(folder: Path):
    """The address of a Jupyter server that lies below a hub's path, as on Binder."""
    port = free_port()
    settings = {
        "--ServerApp.ip": HOST,
        "--ServerApp.port": port,
        "--ServerApp.base_url": "/user/ada/",
        "--ServerApp.root_dir": folder,
        "--IdentityProvider.token": "secret",
        "--ServerApp.open_browser": "False",
        "--ServerApp.allow_root": "True",
    }
    surroundings = {**os.environ, "HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        *(f"{name}={value}" for name, value in settings.items()),
    ]
    log = (folder / "jupyter.log").open("w")
    process = subprocess.Popen(command, env=surroundings, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (
                folder / "jupyter.log"
            ).read_text()
            try:
                if httpx.get(f"http://{HOST}:{port}/user/ada/api?token=secret", trust_env=False).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def test_behind_jupyter_server_proxy_the_page_and_its_uploads_work(app, browser, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    with jupyter(tmp_path) as hub:
        with use_language("de"):
            path = app_address(app, query={"data": "csv"})
        assert path.startswith(f"/user/ada/proxy/{app.port}/?")
        with use_language("de"):
            heading = _("A CSV file of your own")
        with opened(browser, f"{hub}{path}&token=secret", heading) as page:
            with use_language("de"):
                name = re.compile(_("Choose a file"))
            expect(page.get_by_role("button", name=name)).to_be_visible()
            assert "per file" not in page.get_by_test_id("stSidebar").inner_text(), "Streamlit's own English"
            rows = b"width,kind\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(60))
            page.locator("input[type=file]").set_input_files(
                {"name": "own.csv", "mimeType": "text/csv", "buffer": rows}
            )
            expect(page.locator("h1")).to_have_text(title("de", data="own.csv"))
            at_rest(page)


def test_a_notebook_starts_the_app_and_says_where_it_is(capsys):
    with use_language("pt-BR"), start_app() as started:
        said = capsys.readouterr().out
        assert f"{started.url}/?lang=pt-BR" in said and "course app" in said
        assert httpx.get(f"{started.url}/_stcore/health", trust_env=False).text == "ok"
    assert not started.running


def test_a_taken_port_is_one_sentence():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        answer = subprocess.run(
            [sys.executable, "-m", "course_lib.cli", "app", "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "COURSE_LANG": "en"},
        )
    assert answer.returncode == 2 and "Traceback" not in answer.stderr
    assert re.search(r"the app cannot have port \d+ .*choose another port", answer.stderr)
