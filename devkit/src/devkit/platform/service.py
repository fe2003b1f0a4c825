"""One of the four services as a process of its own."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from devkit.stack import Server
from devkit.stack.ports import HOST

_LOOK_AGAIN = 0.1


class ServiceProcess(Server):
    """`python -m <package>` at a port of its own, ready when `/readyz` says so; through any number of lives."""

    def __init__(self, package: str, log: Path, *, port: int, environment: Mapping[str, str]) -> None:
        own = {"RAPPORT_HOST": HOST, "RAPPORT_PORT": str(port), "PYTHONUNBUFFERED": "1"}
        super().__init__(package.replace("_", "-"), log, environment={**environment, **own})
        self.package = package
        self._port = port

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def ready(self) -> bool:
        """Whether it says so itself; a moment passes where it does not."""
        return self._look_ready()

    def how_it_ended(self) -> str | None:
        """One line, then its last words, once the process is gone without having been asked to; None while it runs."""
        if self._guard is None or (code := self._guard.poll()) is None:
            return None
        return f"{self.name} ended with code {code}.{self._last_words_below()}"

    def _command(self) -> list[str]:
        # -P: what lies in the working directory is not taken for one of our packages
        return [sys.executable, "-P", "-m", self.package]

    def _prepare(self) -> None:
        """It keeps nothing on disk."""

    def _look_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.address}/readyz", timeout=5.0, trust_env=False)
        except httpx.TransportError:
            time.sleep(_LOOK_AGAIN)
            return False
        if answer.status_code != httpx.codes.OK:
            time.sleep(_LOOK_AGAIN)
        return answer.status_code == httpx.codes.OK
