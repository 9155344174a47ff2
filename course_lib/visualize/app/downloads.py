"""The figures as files, drawn here when somebody asks for them."""

import streamlit as st

from course_lib.i18n import _
from course_lib.visualize.app.results import Figures
from course_lib.visualize.charts_files import as_png, as_svg


def show_downloads(figures: Figures, *, key: str) -> None:
    """A row of buttons for each figure on the page; `key` differs where figures differ."""
    with st.expander(_("Download the figures")):
        for name, (title, chart) in figures.charts.items():
            words, png, svg = st.columns([4, 1, 1], vertical_alignment="center")
            words.markdown(title)
            png.download_button(
                _("{figure} as PNG").format(figure=title),
                data=lambda chart=chart: as_png(chart),
                file_name=f"{name}.png",
                mime="image/png",
                on_click="ignore",
                key=f"png.{name}.{key}",
            )
            svg.download_button(
                _("{figure} as SVG").format(figure=title),
                data=lambda chart=chart: as_svg(chart),
                file_name=f"{name}.svg",
                mime="image/svg+xml",
                on_click="ignore",
                key=f"svg.{name}.{key}",
            )
