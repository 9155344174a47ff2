"""A server that ends when the process that started it is gone, however it went.

The one who starts a server holds the other end of its standard input and never writes into it. When
that process ends, even by SIGKILL, the operating system closes the pipe, and the server reads its end.
"""

import contextlib
import os
import signal
import threading

#: Set to "1" for a server whose standard input is such a pipe.
LIFELINE = "COURSE_LIFELINE"
#: Seconds that a server has to end in good order before it is killed.
GRACE = 5


def exit_with_parent() -> None:
    """End this server when the process that started it is gone; a server calls it once, at its start.

    Does nothing in a server that was started in a terminal. The server is asked to end in good order
    (SIGTERM) and is killed when it has not done so after five seconds.
    """
    if os.environ.pop(LIFELINE, None) == "1":  # popped: what this process starts has another stdin
        threading.Thread(target=_follow_lifeline, name="lifeline", daemon=True).start()


def _follow_lifeline() -> None:
    with contextlib.suppress(OSError):  # a broken pipe says the same as its end
        while os.read(0, 1024):
            pass
    own_group = os.name == "posix" and os.getpgrp() == os.getpid()
    end = os.killpg if own_group else os.kill
    end(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE)  # cut short when the process ends in good order
    end(os.getpid(), signal.SIGKILL)
