"""A file of events that intake has not taken yet: it outlives a crash, keeps their order and has an end."""

import fcntl
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic_core import from_json

from rapport.client.conversation import Result, Written

MOST: Final = 64 << 20
"""Bytes that may wait, unless told otherwise."""

_CHECKSUM: Final = 8


class OutboxFull(Exception):
    """
    Nothing of it was kept: the events must wait where they come from.

    `results` are those of earlier events, which were settled in the attempt to make room.
    """

    def __init__(self, reason: str, results: Sequence[Result] = ()) -> None:
        super().__init__(reason)
        self.results = list(results)


class OutboxBusy(Exception):
    """Another process has this outbox open."""


class Outbox:
    """
    Events in the order in which they were put, each a line with its checksum.

    What `put` returned from is on disk. `done` notes how far intake has settled;
    a crash before that sends some again, with the same ids. A line torn by a
    crash is dropped: `put` had not returned from it. One damaged otherwise is
    set aside in `<file>.bad`.
    """

    def __init__(self, path: Path | str, *, most: int = MOST) -> None:
        self._path = Path(path)
        self._most = most
        self._lock = self._path.with_name(f"{self._path.name}.lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise OutboxBusy(f"{self._path} is open in another process") from None
        self._place = self._path.with_name(f"{self._path.name}.done")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _sync_folder(self._path)
        self._size = self._mend()
        self._settled = self._read_place()

    @property
    def waiting_bytes(self) -> int:
        return self._size - self._settled

    def put(self, events: Iterable[Written]) -> None:
        """Have the events on disk, all or none; `OutboxFull` where there is no room."""
        lines = b"".join(_line(event.json) for event in events)
        if self.waiting_bytes + len(lines) > self._most:
            raise OutboxFull(f"{self._path} holds {self.waiting_bytes} bytes of at most {self._most}")
        try:
            written = os.write(self._file, lines)
            if written != len(lines):
                raise OSError(f"only {written} of {len(lines)} bytes written to {self._path}")  # noqa: TRY301 - as full
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(lines)

    def waiting(self) -> Iterator[Written]:
        """What has not been settled, the oldest first."""
        with self._path.open("rb") as file:
            file.seek(self._settled)
            for line in file:
                text = line[_CHECKSUM + 1 : -1]
                yield Written(str(from_json(text).get("id", "")), text)

    def done(self, events: Sequence[Written]) -> None:
        """These, the oldest that waited, have been settled."""
        self._settled += sum(len(_line(event.json)) for event in events)
        if self._settled >= self._size:
            self._note(0)
            os.ftruncate(self._file, 0)
            self._size = self._settled = 0
        elif self._settled > self._most // 2:
            self._shorten()
        else:
            self._note(self._settled)

    def close(self) -> None:
        os.close(self._file)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _mend(self) -> int:
        """The size of the file, once it holds sound lines only."""
        whole = self._path.read_bytes()
        lines = whole.splitlines(keepends=True)
        sound = [line for line in lines if _is_sound(line)]
        if len(sound) == len(lines):
            return len(whole)
        torn = lines.pop() if not _is_sound(lines[-1]) else b""
        bad = [line for line in lines if not _is_sound(line)]
        if bad:
            with self._path.with_name(f"{self._path.name}.bad").open("ab") as aside:
                aside.writelines(bad)
            self._note(0)
            self._replace(b"".join(sound))
            return len(b"".join(sound))
        os.ftruncate(self._file, len(whole) - len(torn))
        os.fsync(self._file)
        return len(whole) - len(torn)

    def _shorten(self) -> None:
        """Let go of what has been settled."""
        with self._path.open("rb") as file:
            file.seek(self._settled)
            rest = file.read()
        self._note(0)
        self._replace(rest)
        self._size, self._settled = len(rest), 0

    def _replace(self, content: bytes) -> None:
        """The file with another content, in one step."""
        scratch = self._path.with_name(f"{self._path.name}.new")
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o600)
        scratch.replace(self._path)
        _sync_folder(self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND)

    def _note(self, place: int) -> None:
        """Remember how far intake has settled. Without fsync: what is lost with the power is sent again."""
        scratch = self._place.with_name(f"{self._place.name}.new")
        scratch.write_text(str(place), "ascii")
        scratch.replace(self._place)

    def _read_place(self) -> int:
        with suppress(OSError, ValueError):
            place = int(self._place.read_text("ascii"))
            if 0 <= place <= self._size and (place == 0 or self._byte_before(place) == b"\n"):
                return place
        return 0

    def _byte_before(self, place: int) -> bytes:
        return os.pread(self._file, 1, place - 1)


def _sync_folder(path: Path) -> None:
    """Have on disk that there is such a file."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _line(json: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(json), json)


def _is_sound(line: bytes) -> bool:
    text = line[_CHECKSUM + 1 : -1]
    return line.endswith(b"\n") and line[: _CHECKSUM + 1] == b"%08x " % zlib.crc32(text)
