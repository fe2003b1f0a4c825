"""Ports on this machine that a server may have, and keep over its restarts."""

import fcntl
import os
import random
import socket
from functools import cache
from pathlib import Path

from devkit.stack.cache import cache_home
from devkit.stack.errors import StackError

HOST = "127.0.0.1"
_LOWEST = 15_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200
_claimed: set[int] = set()


def free_port(*, taken: frozenset[int] = frozenset()) -> int:
    """
    A port that nobody listens at, and that no outgoing connection will be given.

    The kernel's own choice (bind to 0) would come from the range of outgoing
    connections: while a server is down, a client that tries again could be
    given the server's port as its own, and the server could not come back.
    Nobody else who asks here gets it as long as this process lives: a server
    takes seconds before it listens.
    """
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, _first_ephemeral())
        if port not in taken and is_free(port) and _claim(port):
            return port
    raise StackError(f"no free port found on {HOST} in {_TRIES} tries")


def _claim(port: int) -> bool:
    """Whether this process has it now and had it not before; a lock on one byte, which ends with the process."""
    if port in _claimed:
        return False
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # POSIX lets a system say either
        return False
    _claimed.add(port)
    return True


@cache
def _claims() -> int:
    return os.open(cache_home() / "ports.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def is_free(port: int) -> bool:
    """Whether a server could listen at `port` now, even where an earlier one's connections still linger."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def wanted_or_free(wanted: int | None, *, remembered: int | None, taken: frozenset[int], name: str) -> int:
    """The port asked for, or the one of last time where it is free, or any free one; StackError if the first is not."""
    if wanted is not None:
        if not is_free(wanted):
            raise StackError(f"port {wanted}, asked for {name}, is in use: stop what listens there or give another")
        return wanted
    if remembered is not None and remembered not in taken and is_free(remembered):
        return remembered
    return free_port(taken=taken)


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except OSError:
        first = 32_768
    return first if first > _LOWEST + 1_000 else 65_536
