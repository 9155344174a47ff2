"""``python -m course_lib.visualize.stages --stage slider``: one stage of the app as a page of its own.

Promises what `course_lib.visualize.app.run` promises of the whole app: this machine alone can reach it, and
it ends with the process that started it.
"""

import argparse

from course_lib.processes import exit_with_parent
from course_lib.visualize.app.run import DEFAULT_PORT, options
from course_lib.visualize.stages import STAGES, path_of


def main() -> None:
    """Read which stage and which port, and serve."""
    exit_with_parent()
    parser = argparse.ArgumentParser(description="Serve one stage of the app on this machine.")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    chosen = parser.parse_args()
    from streamlit.web import cli  # it takes a second to import

    cli.main(["run", str(path_of(chosen.stage)), *options(chosen.port)], prog_name="streamlit")


if __name__ == "__main__":
    main()
