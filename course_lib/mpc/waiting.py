"""Waiting for parties that people start: the commands, a line of progress, and an end to it."""

import time

from course_lib.i18n import _
from course_lib.mpc.connection import Connection


def wait_for_parties(owner: Connection, commands: dict[str, str], timeout: float) -> None:
    """Print the command for each party, and return when all of them answer.

    Raises RuntimeError where they don't within `timeout` seconds, and PermissionError where one answers that
    has other credentials.
    """
    for party, command in commands.items():
        print(_("Start {party} on its machine:").format(party=party) + f"\n    {command}")
    deadline, missing = time.monotonic() + timeout, list(commands)
    while missing := [party for party in missing if not _answers(owner, party)]:
        left = deadline - time.monotonic()
        names = ", ".join(missing)
        _show(_("waiting for {parties}: {seconds} s").format(parties=names, seconds=round(max(0, left))))
        if left < 0:
            print()
            raise RuntimeError(
                _("{parties} did not start within {timeout:g} seconds.").format(
                    parties=names, timeout=timeout
                )
            )
        time.sleep(1)
    _show(_("all three are there"))
    print()


def _answers(owner: Connection, party: str) -> bool:
    try:
        owner.ask_one(party, "GET", "/state", timeout=2)
    except RuntimeError:
        return False
    return True


def _show(progress: str) -> None:
    print(f"\r{progress:60}", end="", flush=True)
