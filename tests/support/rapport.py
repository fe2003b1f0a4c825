"""The `rapport` command as a person runs it, and what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]

RAPPORT = str(Path(sys.executable).with_name("rapport"))


@dataclass
class Up:
    """A running `rapport up --ephemeral --json`: its process, and what it said on stdout."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    family: list[psutil.Process]

    def http(self, service: str, key: str = "admin") -> httpx.Client:
        headers = {"authorization": f"Bearer {self.said['keys'][key]}"}
        return httpx.Client(base_url=self.said[service], headers=headers, timeout=30, trust_env=False)

    def get(self, service: str, path: str, **parameters: str | int) -> Any:
        with self.http(service) as client:
            answer = client.get(path, params=parameters)
            answer.raise_for_status()
            return answer.json()

    def all(self, service: str, path: str, name: str) -> list[dict[str, Any]]:
        """Every page of a list."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        with self.http(service) as client:
            while True:
                page = client.get(path, params={"limit": 1000, **cursor}).raise_for_status().json()
                found += page[name]
                if not page["cursor"]:
                    return found
                cursor = {"cursor": page["cursor"]}

    def process_of(self, package: str) -> psutil.Process:
        """The service's own process, not its guard."""
        mine = [
            one for one in self.family if one.cmdline()[-2:] == ["-m", package] and "guard.py" not in one.cmdline()[3]
        ]
        (process,) = mine
        return process

    def left(self) -> list[psutil.Process]:
        """Those of its processes that still run, after giving them a moment."""
        _, alive = psutil.wait_procs(self.family, timeout=15)
        return [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def rapport_up(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Up]:
    """Started with these arguments more; killed at the end if it still runs."""
    command = [RAPPORT, "up", "--ephemeral", "--json", *arguments]
    env = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            family = psutil.Process(process.pid).children(recursive=True)
            yield Up(process, json.loads(line), family)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


def rapport(*arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([RAPPORT, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


def eventually(said: Callable[[], bool], *, seconds: float = 90.0, every: float = 0.2) -> bool:
    """Whether it came true in time, asked every so often; what can't be asked yet is not true yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if said():
                return True
        except (httpx.HTTPError, KeyError):
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
