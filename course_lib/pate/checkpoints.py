"""A finished teacher on disk: written whole or not at all, and trusted only after a look at all of it.

A file is the SHA-256 of the rest, then what `torch.save` writes: the teacher's weights and the settings it
was trained with. It is read with `weights_only=True`, which never unpickles code, and only after the digest
fits.

Promises: a file that was cut off or damaged, or belongs to other settings, is refused with its name.
Leaves out: protection from forgers. Whoever may write the folder may write any teacher, digest included. And
a teacher knows its private images: the folder is as secret as they are.
"""

import hashlib
import io
import json
import os
import pickle
from pathlib import Path

import torch
from torch import Tensor

from course_lib.i18n import _

_DIGEST = hashlib.sha256().digest_size


def path_of(teacher: int, *, folder: Path) -> Path:
    """The file of one teacher.

    >>> path_of(7, folder=Path("teachers")).as_posix()
    'teachers/teacher_00007.pt'
    """
    return folder / f"teacher_{teacher:05}.pt"


def save(path: Path, state: dict[str, Tensor], *, settings: dict) -> None:
    """Write a teacher's `state` and `settings` (numbers and texts) to `path`, whole or not at all."""
    buffer = io.BytesIO()
    torch.save({"settings": json.dumps(settings, sort_keys=True), "state": state}, buffer)
    content = buffer.getvalue()
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        file.write(hashlib.sha256(content).digest() + content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load(path: Path, *, settings: dict) -> dict[str, Tensor]:
    """The state of the teacher at `path`; ValueError where it is damaged, or has other `settings`."""
    stored = path.read_bytes()
    digest, content = stored[:_DIGEST], stored[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError(
            _(
                "{path} is damaged or no checkpoint of a teacher: delete it to train this teacher again."
            ).format(path=path)
        )
    try:
        checkpoint = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        found, state = json.loads(checkpoint["settings"]), checkpoint["state"]
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(_("{path} is no checkpoint of a teacher.").format(path=path)) from error
    differing = sorted(
        name for name in found.keys() | settings.keys() if found.get(name) != settings.get(name)
    )
    if differing:
        raise ValueError(
            _(
                "{path} was trained with other settings ({differing}): train with those of the first run, "
                "or choose another folder."
            ).format(path=path, differing=", ".join(differing))
        )
    return state
