"""A file that only grows, line by line, and that notices when something was taken away.

The file is JSON Lines. Every line but the first holds the SHA-256 of the line before, and a second file, the
*head*, holds how many lines follow the first and the SHA-256 of the last. Promises, on a local disk:

- `append` returns when its lines are on disk (fsync), and then the head is, too. A process that is killed in
  between leaves a file that is ahead of its head, or ends within a line: both open.
- A file that was cut off (at a line's end, too), edited, emptied, deleted, or replaced by an older copy is
  refused with a sentence, and never begun again. While a `Journal` is open it also knows every byte that it
  has read.
- Any number of threads and processes may append, one after another.

What can't be noticed: that both files were replaced by older copies, or were deleted, while nobody had them
open. So the protection is as strong as the head is: put it where only its owner can write, on another disk
or in another backup. Whoever can write the first file alone can make it unusable, or add lines at its end,
but can take nothing away. Whoever can write both can do anything: this is a record for honest owners, no
seal against them. Leaves out network file systems, whose locks and fsync promise less.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from course_lib.i18n import _

LONGEST_WAIT = 60  # seconds for another process to finish


class JournalDamaged(ValueError):
    """The file is not what was written, or not all of it; the message says what is wrong."""


class _Seen(NamedTuple):
    """All whole lines that were read and checked, each in three forms."""

    content: bytes = b""
    digests: tuple[str, ...] = ()
    records: tuple[dict, ...] = ()


class Journal:
    """The journal in the file `path`, with its head in the file `head`; `begin` or `read` comes first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(Path(folder, "journal.jsonl"), head=Path(folder, "journal.head"))
    ...     journal.begin({"kind": "example"})
    ...     with journal.locked():
    ...         journal.append([{"number": 1}, {"number": 2}])
    ...     [record.get("number") for record in journal.records]
    [None, 1, 2]
    """

    def __init__(self, path: Path, *, head: Path):
        self.path, self.head = path.absolute(), head.absolute()
        self._lock = FileLock(f"{self.path}.lock", timeout=LONGEST_WAIT)
        self._seen = _Seen()

    @property
    def records(self) -> tuple[dict, ...]:
        """The first line and all that follow, as far as they were read: in a `locked` block, all."""
        return self._seen.records

    def begin(self, first: dict) -> None:
        """Write the first line. Raises ValueError where a journal lies there, or the head of one in use."""
        for folder in (self.path.parent, self.head.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self._held():
            if self.path.exists():
                message = _("{path} exists already: open it, or name another file.")
                raise ValueError(message.format(path=self.path))
            if self.head.exists() and self._read_head()[0] > 0:
                raise self._damaged(
                    _("the file is missing, but its head file {head} is there").format(head=self.head)
                )
            line = _as_line(first)
            # The head first: alone, with nothing counted, it does not stop the next attempt.
            self._write_head(0, _digest(line))
            _replace(self.path, line)
            for folder in {self.path.parent, self.head.parent}:
                _sync_folder(folder)
            self._refresh()

    def read(self) -> None:
        """Read what is there. Raises JournalDamaged where it is not what was written."""
        if not self.path.is_file():  # before a lock file is made beside it
            raise self._damaged(_("the file is missing"))
        with self.locked():
            pass

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the files for this thread until the block ends, and read what others wrote; may be nested.

        Raises JournalDamaged, and TimeoutError where another process keeps them for a minute.
        """
        with self._held():
            self._refresh()
            yield

    def append(self, records: Sequence[dict]) -> None:
        """Write all records, in a `locked` block; each also gets the digest of the line `previous` to it."""
        lines, previous = [], self._seen.digests[-1]
        for record in records:
            lines.append(_as_line({**record, "previous": previous}))
            previous = _digest(lines[-1])
        written = b"".join(lines)
        with self.path.open("r+b") as file:
            file.truncate(len(self._seen.content))  # what a process that died had begun to write
            file.seek(0, os.SEEK_END)
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        self._seen = self._checked(lines)
        self._write_head(len(self._seen.digests) - 1, previous)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        try:
            held = self._lock.acquire()
        except Timeout:
            message = _("Waited {seconds} seconds, but other processes keep {path} in use.")
            raise TimeoutError(message.format(path=self.path, seconds=LONGEST_WAIT)) from None
        with held:
            yield

    def _refresh(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise self._damaged(_("the file is missing")) from None
        if not content.startswith(self._seen.content):
            raise self._damaged(_("it was changed, cut off or replaced while it was in use"))
        # A last line without an end was being written when a process died: nobody was told that it is there.
        *lines, _unfinished = content[len(self._seen.content) :].split(b"\n")
        self._seen = self._checked([line + b"\n" for line in lines])
        self._check_head()

    def _checked(self, lines: Sequence[bytes]) -> _Seen:
        """What was seen, with these lines after it."""
        digests, records = list(self._seen.digests), list(self._seen.records)
        for line in lines:
            try:
                record = json.loads(line)
                genuine = not digests or record["previous"] == digests[-1]
            except (ValueError, TypeError, KeyError):
                genuine = False
            if not genuine or not isinstance(record, dict):
                reason = _("line {line}, or the one before it, is not what was written")
                raise self._damaged(reason.format(line=len(digests) + 1))
            digests.append(_digest(line))
            records.append(record)
        return _Seen(self._seen.content + b"".join(lines), tuple(digests), tuple(records))

    def _check_head(self) -> None:
        """The file must go at least as far as its head says, and have the same line there."""
        count, digest = self._read_head()
        if count >= len(self._seen.digests):
            reason = _("it has {lines} lines, but {expected} were written")
            raise self._damaged(reason.format(lines=len(self._seen.digests), expected=count + 1))
        if self._seen.digests[count] != digest:
            raise self._damaged(_("line {line} is not the one that its head knows").format(line=count + 1))

    def _read_head(self) -> tuple[int, str]:
        try:
            head = json.loads(self.head.read_bytes())
            count, digest = head["lines_after_first"], head["last_line"]
        except FileNotFoundError:
            raise self._damaged(_("its head file {head} is missing").format(head=self.head)) from None
        except (ValueError, TypeError, KeyError):
            count = digest = None
        if not isinstance(count, int) or not isinstance(digest, str) or count < 0:
            raise self._damaged(_("its head file {head} is not what was written").format(head=self.head))
        return count, digest

    def _write_head(self, count: int, digest: str) -> None:
        _replace(self.head, _as_line({"lines_after_first": count, "last_line": digest}))

    def _damaged(self, reason: str) -> JournalDamaged:
        message = _("{path} can't be trusted: {reason}. It is refused, and not begun again.")
        return JournalDamaged(message.format(path=self.path, reason=reason))


def _as_line(record: dict) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    """Write a small file so that a crash leaves the old one or the new one."""
    new = path.with_name(path.name + ".new")  # always the same name: whoever writes holds the lock
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _sync_folder(folder: Path) -> None:
    """Have new files' names on disk, too; Windows does that by itself and has no call for it."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
