"""Addresses of parties: "name:port", and which of them are this machine's own."""

import ipaddress
import re

from course_lib.i18n import _

LOOPBACK = "127.0.0.1"


def split_host(host: str) -> tuple[str, int]:
    """The name and the port of a host; ValueError where it is none. "localhost" is 127.0.0.1.

    >>> split_host("localhost:4000"), split_host("alice.example:4000")
    (('127.0.0.1', 4000), ('alice.example', 4000))
    >>> split_host("4000")
    Traceback (most recent call last):
    ValueError: A host like localhost:4000 was expected, but '4000' came.
    """
    match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9.-]*):([0-9]{1,5})", host) if isinstance(host, str) else None
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(_("A host like localhost:4000 was expected, but {host!r} came.").format(host=host))
    name = LOOPBACK if match[1].lower() == "localhost" else match[1]
    return name, int(match[2])


def address_of(host: str) -> str:
    """A host as it is called: "localhost" by its number.

    >>> address_of("localhost:4000")
    '127.0.0.1:4000'
    """
    name, port = split_host(host)
    return f"{name}:{port}"


def is_loopback(name: str) -> bool:
    """Whether a name can only be this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("10.0.0.1"), is_loopback("alice.example")
    (True, False, False)
    """
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False  # a name may be anywhere, whatever it resolves to today
