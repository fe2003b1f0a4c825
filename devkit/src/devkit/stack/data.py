"""The data folder of a stack: whose it is, and whether what lies in it can be trusted."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from devkit.stack.errors import StackError
from devkit.stack.progress import Say

_LOCK = "stack.lock"
_STATE = "stack.json"
_PARTS = {"kafka": "meta.properties", "mongodb": "WiredTiger"}
_HAND_OVER_SECONDS = 20.0


class DataFolder:
    """
    A folder that one stack at a time holds, `kafka/` and `mongodb/` in it.

    The lock is the kernel's (flock), so it ends with its holders: us, and the
    guards of the servers, to whom `lock_fd` is handed. What is written in the
    lock file only says who holds it, and, found in a free lock, that its
    writer never came to stop its stack.
    """

    def __init__(self, path: Path, *, said: Say) -> None:
        self.path = path.absolute()
        self._said = said
        if self.path.exists() and not self.path.is_dir():
            raise StackError(f"{self.path} is not a folder: give another place for the data")
        self.path.mkdir(parents=True, exist_ok=True)
        strangers = sorted(entry.name for entry in self.path.iterdir() if entry.name != _LOCK)
        if strangers and not (self.path / _STATE).exists():
            raise StackError(
                f"{self.path} holds {strangers[0]} but no {_STATE}, so it is not a stack's data folder:"
                " give a new or empty one"
            )
        self.lock_fd = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._acquire()
            self.remembered = self._inspect()
        except BaseException:
            os.close(self.lock_fd)
            raise

    def close(self) -> None:
        """Give the folder back; nothing if that has been done."""
        if self.lock_fd >= 0:
            os.ftruncate(self.lock_fd, 0)
            os.close(self.lock_fd)
            self.lock_fd = -1

    def remove(self) -> None:
        """Throw the data away and give the folder back."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def note(self, *, ready: bool, **facts: Any) -> None:
        """Write down how far the stack has come, in one piece."""
        scratch = self.path / f"{_STATE}.new"
        scratch.write_text(json.dumps({"ready": ready, **facts}, indent=1) + "\n")
        scratch.replace(self.path / _STATE)

    def _acquire(self) -> None:
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        waiting = False
        while not _try_lock(self.lock_fd):
            holder = self._writer()
            if holder is None or _exists(holder):
                who = f"process {holder}" if holder else "another process"
                raise StackError(f"{self.path} is in use by the stack of {who}: stop that, or give other data")
            if time.monotonic() > deadline:
                raise StackError(f"the servers of process {holder}, which is gone, still hold {self.path}")
            if not waiting:
                self._said(f"{self.path}: waiting for the servers of process {holder}, which is gone, to stop")
                waiting = True
            time.sleep(0.05)
        former = self._writer()
        if former is not None:
            self._said(f"{self.path} has a stale lock: process {former} ended without stopping its stack; taken over")
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, str(os.getpid()).encode(), 0)

    def _writer(self) -> int | None:
        written = os.pread(self.lock_fd, 32, 0).decode(errors="replace").strip()
        return int(written) if written.isdecimal() else None

    def _inspect(self) -> dict[str, Any]:
        """What the last stack noted; empty for a new folder, and for a half-made one, which is cleared."""
        state = self.path / _STATE
        if not state.exists():
            self.note(ready=False)
            return {}
        try:
            noted = json.loads(state.read_text())
            ready = noted["ready"]
        except (ValueError, KeyError, TypeError):
            raise StackError(f"{state} can't be read: remove {self.path} to begin anew") from None
        if not ready:
            if any((self.path / part).exists() for part in _PARTS):
                self._said(f"{self.path} is half-made: its stack was never ready, so it is made anew")
            for part in _PARTS:
                shutil.rmtree(self.path / part, ignore_errors=True)
            return {}
        for part, proof in _PARTS.items():
            if not (self.path / part / proof).exists():
                raise StackError(f"{self.path} lacks {part}/{proof}: half of its data is gone; remove it to begin anew")
        return dict(noted)


def remove_if_abandoned(path: Path) -> None:
    """Throw away the data folder `path` where no stack and no server holds it."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if _try_lock(lock):
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's, but there
    return True
