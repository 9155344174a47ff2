"""What runs in a party's own process: its PySyft client, its folder, and a loop that does what it is told.

    python -m course_lib.remote.machine     told what to do in lines of JSON on its standard input

`parties.start_machine` starts it and holds its standard input open; when that closes, it ends what it runs,
removes its folder, and exits. What it is told comes from the one who started it, over a pipe that nobody
else can write to.
"""

import contextlib
import importlib
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

from course_lib.processes.lifeline import GRACE


def main() -> None:
    """Set up the party that the first line describes, then run one function for each line."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what PySyft prints goes to the log, never between the replies
    lines, here = SimpleQueue(), SimpleNamespace(client=None, desk=None, folder=None)
    threading.Thread(target=_listen, args=(lines, here), name="standard input", daemon=True).start()
    action = _set_up
    with contextlib.suppress(BrokenPipeError):  # the one who asked is gone, and the answer with it
        while (told := lines.get()) is not None:
            _reply(replies, lambda action=action, told=told: action(here, **told))
            action = _do
    _leave(here)


def _set_up(here: SimpleNamespace, folder: str, **party) -> None:
    here.folder = Path(folder)
    from course_lib.remote.connection import join
    from course_lib.remote.desk import Desk

    own = here.folder / "own"  # what PySyft never shares
    own.mkdir(mode=0o700)
    here.client = join(folder=here.folder / "syftbox", **party)
    if party["owner"]:
        here.desk = Desk(here.client, own)


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
    lines.put(None)  # the main thread leaves when it has done what it is at
    if here.desk is not None:
        here.desk.runner.end_jobs()
    threading.Event().wait(GRACE)
    _leave(here)  # it has not: leave without it


def _leave(here: SimpleNamespace) -> None:
    if here.folder is not None:
        shutil.rmtree(here.folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
