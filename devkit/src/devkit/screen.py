"""The one screen of a running platform: where everything is, how fast it goes, how far it is behind."""

import time
from types import TracebackType
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from devkit.platform import Platform

_PAGES = {
    "intake": "events in",
    "sla_monitor": "board",
    "followup": "work list",
    "metrics": "dashboard",
}
_WORK = ("rapport_intake_events_total", "rapport_records_total")


class Screen:
    """Draws a platform; each drawing asks the services for their figures. A context manager that closes its client."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._client = httpx.Client(timeout=1.0, trust_env=False)
        self._seen: dict[str, tuple[float, float]] = {}

    def draw(self) -> RenderableType:
        table = Table("service", "address", "there", "per s", "waiting", "refused", title="Rapport")
        table.columns[0].no_wrap = table.columns[1].no_wrap = True
        for column in (3, 4, 5):
            table.columns[column].justify = "right"
        for name, service in self._platform.services.items():
            page = _PAGES[name]
            figures = self._figures(service.address)
            if figures is None:
                table.add_row(service.name, service.address, page, "no answer", "", "")
                continue
            rate = self._rate(name, sum(figures.get(work, 0.0) for work in _WORK))
            waiting, refused = figures.get("rapport_lag_records", 0.0), figures.get("rapport_dead_letters_total", 0.0)
            table.add_row(service.name, service.address, page, f"{rate:,.0f}", f"{waiting:,.0f}", f"{refused:,.0f}")
        own, keys = self._platform, self._platform.keys
        about = Table.grid(padding=(0, 2))
        about.add_row("sign in with", Text(keys.act, style="bold"))
        about.add_row("send with", keys.emit)
        about.add_row("Kafka", own.addresses.kafka)
        about.add_row("MongoDB", own.addresses.mongodb)
        about.add_row("data, logs", str(own.folder))
        kept = f"{own.mail.folder} ({len(own.mail.mails)} so far)"
        about.add_row("mails", kept if own.keeps_mails else "sent by RAPPORT_SMTP_URL")
        return Group(table, about, Text("Ctrl-C stops everything.", style="dim"))

    def _rate(self, name: str, total: float) -> float:
        """Per second since the last drawing; a service that was started anew counts from zero."""
        now = time.monotonic()
        before, at = self._seen.get(name, (total, now))
        self._seen[name] = (total, now)
        return max(0.0, total - before) / (now - at) if now > at else 0.0

    def _figures(self, url: str) -> dict[str, float] | None:
        """The sum of each figure over its labels; None where the service does not answer."""
        try:
            text = self._client.get(f"{url}/metrics").text
        except httpx.TransportError:
            return None
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()
