"""A party's process: one of the three that hold shares.

    python -m course_lib.mpc.party alice --host localhost:4000 --credentials FOLDER

It waits for the cluster's owner to let it join the other two, and ends when the owner stops the cluster,
when one of the other two is gone, or by Ctrl-C. Beyond this machine it wants certificates (`course mpc
certificates`).
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
from pathlib import Path

from course_lib.i18n import _
from course_lib.mpc.addresses import is_loopback, split_host
from course_lib.mpc.credentials import make_private_folder, read_identity, remove_meeting_place
from course_lib.mpc.membership import Member, Setting
from course_lib.mpc.spec import PARTIES
from course_lib.processes import exit_with_parent

_SECONDS_TO_TELL = 0.5  # callers that wait, before their connections are closed


def main(words: list[str] | None = None) -> None:
    """Take part until the end; the exit code is 0 where the owner or Ctrl-C ended it."""
    exit_with_parent()
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        setting, port = _setting(arguments)
    except ValueError as error:
        parser.error(str(error))
    # Not asyncio.run, which would wait for a thread in which the engine waits for a party that is gone.
    loop = asyncio.new_event_loop()
    try:
        code = loop.run_until_complete(_take_part(setting, port))
    finally:
        if arguments.remove_credentials:
            remove_meeting_place(Path(arguments.credentials).parent)
    os._exit(code)  # for the same reason


def _setting(arguments: argparse.Namespace) -> tuple[Setting, int]:
    name, port = split_host(arguments.host)
    port = arguments.port or port
    listen = arguments.listen or name
    identity = read_identity(arguments.credentials)
    tls = identity.has_certificates and not arguments.plain_text
    if not (tls or is_loopback(listen) or arguments.plain_text):
        raise ValueError(
            _(
                "Beyond this machine a party wants certificates in {folder}: make them by"
                " `course mpc certificates`, or say --plain-text."
            ).format(folder=arguments.credentials)
        )
    _require_free(listen, port)
    record = Path(arguments.record) if arguments.record else None
    if record is not None:
        make_private_folder(record)
    return Setting(arguments.party, listen, arguments.link_port, identity, tls, record), port


def _require_free(address: str, port: int) -> None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            probe.bind((address, port))
    except OSError as error:
        raise ValueError(
            _("The party can't listen on {address}:{port} ({reason}).").format(
                address=address, port=port, reason=error.strerror or error
            )
        ) from error


async def _take_part(setting: Setting, port: int) -> int:
    from course_lib.mpc.endpoints import create_app
    from course_lib.mpc.server import create_server
    from course_lib.mpc.service import PartyService

    code = 0

    def end(sentence: str, exit_code: int) -> None:
        nonlocal code
        code = exit_code
        with contextlib.suppress(OSError):  # nobody reads it any longer
            print(f"{setting.name}: {sentence}", flush=True)
        asyncio.get_running_loop().call_later(_SECONDS_TO_TELL, _stop, server)

    member = Member(setting, end)
    service = PartyService(member)
    for asked_to_end in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(asked_to_end, member.end, _("It was asked to end."), 0)
    server = create_server(create_app(service), setting, port)
    await server.serve()
    service.close()
    return code


def _stop(server) -> None:
    logging.getLogger("uvicorn.error").disabled = True  # callers that keep their connections are no error now
    server.should_exit = True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.mpc.party", description=_("One of the three parties that hold shares.")
    )
    parser.add_argument("party", choices=PARTIES)
    parser.add_argument(
        "--host", required=True, help=_("where the others find it, for example localhost:4000")
    )
    parser.add_argument("--credentials", required=True, help=_("its folder of tokens and certificates"))
    parser.add_argument("--listen", help=_("the address to listen on, if it is not the host's"))
    parser.add_argument("--port", type=int, help=_("the port to listen on, if it is not the host's"))
    parser.add_argument(
        "--link-port", type=int, default=0, help=_("the port for the other two; any free one unless given")
    )
    parser.add_argument("--record", help=_("a folder for all shares that come, to look at them"))
    parser.add_argument(
        "--plain-text", action="store_true", help=_("do without TLS, though others can listen")
    )
    parser.add_argument("--remove-credentials", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
