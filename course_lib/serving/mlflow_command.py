"""MLflow's command line, for a process that must end with the notebook that started it.

    python -m course_lib.serving.mlflow_command server --port 8000

takes the words that `python -m mlflow` takes, and does the same. Promises beyond it: the process, with those
that it starts, ends when the one that started it is gone, however it went; and the programs that MLflow
calls by their bare name, such as uvicorn, are found beside this Python. Leaves out everything else.
"""

import os
import sys

from mlflow.cli import cli

from course_lib.processes import exit_with_parent


def main() -> None:
    """Run MLflow's command with this process's arguments."""
    exit_with_parent()
    beside_python = os.path.dirname(sys.executable)
    os.environ["PATH"] = os.pathsep.join([beside_python, os.environ.get("PATH", "")])
    cli(prog_name="mlflow")


if __name__ == "__main__":
    main()
