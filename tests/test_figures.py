"""Figures have a glyph for every letter in every language, an alternative text, and few bytes."""

import base64
import gettext
import io
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import altair
import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from IPython.core.formatters import DisplayFormatter
from PIL import Image
from playwright.sync_api import sync_playwright

from course_lib import figures, i18n
from course_lib.processes import start_server
from system_parts import require

TITLES = {
    "en": "Accuracy − “noise” & privacy: ε ≤ 1, 5 × 10³ → ∞",
    "de": "Größe der Schlüssel, „öffentlich“ – über 4 MB",
    "pt-BR": "Predição, ruído e acurácia à direita: “não”",
    "ja": "準同型暗号による画像分類：閾値と「雑音」、プライバシー（ε＝１）",
    "zh-CN": "同态加密的图像分类：阈值与“噪声”，隐私预算（ε＝1）",
}


@pytest.fixture(autouse=True)
def own_settings():
    with matplotlib.rc_context({"font.family": matplotlib.rcParams["font.family"]}), i18n.use_language("en"):
        yield
    plt.close("all")


@pytest.fixture
def without_system_fonts(monkeypatch):
    """As on a machine that has no Japanese or Chinese font of its own."""
    monkeypatch.setattr(figures, "_SYSTEM_FONTS", ())


def draw(title, families):
    """Draw a figure with `title`; a glyph that is missing is an error."""
    with warnings.catch_warnings(), matplotlib.rc_context({"font.family": families}):
        warnings.simplefilter("error")
        figure, axes = plt.subplots()
        axes.plot([-1, 1])
        axes.set_title(title)
        figure.savefig(io.BytesIO(), format="png")


@pytest.mark.usefixtures("without_system_fonts")
@pytest.mark.parametrize("reader", i18n.LANGUAGES)
def test_each_reader_sees_each_language(reader):
    families = figures.font_families(reader)
    assert figures.missing_glyphs("".join([*TITLES.values(), *i18n.LANGUAGES.values()]), families) == ""
    draw(TITLES["ja"] + TITLES["zh-CN"], families)


@pytest.mark.parametrize("code", ["ja", "zh-CN"])
def test_without_the_courses_fonts_glyphs_are_missing(code):
    with pytest.raises(UserWarning, match="missing from font"):
        draw(TITLES[code], ["DejaVu Sans"])
    assert figures.missing_glyphs(TITLES[code], ["DejaVu Sans"])


@pytest.mark.usefixtures("without_system_fonts")
@pytest.mark.parametrize("code", i18n.LANGUAGES)
def test_text_beside_a_formula_is_drawn(code, caplog):
    with caplog.at_level(logging.WARNING, logger="matplotlib"):
        draw(TITLES[code] + r": $\frac{x^2}{\alpha}$", figures.font_families(code))
    assert caplog.text == ""


@pytest.mark.usefixtures("without_system_fonts")
@pytest.mark.parametrize("code", [code for code in i18n.LANGUAGES if code != "en"])
def test_every_message_of_the_course_can_be_drawn(code):
    catalogue = i18n.LOCALE_FOLDER / code / "LC_MESSAGES" / "course.mo"
    if not catalogue.is_file() and os.environ.get("CI") != "true":
        pytest.skip(f"{catalogue} is not compiled yet")
    with catalogue.open("rb") as compiled:
        messages = "".join(gettext.GNUTranslations(compiled)._catalog.values())
    assert figures.missing_glyphs(messages, figures.font_families(code)) == ""


