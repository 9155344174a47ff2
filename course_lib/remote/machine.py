"""What runs in a party's own process: its PySyft client, its folder, and a loop that does what it is told.

    python -m course_lib.remote.machine     told what to do in lines of JSON on its standard input

`parties.start_machine` starts it and holds its standard input open; when that closes, it ends what it runs,
removes its folder, and exits. What it is told comes from the one who started it, over a pipe that nobody
else can write to.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace


def main() -> None:
    """Set up the party that the first line describes, then run one function for each line."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what PySyft prints goes to the log, never between the replies
    folder = Path(tempfile.mkdtemp(prefix="course_machine_"))
    lines, here = SimpleQueue(), SimpleNamespace(client=None, desk=None, folder=folder)
    threading.Thread(target=_listen, args=(lines, here), name="standard input", daemon=True).start()
    _reply(replies, lambda: _set_up(here, lines.get()))
    while True:
        told = lines.get()
        _reply(replies, lambda told=told: _do(here, **told))


def _set_up(here: SimpleNamespace, party: dict) -> str:
    from course_lib.remote.connection import join
    from course_lib.remote.desk import Desk

    own = here.folder / "own"  # what PySyft never shares
    own.mkdir(mode=0o700)
    here.client = join(folder=here.folder / "syftbox", **party)
    if party["owner"]:
        here.desk = Desk(here.client, own)
    return str(here.folder)


def _do(here: SimpleNamespace, name: str, arguments: list, named: dict, source: str = "", module: str = ""):
    """Run the function that `source` defines or `module` has; JSON must be able to say what it returns."""
    if module:
        return getattr(importlib.import_module(module), name)(here, *arguments, **named)
    names = {"__name__": "__machine__"}
    exec(compile(source, f"<{name}>", "exec"), names)
    return names[name](here, *arguments, **named)


def _reply(replies, action) -> None:
    try:
        reply = json.dumps({"value": action()})
    except Exception as error:  # whatever it is, the one who asked must learn of it
        reply = json.dumps({"error": f"{type(error).__name__}: {error}"})
    print(reply, file=replies, flush=True)


def _listen(lines: SimpleQueue, here: SimpleNamespace) -> None:
    for line in sys.stdin:
        lines.put(json.loads(line))
    if here.desk is not None:
        here.desk.runner.end_jobs()
    shutil.rmtree(here.folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
