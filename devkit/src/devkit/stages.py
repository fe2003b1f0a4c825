"""How fast each service has settled what was sent, and how near it was to what it can do."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rapport.runtime.lanes import LANES
from rich.console import Console
from rich.table import Table

from devkit.errors import CommandFailed

CONSUMERS: Final = ("sla_monitor", "followup", "metrics")
_EVERY: Final = 0.25
_AT_REST: Final = 3.0
"""Seconds without news after which all has been settled; a service speaks with every batch."""


class Reading(NamedTuple):
    """What a service says of itself: records settled, and seconds that its lanes have spent on that."""

    records: float = 0
    busy: float = 0


@dataclass(slots=True)
class Stage:
    """One service since the replay began."""

    name: str
    before: Reading
    after: Reading
    seconds: float = 0
    """From the beginning to the last record."""

    @property
    def records(self) -> int:
        return int(self.after.records - self.before.records)

    @property
    def rate(self) -> float:
        return self.records / self.seconds if self.seconds else 0.0

    @property
    def share(self) -> float:
        """Of its own limit: how much of the time its lanes were at work."""
        return (self.after.busy - self.before.busy) / (LANES * self.seconds) if self.seconds else 0.0

    @property
    def limit(self) -> float:
        """Records a second that it could settle here."""
        return self.rate / self.share if self.share else 0.0


def read(url: str) -> Reading:
    """From a service's `/metrics`; CommandFailed where it does not answer."""
    try:
        answer = httpx.get(f"{url}/metrics", timeout=10.0, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise CommandFailed(f"{url}/metrics can't be read: {error}") from None
    sums = {"rapport_records_total": 0.0, "rapport_batch_seconds_sum": 0.0}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name in sums:
                sums[sample.name] += sample.value
    return Reading(*sums.values())


@dataclass
class Stages:
    """The services behind these addresses, from now on."""

    urls: Mapping[str, str]
    reading: Callable[[str], Reading] = read
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    _began: float = field(init=False)
    _stages: list[Stage] = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.now()
        first = {name: self.reading(url) for name, url in self.urls.items()}
        self._stages = [Stage(name, reading, reading) for name, reading in first.items()]

    def follow(self) -> Sequence[Stage]:
        """Return when no service has settled anything for a while."""
        news = self.now()
        while self.now() - news < _AT_REST:
            for stage in self._stages:
                reading = self.reading(self.urls[stage.name])
                if reading.records > stage.after.records:
                    news = self.now()
                    stage.after, stage.seconds = reading, news - self._began
            self.wait(_EVERY)
        return self._stages


def print_stages(taken: int, seconds: float, stages: Sequence[Stage]) -> None:
    """A table of the stages, the whole, and which of them is the slowest."""
    table = Table("stage", "records", "seconds", "records/s", "of its limit")
    table.add_row("intake", f"{taken:,}", f"{seconds:.1f}", f"{taken / seconds:,.0f}", "")
    for stage in stages:
        table.add_row(
            stage.name, f"{stage.records:,}", f"{stage.seconds:.1f}", f"{stage.rate:,.0f}", f"{stage.share:.2f}"
        )
    Console().print(table)
    slowest = max(stages, key=lambda stage: stage.seconds)
    whole = max(seconds, slowest.seconds)
    print(
        f"{taken / whole:,.0f} events/s end to end; last to finish was {slowest.name}, "
        f"at {slowest.share:.2f} of its limit of {slowest.limit:,.0f} records/s here"
    )
