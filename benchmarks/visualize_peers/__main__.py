"""``python -m benchmarks.visualize_peers --port 8502``: the plain script with the app's own options."""

import argparse
from pathlib import Path

from streamlit.web import cli

from course_lib.processes import exit_with_parent
from course_lib.visualize.app.run import options

if __name__ == "__main__":
    exit_with_parent()
    parser = argparse.ArgumentParser(description="Serve the plain script on this machine.")
    parser.add_argument("--port", type=int, required=True)
    script = Path(__file__).with_name("naive_app.py")
    cli.main(["run", str(script), *options(parser.parse_args().port)], prog_name="streamlit")
