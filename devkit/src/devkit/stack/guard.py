"""
One server's guard: starts it, and ends it when the process that wanted it is gone.

Run as a script: `guard.py PARENT REPORT_FD KEPT_FDS COMMAND...`. A process of its
own, because the kernel's "signal me when my parent dies" speaks of the *thread*
that forked: a server started from a worker thread would die with that thread. The
guard has one thread, and so can use it: nobody outlives anybody, whoever is killed.

- The parent ends in whatever way: the server is asked to stop, then made to.
- The guard is killed: the kernel kills the server.
- The server ends: the guard ends with the same code.

KEPT_FDS (comma separated, may be empty) stay open as long as the guard lives and
are not handed on: locks, which so outlive a killed parent until the server is gone.
"""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_GRACE_MS = 10_000


def main() -> None:
    parent, report, kept, *command = sys.argv[1:]
    wanted_by = _descriptor_of(int(parent))
    if os.getppid() != int(parent):
        sys.exit("the process that wanted this server is gone")
    for fd in [report, *filter(None, kept.split(","))]:
        os.set_inheritable(int(fd), False)

    child = _spawn(command)
    signal.signal(signal.SIGTERM, lambda *_: _signal(child, signal.SIGTERM))
    ended = _descriptor_of(child)
    os.write(int(report), str(child).encode())
    os.close(int(report))

    if ended not in _first_of(wanted_by, ended):
        _signal(child, signal.SIGTERM)
        _signal(child, signal.SIGCONT)
        if not _first_of(ended, timeout_ms=_GRACE_MS):
            _signal(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _spawn(command: list[str]) -> int:
    libc = ctypes.CDLL(None)
    me = os.getpid()
    child = os.fork()
    if child:
        return child
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == me:
        os.execv(command[0], command)  # noqa: S606 - the caller names its server
    os._exit(127)


def _descriptor_of(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        sys.exit("the process is gone")


def _first_of(*descriptors: int, timeout_ms: int | None = None) -> set[int]:
    """Those of the processes that have ended; empty when the time is up."""
    waiting = select.poll()
    for fd in descriptors:
        waiting.register(fd, select.POLLIN)
    return {fd for fd, _ in waiting.poll(timeout_ms)}


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
