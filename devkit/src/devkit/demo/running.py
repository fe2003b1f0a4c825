"""The demo while it runs: the platform, the people, and, where asked for, kill −9."""

import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from rapport.runtime.clock import SystemClock

from devkit.demo.pager import Pager
from devkit.demo.people import Emitters, Respondents
from devkit.demo.reconcile import Facts, Line, reconcile
from devkit.errors import CommandFailed
from devkit.platform import Platform
from devkit.stack import Server
from devkit.traffic import company, endless

_FILES: Final = resources.files("devkit") / "demo"
_KILL_EVERY: Final = (1.0, 3.0)
_STORE_DOWN: Final = (0.0, 3.0)
_STILL_SECONDS: Final = 60.0
"""When nothing has moved for so long, nothing more will."""

_SETTLE_SECONDS: Final = 300.0
_LOOK_EVERY: Final = 0.25


@dataclass(slots=True)
class Killer:
    """
    Kills services, Kafka and MongoDB at random moments, as a power cut would, and starts them again.

    Each once before any twice. While one of the stores is down nothing else is killed.
    """

    platform: Platform
    chance: random.Random
    killed: list[str] = field(default_factory=list)
    _next: float = 0.0

    def look(self) -> None:
        now = time.monotonic()
        if not self._next:
            self._next = now + self.chance.uniform(*_KILL_EVERY)
        if now < self._next:
            return
        name = self._whom()
        server = self._victims[name]
        server.kill()
        if name in self.platform.services:
            server.launch()
        else:
            time.sleep(self.chance.uniform(*_STORE_DOWN))
            server.start()
        self.killed.append(name)
        self._next = time.monotonic() + self.chance.uniform(*_KILL_EVERY)

    @property
    def _victims(self) -> dict[str, Server]:
        stack = self.platform.stack
        return {**self.platform.services, "kafka": stack.kafka_server, "mongodb": stack.mongodb_server}

    def _whom(self) -> str:
        names = sorted(self._victims)
        spared = names[:]
        for name in self.killed[len(self.killed) - len(self.killed) % len(names) :]:
            spared.remove(name)
        return self.chance.choice(spared)

    def rest(self) -> None:
        """Return when all that was killed serves again."""
        for service in self.platform.services.values():
            service.wait_ready()


@contextlib.contextmanager
def demo(seconds: float | None, *, seed: int, rate: float) -> Iterator[Facts]:
    """A platform of its own with short targets, and people who have begun to use it."""
    with contextlib.ExitStack() as stack:
        policy, plays, loyalty = (
            stack.enter_context(resources.as_file(_FILES / f"{name}.yaml")) for name in ("policy", "plays", "loyalty")
        )
        pager = stack.enter_context(Pager())
        environment = {"RAPPORT_DEMO_PAGER": pager.url, "RAPPORT_ALLOW_INTERNAL_RECEIVERS": "true"}
        platform = stack.enter_context(
            Platform.start(Path(), ephemeral=True, policy=policy, plays=plays, loyalty=loyalty, environment=environment)
        )
        told = endless(seed, rate) if seconds is None else company(seed, seconds, rate)
        emitters = Emitters(told, SystemClock().now(), platform.addresses.intake, platform.keys.emit)
        respondents = Respondents(platform.mail, seed)
        for worker in (emitters, respondents):
            worker.start()
        yield Facts(platform, emitters, respondents, pager)


class Settling:
    """Watches a balance come to rest. Instants are in seconds of any clock."""

    def __init__(self, began: float) -> None:
        self._began = self._moved = began
        self._lines: Sequence[Line] = ()

    def is_over(self, lines: Sequence[Line], now: float) -> bool:
        """Whether it balances twice in a row and nothing has moved between, or nothing will move any more."""
        rests = lines == self._lines
        if not rests:
            self._lines, self._moved = lines, now
        balances = bool(lines) and all(line.balances for line in lines)
        return (rests and balances) or now - self._moved > _STILL_SECONDS or now - self._began > _SETTLE_SECONDS


def settle(facts: Facts) -> list[Line]:
    """The balance, once it balances and rests; as it is, where it does not come to that."""
    settling = Settling(time.monotonic())
    while True:
        facts.platform.check()
        facts.respondents.check()
        lines = _reconciled(facts)
        if settling.is_over(lines, time.monotonic()):
            return lines or reconcile(facts)
        time.sleep(_LOOK_EVERY * 4)


def _reconciled(facts: Facts) -> list[Line]:
    """The balance; empty while a service that was killed does not answer yet."""
    try:
        return reconcile(facts)
    except CommandFailed:
        return []


def look(facts: Facts, killer: Killer | None) -> bool:
    """Whether traffic still flows; raises what has gone wrong."""
    if killer:
        killer.look()
    facts.platform.check()
    facts.emitters.check()
    facts.respondents.check()
    time.sleep(_LOOK_EVERY)
    return facts.emitters.is_alive()
