"""The user's cache, shared by all projects and processes of one user."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devkit.stack.progress import Say


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/rapport`, else `~/.cache/rapport`; made where it is not."""
    configured = os.environ.get("XDG_CACHE_HOME")
    home = (Path(configured) if configured else Path.home() / ".cache") / "rapport"
    home.mkdir(parents=True, exist_ok=True)
    return home


@contextmanager
def locked(path: Path, *, said: Say, wait_for: str) -> Iterator[None]:
    """
    Hold the file lock `path`; where another process has it, say so once and wait.

    The kernel frees the lock with its holder, so it can't be left behind; the
    file itself stays, for removing it would let two hold "the" lock.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said(f"waiting for another process that {wait_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
