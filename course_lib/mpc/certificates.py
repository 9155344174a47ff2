"""Certificates for a cluster beyond one machine, made by one command: `course mpc certificates`.

Elliptic-curve keys (P-256), an authority for the endpoints and one for the parties' links; the authorities'
own keys are never written. Leaves out a public-key infrastructure: where there is one, put its files in
place of these.
"""

import datetime
import ipaddress
import os
from pathlib import Path

from course_lib.i18n import _
from course_lib.mpc import credentials
from course_lib.mpc.addresses import split_host
from course_lib.mpc.credentials import CLIENT, OWNER
from course_lib.mpc.spec import PARTIES

DAYS_VALID = 365


def make_certificates(
    folder: str | os.PathLike, hosts: list[str] | tuple[str, ...], *, days: int = DAYS_VALID
) -> Path:
    """Fill a new `folder` with tokens and certificates for alice, bob and carol at `hosts`.

    A host is "name:port" or "address:port". Returns the folder. Raises ValueError for hosts that are none,
    and where the folder exists already.
    """
    folder = Path(folder)
    if len(hosts) != len(PARTIES):
        raise ValueError(_("Three hosts were expected, but {count} came.").format(count=len(hosts)))
    names = [split_host(host)[0] for host in hosts]
    if folder.exists():
        raise ValueError(_("The folder {folder} exists already.").format(folder=folder))
    credentials.make_private_folder(folder)
    credentials.write_tokens(folder)
    endpoints, links = _Authority("endpoints", days), _Authority("links", days)
    for party, name in zip(PARTIES, names, strict=True):
        endpoints.issue(folder / party, party, name)
        links.issue(folder / party, party, name, link=True)
    for role in (OWNER, CLIENT):
        endpoints.issue(folder / role, role, None)
    return folder


class _Authority:
    """A key that signs certificates and is forgotten with this object."""

    def __init__(self, name: str, days: int):
        from cryptography.hazmat.primitives.asymmetric import ec

        self._name, self._days = f"course {name}", days
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._signed(self._name, self._key.public_key(), None, authority=True)

    def issue(self, folder: Path, name: str, host: str | None, *, link: bool = False) -> None:
        """Put a key, its certificate and this authority's certificate into `folder`."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        pem = serialization.Encoding.PEM
        contents = {
            "authority": self._certificate.public_bytes(pem),
            "certificate": self._signed(name, key.public_key(), host).public_bytes(pem),
            "key": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        }
        identity = credentials.Identity(folder, {}, {})
        for part, content in contents.items():
            credentials.write_private_file(Path(identity.path(part, link=link)), content)

    def _signed(self, name: str, public_key, host: str | None, *, authority: bool = False):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        now = datetime.datetime.now(datetime.UTC)
        subject, issuer = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, self._name)
        )
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))  # the machines' clocks may differ
            .not_valid_after(now + datetime.timedelta(days=self._days))
            .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **usage
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _alternative(host: str):
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