def test_importing_sets_the_fonts_of_the_readers_language():
    program = "import course_lib.figures, matplotlib; print(matplotlib.rcParams['font.family'][0])"
    for code, font in (("ja", "Course Sans JP"), ("zh-CN", "Course Sans SC"), ("de", "DejaVu Sans")):
        command = [sys.executable, "-W", "error", "-c", program]
        answer = subprocess.run(
            command,
            env={**os.environ, "COURSE_LANG": code},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        assert (answer.stdout.strip(), answer.stderr) == (font, "")


@pytest.mark.parametrize("name", ["Course Sans JP", "Course Sans SC"])
def test_the_fonts_are_small_named_apart_and_carry_their_licence(name):
    path = figures.FONT_FOLDER / f"{name.replace(' ', '')}-Regular.otf"
    names = TTFont(path)["name"]
    assert path.stat().st_size < 1_000_000
    assert {names.getDebugName(number) for number in (1, 4)} == {name}
    assert "SIL Open Font License" in names.getDebugName(13)
    assert "Adobe" in names.getDebugName(0)
    licence = (figures.FONT_FOLDER / "OFL.txt").read_text(encoding="utf-8")
    assert name in licence and "SIL OPEN FONT LICENSE Version 1.1" in licence


@pytest.fixture
def shown(monkeypatch):
    """What `show` displays: data and metadata by MIME type, as a notebook stores them."""
    outputs = []
    formatter = DisplayFormatter()
    monkeypatch.setattr(figures, "display", lambda shown: outputs.append(formatter.format(shown)))
    return outputs


def busy_figure():
    figure, axes = plt.subplots()
    values = np.random.default_rng(0).normal(size=(80, 6)).cumsum(axis=0)
    axes.plot(values, label=list("abcdef"))
    axes.legend()
    return figure


def test_a_figure_is_shown_with_its_alternative_text_and_closed(shown):
    figure = busy_figure()
    figures.show(figure, alt="Six walks <&> their “ends”")
    [(data, metadata)] = shown
    assert metadata["image/png"] == {"alt": "Six walks <&> their “ends”"}
    assert data["text/plain"] == "Six walks <&> their “ends”"
    assert set(data) == {"image/png", "text/markdown", "text/plain"}
    assert data["text/markdown"].startswith("![Six walks <&> their “ends”](data:image/png;base64,")
    assert not plt.fignum_exists(figure.number)


def test_a_figure_takes_few_bytes_and_keeps_its_colours(shown):
    figure = busy_figure()
    exact = io.BytesIO()
    figure.savefig(exact, format="png", dpi=figures._DPI, bbox_inches="tight")
    figures.show(figure, alt="Six walks")
    picture = shown[0][0]["image/png"]
    picture = base64.b64decode(picture) if isinstance(picture, str) else picture
    assert len(picture) < 60_000
    compact, exact = (
        np.asarray(Image.open(png).convert("RGB"), dtype=int) for png in (io.BytesIO(picture), exact)
    )
    assert compact.shape == exact.shape and compact.shape[1] > 600
    assert np.abs(compact - exact).max() <= 24


def test_the_same_figure_is_the_same_bytes(shown):
    figures.show(busy_figure(), alt="Six walks")
    figures.show(busy_figure(), alt="Six walks")
    assert shown[0] == shown[1]


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(ValueError, match="alternative text"):
        figures.show(plt.figure(), alt=alt)


def chart_with_a_slider(font=None):
    slider = altair.binding_range(min=1, max=5, step=1, name="size ")
    size = altair.param("size", value=3, bind=slider)
    dots = altair.Chart(altair.Data(values=[{"x": 1}, {"x": 2}])).mark_point(size=size).encode(x="x:Q")
    return dots.add_params(size).configure(**({"font": font} if font else {}))


VEGA_LITE = "application/vnd.vegalite.v5+json"


def test_a_chart_is_stored_in_a_form_that_the_installed_jupyterlab_draws():
    bundled = Path(sys.prefix) / "share" / "jupyter" / "lab" / "static"
    drawn = {
        version
        for path in bundled.glob("*.js")
        for version in re.findall(r"application/vnd\.vegalite\.v\d+\+json", path.read_text(encoding="utf-8"))
    }
    assert max(drawn) == figures._VEGA_LITE == VEGA_LITE


def test_a_chart_is_shown_with_words_and_with_a_picture_for_those_who_cannot_draw_it(shown):
    still = busy_figure()
    figures.show_interactive(chart_with_a_slider(), alt="Two dots; a slider moves their size", still=still)
    [(data, metadata)] = shown
    chart = data[VEGA_LITE]
    assert chart["$schema"].endswith("vega-lite/v5.json")
    assert chart["description"] == data["text/plain"] == "Two dots; a slider moves their size"
    assert chart["params"][0]["bind"] == {"input": "range", "min": 1, "max": 5, "step": 1, "name": "size "}
    assert metadata[VEGA_LITE] == {"embed_options": {"renderer": "svg", "actions": False}}
    assert metadata["image/png"] == {"alt": "Two dots; a slider moves their size"}
    assert data["image/png"] and data["text/markdown"].startswith(
        "![Two dots; a slider moves their size](data:"
    )
    assert "text/html" not in data and "cdn" not in json.dumps(chart)
    assert not plt.fignum_exists(still.number)


@pytest.mark.parametrize(
    ("code", "font"), [("ja", "'Hiragino Sans'"), ("zh-CN", "'PingFang SC'"), ("de", "sans")]
)
def test_a_charts_letters_are_drawn_in_the_readers_way(shown, code, font):
    with i18n.use_language(code):
        figures.show_interactive(chart_with_a_slider(), alt="Two dots", still=plt.figure())
        figures.show_interactive(chart_with_a_slider(font="serif"), alt="Two dots", still=plt.figure())
    ours, chosen = (data[VEGA_LITE]["config"]["font"] for data, _metadata in shown)
    assert ours.startswith(font) and ours.endswith("sans-serif") and chosen == "serif"


def test_the_same_chart_is_the_same_output(shown):
    for _time in range(2):
        figures.show_interactive(chart_with_a_slider(), alt="Two dots", still=busy_figure())
    assert shown[0] == shown[1]


def test_a_chart_without_words_is_refused(shown):
    with pytest.raises(ValueError, match="alternative text"):
        figures.show_interactive(chart_with_a_slider(), alt=" ", still=plt.figure())
    assert shown == []


CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab without any kernel, on a folder of its own."""
    folders = ("JUPYTER_CONFIG", "JUPYTER_DATA", "JUPYTERLAB_SETTINGS", "JUPYTERLAB_WORKSPACES")
    own = {f"{name}_DIR": str(tmp_path / name.lower()) for name in folders}
    own["JUPYTER_RUNTIME_DIR"] = str(tmp_path / "runtime")
    command = ["-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={tmp_path}", "--KernelSpecManager.allowed_kernelspecs=none"]
    with start_server(command, name="JupyterLab", ready_path="/api", timeout=120, env=own) as server:
        yield server.url


def test_jupyterlab_draws_a_stored_chart_that_moves_without_a_kernel_or_a_network(shown, tmp_path, lab):
    words = altair.Chart(altair.Data(values=[{"x": 1}])).mark_text().encode(text="shown:N")
    words = words.transform_calculate(shown="'is ' + size").add_params(
        altair.param("size", value=3, bind=altair.binding_range(min=1, max=5, step=1, name="size "))
    )
    figures.show_interactive(words, alt="A number that a slider moves", still=plt.figure())
    [(data, metadata)] = shown
    data["image/png"] = base64.b64encode(data["image/png"]).decode()  # as a kernel does
    cell = nbformat.v4.new_code_cell(
        outputs=[nbformat.v4.new_output("display_data", data, metadata=metadata)]
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "chart.ipynb")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=CHROMIUM)
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{lab}/lab/tree/chart.ipynb")
        chart = page.get_by_label("A number that a slider moves", exact=True)
        chart.get_by_text("is 3").wait_for(timeout=60_000)
        page.get_by_role("slider", name="size").fill("5")
        chart.get_by_text("is 5").wait_for(timeout=10_000)
        browser.close()
    assert [url for url in asked if not url.startswith((lab, "data:", "blob:"))] == []
