"""A server as a plain process: started, stopped, killed, paused; never left behind."""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from devkit.stack import guard
from devkit.stack.errors import StackError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_LOOK_AGAIN = 0.02
_LAST_LINES = 12
_LARGEST_LOG = 16 * 1024 * 1024


class Server(ABC):
    """
    One server on fixed ports with a fixed data folder, through any number of lives.

    Safe to use from any thread, by one thread at a time. The log is one file
    over all lives.
    """

    def __init__(
        self, name: str, log: Path, *, kept_fds: tuple[int, ...] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._kept_fds = kept_fds
        self._environment = environment
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._log_start = 0

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the data folder needs before the first life; nothing in later ones."""

    @abstractmethod
    def _look_ready(self) -> bool:
        """Whether clients are served now; asked again and again during a start."""

    @property
    def alive(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def pid(self) -> int:
        """The server's own process id; StackError where it does not run."""
        if not self.alive or self._pid is None:
            raise StackError(f"{self.name} is not running")
        return self._pid

    def start(self, *, timeout: float = START_SECONDS) -> None:
        """Return when clients are served; StackError with the log's tail when the server ends or `timeout` s pass."""
        self.launch()
        self.wait_ready(timeout=timeout)

    def launch(self) -> None:
        """Start the process without waiting for it to serve anybody."""
        if self.alive:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._prepare()
        report_out, report_in = os.pipe()
        try:
            with self.log.open("ab") as log:
                self._log_start = log.tell()
                self._guard = subprocess.Popen(
                    [*self._guarded_by(report_in), *self._command()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(report_in, *self._kept_fds),
                    env=None if self._environment is None else {**os.environ, **self._environment},
                    start_new_session=True,
                )
        finally:
            os.close(report_in)
        with os.fdopen(report_out) as report:
            said = report.read()
        if not said:
            raise StackError(f"{self.name} could not be started.{self._last_words_below()}")
        self._pid = int(said)

    def wait_ready(self, *, timeout: float = START_SECONDS) -> None:
        deadline = time.monotonic() + timeout
        while not self._look_ready():
            if self._guard is None or (code := self._guard.poll()) is not None:
                ended = "was stopped" if self._guard is None else f"ended with code {code}"
                raise StackError(f"{self.name} {ended} while starting.{self._last_words_below()}")
            if time.monotonic() > deadline:
                self.kill()
                raise StackError(f"{self.name} was not ready after {timeout:.0f} s.{self._last_words_below()}")
            time.sleep(_LOOK_AGAIN)

    def stop(self, *, timeout: float = STOP_SECONDS) -> None:
        """End it in good order; after `timeout` s, without. Nothing if it does not run."""
        if self._guard is None:
            return
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)
        try:
            self._guard.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._guard = self._pid = None

    def kill(self) -> None:
        """End it as a power cut would (kill -9), and return when it is gone."""
        if self._guard is None:
            return
        self._send(signal.SIGKILL)
        self._guard.wait()
        self._guard = self._pid = None

    def pause(self) -> None:
        """Stop its clock: connections stay, nobody answers. Returns when its last thread stands."""
        os.kill(self.pid, signal.SIGSTOP)
        threads = Path("/proc", str(self.pid), "task")
        while any(_runs(thread) for thread in threads.glob("*/stat")):
            time.sleep(_LOOK_AGAIN)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log_of_this_life(self) -> str:
        """What the server logged since it was last started."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def last_words(self, lines: int = _LAST_LINES) -> str:
        """The tail of its log since it was last started, for an error message."""
        return "\n".join(line[:400] for line in self.log_of_this_life().splitlines()[-lines:])

    def _guarded_by(self, report: int) -> list[str]:
        kept = ",".join(str(fd) for fd in self._kept_fds)
        return [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(report), kept]

    def _last_words_below(self) -> str:
        words = self.last_words()
        return f" Its last words ({self.log}):\n{words}" if words else f" It left no word in {self.log}."

    def _send(self, number: signal.Signals) -> None:
        if self.alive and self._pid is not None:
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                return


def _runs(thread: Path) -> bool:
    """Whether a thread, by its `stat` of proc(5), is neither stopped nor over."""
    try:
        state = thread.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "TXZ"
