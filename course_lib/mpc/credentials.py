"""Who may ask a party for what: tokens, and certificates beyond this machine.

A cluster's credentials lie in a folder with one sub-folder for each of the three parties, for the owner of
the model, and for clients; a sub-folder holds what its reader needs and no more, and travels to its
reader's machine. There is a token for each role at each party, so that no party learns one that another
party admits. Certificates are signed by an authority whose key is thrown away at once; the parties' links
to each other have an authority of their own, so that neither owner nor client can join in there.

On one machine all of this belongs to one user, who could read what all three parties hold: that shows how it
works, and protects nobody. Who is to be protected runs the parties on machines of different owners.

Leaves out renewing: when certificates run out or a token has leaked, make a new folder. And clients share one
token: a party can't tell one client from another.
"""

import hashlib
import hmac
import json
import os
import secrets
import shutil
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from course_lib.i18n import _
from course_lib.mpc.spec import PARTIES

OWNER, CLIENT, PARTY = ROLES = ("owner", "client", "party")
_TOKENS, _AUTHORITY, _CERTIFICATE, _KEY = "tokens.json", "authority.pem", "certificate.pem", "key.pem"
_LINK = "link-"  # before the names of the files for the parties' own links


@dataclass(frozen=True)
class Identity:
    """What the reader of a sub-folder holds: tokens to show at each party and, as a party, those to admit."""

    folder: Path
    shown: dict[str, str] = field(repr=False)
    admitted: dict[str, str] = field(repr=False)

    @property
    def has_certificates(self) -> bool:
        """Whether there are certificates in the folder."""
        return (self.folder / _CERTIFICATE).is_file()

    def role_of(self, token: str) -> str | None:
        """The role that a token stands for here, or None; compared in constant time."""
        found = None
        for role, admitted in self.admitted.items():
            if hmac.compare_digest(token.encode(), admitted.encode()):
                found = role
        return found

    def path(self, name: str, *, link: bool = False) -> str:
        """The path of the `authority`, `certificate` or `key`, for the endpoint or for the link."""
        return str(self.folder / f"{_LINK if link else ''}{name}.pem")

    def client_context(self) -> ssl.SSLContext:
        """TLS 1.3 towards a party, with our certificate, its name checked; ValueError where there is none."""
        if not self.has_certificates:
            raise ValueError(_no_credentials(self.folder))
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.path("authority"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.path("certificate"), self.path("key"))
        return context


def read_identity(folder: str | os.PathLike) -> Identity:
    """The identity in a sub-folder; ValueError where there is none."""
    folder = Path(folder)
    try:
        tokens = json.loads((folder / _TOKENS).read_text(encoding="utf-8"))
        shown, admitted = (_texts(tokens[part]) for part in ("shown", "admitted"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(_no_credentials(folder)) from error
    return Identity(folder, shown, admitted)


def write_tokens(folder: str | os.PathLike) -> None:
    """Fill a new folder with sub-folders of tokens, readable by this user alone."""
    make_private_folder(Path(folder))
    tokens = {role: {party: secrets.token_urlsafe(32) for party in PARTIES} for role in ROLES}
    for role in (OWNER, CLIENT):
        _write(Path(folder, role), shown=tokens[role], admitted={})
    for party in PARTIES:
        others = {other: token for other, token in tokens[PARTY].items() if other != party}
        _write(Path(folder, party), shown=others, admitted={role: tokens[role][party] for role in ROLES})


def meeting_place(hosts: list[str]) -> Path:
    """Where notebooks of this user find the tokens of a cluster at these addresses on this machine."""
    return _meeting_places() / hashlib.sha256(" ".join(hosts).encode()).hexdigest()[:16]


def remove_meeting_place(folder: Path) -> None:
    """Remove a cluster's tokens; any other folder is left alone, and it is harmless where there is none."""
    if folder.resolve().parent == _meeting_places().resolve():
        shutil.rmtree(folder, ignore_errors=True)


def _meeting_places() -> Path:
    home = os.environ.get("COURSE_HOME") or platformdirs.user_data_dir("course-lib", appauthor=False)
    return Path(home) / "mpc"


def _write(folder: Path, **tokens: dict[str, str]) -> None:
    make_private_folder(folder)
    write_private_file(folder / _TOKENS, json.dumps(tokens, indent=2).encode())


def make_private_folder(folder: Path) -> None:
    """Make a folder that this user alone can enter, and those above it as usual."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file that this user alone can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _no_credentials(folder: Path) -> str:
    return _("No credentials can be read in the folder {folder}.").format(folder=folder)


def _texts(tokens: dict) -> dict[str, str]:
    if not isinstance(tokens, dict) or not all(isinstance(token, str) for token in tokens.values()):
        raise TypeError("texts were expected")
    return tokens
