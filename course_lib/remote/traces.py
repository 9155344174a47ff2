"""Looking for a text where it should not be: in a folder, and in all that lies in the store.

What PySyft sends is packed (tar, gzip, JSON, base64); what can be unpacked without a key is unpacked before
the search. A text that is not found was not there in any of these forms; it may still be there in another,
for example encrypted: that is the point.
"""

import base64
import binascii
import contextlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def contents_of_folder(folder: Path) -> list[bytes]:
    """The content of every file below `folder`."""
    return [path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()]


def contents_of_store(files: Iterable[Mapping[str, str]]) -> list[bytes]:
    """The content of every file in the store, as `DriveAccess.everything` returns them."""
    return [base64.b64decode(file["content"]) for file in files]


def which_are_in(contents: Iterable[bytes], texts: Mapping[str, str]) -> dict[str, bool]:
    """For each of `texts` (name: text) whether one of the contents holds it, packed or not.

    >>> which_are_in([b"days,7"], {"the header": "days", "a row": "71,m"})
    {'the header': True, 'a row': False}
    """
    everything = b"\n".join(b"\n".join(_unpacked(content)) for content in contents)
    return {name: text.encode() in everything for name, text in texts.items()}


def look_for(here, texts: Mapping[str, str]) -> dict[str, bool]:
    """Which of `texts` a party's own folder holds; to be run on its machine (see `parties`)."""
    return which_are_in(contents_of_folder(here.folder), texts)


def _unpacked(content: bytes) -> list[bytes]:
    """`content`, and what is packed in it."""
    found = [content]
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = [archive.extractfile(member).read() for member in archive if member.isfile()]
    except tarfile.TarError:
        members = []
    for member in members:
        found += _unpacked(member)
    with contextlib.suppress(ValueError, RecursionError):  # it is not JSON
        found += _decoded(json.loads(content))
    return found


def _decoded(value) -> list[bytes]:
    """Every text in parsed JSON, as it is and with base64 undone."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _decoded(each)]
    if isinstance(value, list):
        return [text for each in value for text in _decoded(each)]
    if not isinstance(value, str):
        return []
    try:
        return [value.encode(), base64.b64decode(value, validate=True)]
    except (binascii.Error, ValueError):
        return [value.encode()]
