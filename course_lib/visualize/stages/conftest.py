"""Stages are run by Streamlit alone: pytest, which imports modules to look for doctests, leaves them out."""

collect_ignore = [
    f"{stage}.py" for stage in ("three_lines", "slider", "cached", "form", "linked", "__main__")
]
