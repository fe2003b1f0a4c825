"""
What one message says about a group of alerts: one line for people, and Alertmanager's v4 body for machines.

The body's form is that of Alertmanager's webhook
(https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), so
that whatever takes those takes ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.lines import one_line

from sla_monitor.domain.addresses import page_of, strictly
from sla_monitor.domain.grouping import STORM, GroupKey
from sla_monitor.domain.plain_words import TO_DO
from sla_monitor.domain.signals import (
    STORM_KEY,
    Action,
    Signal,
    fingerprint,
    pagerduty_action,
    standing,
    to_alertmanager,
    to_pagerduty,
    webhook_body,
)
from sla_monitor.domain.states import AlertState, CustomerState
from sla_monitor.domain.text import in_common, length, text

LISTED: Final = 100
"""Alerts that one message lists; the others are counted."""

_LABELS: Final = ("contact_id", "customer_id", "target", "cycle", "policy", "team", "owner", "channel", "reference")
_ALWAYS: Final = ("alertname", "target", "severity")
_WORD: Final = {
    "warning": "due soon",
    "breach": "BREACHED",
    "acknowledged": "acknowledged",
    "cleared": "cleared",
}


@dataclass(frozen=True, slots=True)
class Message:
    """
    A group of alerts for one receiver, the worst first.

    `fields`, where a receiver has them, are all that it may learn of a contact.
    """

    key: GroupKey
    alerts: tuple[AlertState, ...]
    customers: Mapping[str, CustomerState]
    at: datetime
    name: str
    """Stays the same when the same message is sent again."""
    level: int = 0
    late: bool = False
    fields: tuple[str, ...] | None = None
    link: str = ""
    """Where its receiver may act on it without signing in; empty for none."""
    public_url: str = ""
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Under which names the receiver's product knows alerts already, by alert."""
    settled: frozenset[str] = frozenset()
    """Those of these names that stand for nothing else any more."""

    @property
    def text(self) -> str:
        """One line: the alert, or of several how many, the oldest, what they have in common, and the worst."""
        worst = self._line(self.alerts[0])
        if len(self.alerts) == 1:
            return f"LATE · {worst}" if self.late else worst
        oldest = min(alert.started_at for alert in self.alerts)
        count = f"{len(self.alerts)} {_WORD[self.key.kind]} · {one_line(self.key.group)}"
        common = in_common(self.alerts, self.at, channel=self.fields is None or "channel" in self.fields)
        parts = [count, f"oldest waits {length(self.at - oldest)}", common, f"worst: {worst}"]
        return " · ".join((["LATE"] if self.late else []) + [part for part in parts if part])

    def _line(self, alert: AlertState, *, linked: bool = True) -> str:
        links = {"Acknowledge": self.link} if linked and self.link else {}
        if self.key.kind == "cleared" and alert.active:
            alert = alert.but(state="cleared")
        if self.fields is None:
            return text(alert, self.customers.get(alert.customer_id), self.at, links)
        bare = {name: None for name in ("subject", "owner", "channel", "reference", "url") if name not in self.fields}
        hidden = {"customer_id": "a customer"} if "customer_id" not in self.fields else {}
        shown = self.customers.get(alert.customer_id) if "customer" in self.fields else None
        return text(alert.but(**bare, **hidden), shown, self.at, links, owned="owner" in self.fields)

    def body(self) -> dict[str, Any]:
        """For a webhook."""
        body = webhook_body(
            self.signals(LISTED),
            key=self.key.lasting,
            receiver=self.key.receiver,
            group={"group": self.key.group},
            url=self.public_url,
            text=self.text,
        )
        return {
            **body,
            "truncatedAlerts": max(0, len(self.alerts) - LISTED),
            "commonAnnotations": {**body["commonAnnotations"], **({"acknowledge_url": self.link} if self.link else {})},
            "count": len(self.alerts),
            "worst": self.alerts[0].id,
            "oldest": format_instant(min(alert.started_at for alert in self.alerts)),
            "level": self.level,
            "late": self.late,
        }

    @property
    def storm(self) -> str:
        """The key of the one incident that stands for so many alerts; empty where each has its own."""
        return f"{STORM_KEY}{self.name}" if len(self.alerts) >= STORM and self.key.kind in ("breach", "warning") else ""

    def names(self, via: str) -> dict[str, str]:
        """Under which name the receiver's product will know each alert, where it has names of its own."""
        if self.key.kind not in ("breach", "warning"):
            return {}
        if via == "pagerduty" and self.storm:
            return {alert.id: self.storm for alert in self.alerts}
        return {signal.id: name for signal in self.signals() if (name := signal.name_for(via))}

    def posts(self, via: str) -> list[Any]:
        """The bodies for a product with an API of its own, in the order in which they are to be sent."""
        if via == "alertmanager":
            signals = self.signals() if self.key.kind != "acknowledged" else []
            return to_alertmanager(signals, self.known, self.at)
        if via == "pagerduty":
            if self.key.kind in ("acknowledged", "cleared"):
                action: Action = "acknowledge" if self.key.kind == "acknowledged" else "resolve"
                keys = (key for alert in self.alerts for key in self.known.get(alert.id, ()) if key in self.settled)
                return list(pagerduty_action(action, keys))
            return to_pagerduty(
                self.signals(), group=self.key.group, client=self.public_url, storm=self.storm, text=self.text
            )
        return []

    def again(self, until: datetime) -> list[Any]:
        """For Alertmanager, which forgets: what it was told, under the names by which it is known, until then."""
        return [standing(one, name, until) for one in self.signals() for name in self.known.get(one.id, ())]

    def signals(self, limit: int | None = None) -> list[Signal]:
        return [self._signal(alert) for alert in self.alerts[:limit]]

    def _signal(self, alert: AlertState) -> Signal:
        over = self.key.kind == "cleared"
        severity = "warning" if self.key.kind == "warning" else "page"
        labels = {"alertname": f"sla_{alert.target}", "severity": severity}
        labels |= {name: str(value) for name in _LABELS if (value := getattr(alert, name)) is not None}
        if self.fields is not None:
            labels = {name: value for name, value in labels.items() if name in (*_ALWAYS, *self.fields)}
            labels["alert"] = fingerprint(alert.id)  # without it they would be one alert to who tells them by labels
        started = alert.breached_at or alert.warned_at or alert.due_at
        return Signal(
            id=alert.id,
            labels=labels,
            summary=("LATE · " if self.late else "") + self._line(alert, linked=False),
            due_at=alert.due_at,
            starts_at=started,
            ends_at=max(alert.met_at or self.at, started) if over else None,
            link=self._open(alert),
            more={**({} if over else {"to_do": TO_DO[alert.target]}), **({"late": "true"} if self.late else {})},
        )

    def _open(self, alert: AlertState) -> str:
        if self.fields is not None and "url" not in self.fields:
            return ""
        return strictly(alert.url) or page_of(alert.contact_id, self.public_url)


def worst_first(alerts: Sequence[AlertState]) -> tuple[AlertState, ...]:
    return tuple(sorted(alerts, key=lambda alert: (alert.due_at, alert.id)))
