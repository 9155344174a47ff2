"""``python -m course_lib.visualize.app.run --port 8501``: the app as a process of its own.

Promises: it listens on this machine alone, reports nothing to anyone, keeps what is uploaded in memory, and
ends with the process that started it. Leaves out logins and TLS, which a proxy in front of it adds.
"""

import argparse
import threading
from importlib import import_module
from pathlib import Path

from course_lib.processes import HOST, exit_with_parent

DEFAULT_PORT = 8501
#: Megabytes of a CSV that is uploaded: the browser refuses more before it sends them.
UPLOAD_MEGABYTES = 50


def options(port: int, *, browser: bool = False) -> list[str]:
    """Streamlit's options: what keeps data here, what keeps the page calm, how it looks.

    >>> "--server.port=8501" in options(8501)
    True
    """
    chosen = {
        "server.address": HOST,
        "server.port": port,
        "server.headless": not browser,
        "server.showEmailPrompt": False,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": UPLOAD_MEGABYTES,
        "browser.gatherUsageStats": False,
        "logger.hideWelcomeMessage": True,
        # Its own menus and downloads speak English alone, and in a table formulas would get through.
        "client.toolbarMode": "minimal",
        "client.disableDataExport": True,
        # What went wrong stands in the server's log; on a page it could show a row of somebody's table.
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "runner.magicEnabled": False,
        "theme.base": "light",
        "theme.primaryColor": "#0072B2",
        "theme.textColor": "#1F1F1F",
        "theme.linkUnderline": True,
    }
    return [f"--{name}={value}" for name, value in chosen.items()]


def run(port: int, *, browser: bool = False) -> None:
    """Serve the app on `port` until it is told to end; with `browser`, open it in one."""
    from starlette.formparsers import MultiPartParser
    from streamlit.web import cli  # it takes a second to import

    # By default it puts every upload over 1 MB into a temporary file: in memory, as the page promises.
    MultiPartParser.spool_max_size = (UPLOAD_MEGABYTES + 1) * 1024 * 1024
    threading.Thread(target=_get_ready, daemon=True).start()
    script = Path(__file__).with_name("script.py")
    cli.main(["run", str(script), *options(port, browser=browser)], prog_name="streamlit")


def _get_ready() -> None:
    """What would take the first visitor seconds, and each visitor a moment for each figure."""
    import_module("course_lib.visualize.app.page")
    # Altair checks each figure that is drawn; in this mode, for those who write one, all its parts before.
    import_module("altair.utils.schemapi").disable_debug_mode()


def main() -> None:
    """Read the port, and serve."""
    exit_with_parent()
    parser = argparse.ArgumentParser(description="Serve the app on this machine.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    run(parser.parse_args().port)


if __name__ == "__main__":
    main()
