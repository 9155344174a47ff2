"""The script that ``streamlit run`` runs anew at every change; the page is `course_lib.visualize.app.page`.

Start it with ``course app``, or from a notebook with `course_lib.visualize.app.server.start_app`.
"""

import sys
from pathlib import Path

# Streamlit puts this folder first on the path, where a module of ours would hide another package's.
sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).parent)]

from course_lib.visualize.app.page import show_page  # noqa: E402

if __name__ == "__main__":  # so Streamlit calls it; an import draws nothing
    show_page()
