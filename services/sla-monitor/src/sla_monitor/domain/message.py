"""
What one message says about a group of alerts: one line for people, and Alertmanager's v4 body for machines.

The body's form is that of Alertmanager's webhook
(https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), so
that whatever takes those takes ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport.contracts import format_instant, identity

from sla_monitor.domain.grouping import GroupKey
from sla_monitor.domain.states import AlertState, CustomerState
from sla_monitor.domain.text import length, text

LISTED: Final = 100
"""Alerts that one message lists; the others are counted."""

_LABELS: Final = ("contact_id", "customer_id", "target", "cycle", "policy", "team", "owner", "channel", "reference")
_ALWAYS: Final = ("alertname", "target", "severity")
_NEVER: Final = "0001-01-01T00:00:00Z"


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

    @property
    def text(self) -> str:
        """One line: the alert, or of several how many, the worst and the oldest."""
        worst = self._line(self.alerts[0])
        if len(self.alerts) == 1:
            return f"LATE · {worst}" if self.late else worst
        oldest = min(alert.started_at for alert in self.alerts)
        word = {"warning": "due soon", "breach": "BREACHED", "cleared": "cleared"}[self.key.kind]
        count = f"{len(self.alerts)} {word} · {self.key.group}"
        waits = f"oldest waits {length(self.at - oldest)}"
        return " · ".join((["LATE"] if self.late else []) + [count, waits, f"worst: {worst}"])

    def _line(self, alert: AlertState) -> str:
        if self.fields is None:
            return text(alert, self.customers.get(alert.customer_id), self.at)
        bare = {name: None for name in ("subject", "owner", "channel", "reference") if name not in self.fields}
        hidden = {"customer_id": "a customer"} if "customer_id" not in self.fields else {}
        shown = self.customers.get(alert.customer_id) if "customer" in self.fields else None
        return text(alert.but(**bare, **hidden), shown, self.at)

    def body(self, public_url: str) -> dict[str, Any]:
        listed = [self._alert(alert, public_url) for alert in self.alerts[:LISTED]]
        names = set.intersection(*(set(alert["labels"].items()) for alert in listed))
        return {
            "version": "4",
            "groupKey": self.key.text,
            "truncatedAlerts": max(0, len(self.alerts) - LISTED),
            "status": "resolved" if self.key.kind == "cleared" else "firing",
            "receiver": self.key.receiver,
            "groupLabels": {"group": self.key.group},
            "commonLabels": dict(sorted(names)),
            "commonAnnotations": {},
            "externalURL": public_url,
            "alerts": listed,
            "text": self.text,
            "count": len(self.alerts),
            "worst": self.alerts[0].id,
            "oldest": format_instant(min(alert.started_at for alert in self.alerts)),
            "level": self.level,
            "late": self.late,
        }

    def _alert(self, alert: AlertState, public_url: str) -> dict[str, Any]:
        resolved = self.key.kind == "cleared"
        severity = "warning" if self.key.kind == "warning" else "page"
        labels = {"alertname": f"sla_{alert.target}", "severity": severity}
        labels |= {name: str(value) for name in _LABELS if (value := getattr(alert, name)) is not None}
        if self.fields is not None:
            labels = {name: value for name, value in labels.items() if name in (*_ALWAYS, *self.fields)}
        started = alert.breached_at or alert.warned_at or alert.due_at
        return {
            "status": "resolved" if resolved else "firing",
            "labels": labels,
            "annotations": {"summary": self._line(alert), "due_at": format_instant(alert.due_at)},
            "startsAt": format_instant(started),
            "endsAt": format_instant(max(alert.met_at or self.at, started)) if resolved else _NEVER,
            "generatorURL": self._link(alert, public_url),
            "fingerprint": identity("alert", alert.id),
        }

    def _link(self, alert: AlertState, public_url: str) -> str:
        if self.fields is not None and "url" not in self.fields:
            return ""
        return alert.url or (f"{public_url.rstrip('/')}/contacts/{alert.contact_id}" if public_url else "")


def worst_first(alerts: Sequence[AlertState]) -> tuple[AlertState, ...]:
    return tuple(sorted(alerts, key=lambda alert: (alert.due_at, alert.id)))
