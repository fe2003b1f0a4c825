"""
An alert in the words of other products: Alertmanager's webhook and API, PagerDuty's Events API.

The forms are those of
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config,
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml and
https://developer.pagerduty.com/docs/events-api-v2/trigger-events/.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from rapport.contracts import format_instant, identity

STORM_KEY: Final = "storm/"
"""How the key begins under which PagerDuty has many alerts as one incident."""

STANDS_FOR: Final = timedelta(hours=1)
"""How long an alert stands in Alertmanager unless it hears again of it; it is told again much sooner."""

_NEVER: Final = "0001-01-01T00:00:00Z"
_LONGEST_KEY: Final = 255
_LONGEST_SUMMARY: Final = 1024
_AT_ONCE: Final = 500
_NOT_IN_LABELS: Final = ("owner", "reference")
"""What may change while an alert stands, and would make another of it for Alertmanager."""

Action = Literal["trigger", "acknowledge", "resolve"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One alert as machines are told of it. `ends_at` is there once it is over."""

    id: str
    labels: Mapping[str, str]
    summary: str
    due_at: datetime
    starts_at: datetime
    ends_at: datetime | None = None
    link: str = ""
    more: Mapping[str, str] | None = None
    """Further annotations."""

    def annotations(self) -> dict[str, str]:
        return {"summary": self.summary, "due_at": format_instant(self.due_at), **(self.more or {})}

    def as_webhook(self) -> dict[str, Any]:
        """As Alertmanager's webhook lists it."""
        return {
            "status": "resolved" if self.ends_at else "firing",
            "labels": dict(self.labels),
            "annotations": self.annotations(),
            "startsAt": format_instant(self.starts_at),
            "endsAt": format_instant(self.ends_at) if self.ends_at else _NEVER,
            "generatorURL": self.link,
            "fingerprint": fingerprint(self.id),
        }

    def name_for(self, via: str) -> str:
        """Under which name or labels that product will know the alert; empty where it knows none."""
        if via == "alertmanager":
            lasting = {name: value for name, value in self.labels.items() if name not in _NOT_IN_LABELS}
            return json.dumps(lasting, sort_keys=True, ensure_ascii=False)
        return dedup_key(self.id) if via == "pagerduty" else ""


def webhook_body(
    signals: Sequence[Signal], *, key: str, receiver: str, group: Mapping[str, str], url: str, text: str
) -> dict[str, Any]:
    """Alertmanager's webhook body, version 4, with our line and count added; all of the signals are over, or none."""
    listed = [one.as_webhook() for one in signals]
    return {
        "version": "4",
        "groupKey": key,
        "truncatedAlerts": 0,
        "status": listed[0]["status"],
        "receiver": receiver,
        "groupLabels": dict(group),
        "commonLabels": _in_all(listed, "labels"),
        "commonAnnotations": _in_all(listed, "annotations"),
        "externalURL": url,
        "alerts": listed,
        "text": text,
        "count": len(listed),
    }


def _in_all(listed: Sequence[Mapping[str, Any]], part: str) -> dict[str, str]:
    return dict(sorted(set.intersection(*(set(one[part].items()) for one in listed))))


def fingerprint(alert_id: str) -> str:
    """Tells an alert from every other, and nothing about it."""
    return identity("alert", alert_id)


def dedup_key(alert_id: str) -> str:
    """The alert's own id, which is its key everywhere; shortened where PagerDuty would not take it."""
    return alert_id if len(alert_id) <= _LONGEST_KEY else fingerprint(alert_id)


def labels_in(name: str) -> dict[str, Any] | None:
    """The labels that are an alert's name in Alertmanager; None where it is another product's name, or none."""
    try:
        labels = json.loads(name)
    except ValueError:
        return None
    return labels if isinstance(labels, dict) else None


def to_alertmanager(signals: Sequence[Signal], known: Mapping[str, Iterable[str]], now: datetime) -> list[Any]:
    """
    The bodies of `POST /api/v2/alerts`.

    Alertmanager knows an alert by its labels. `known` are those under which it
    has heard of each: what is over ends under all of them, and what has other
    labels now ends under the old ones. What another product in its place knew it by is nothing to it.
    """
    listed: list[dict[str, Any]] = []
    for signal in signals:
        own = signal.name_for("alertmanager")
        before = sorted(name for name in set(known.get(signal.id, ())) if labels_in(name) is not None)
        if signal.ends_at is None:
            listed.append(standing(signal, own, now + STANDS_FOR))
        for name in before if signal.ends_at else [name for name in before if name != own]:
            listed.append(standing(signal, name, min(signal.ends_at or now, now)))  # noqa: PERF401 - two kinds of row
    return [listed[at : at + _AT_ONCE] for at in range(0, len(listed), _AT_ONCE)]


def standing(signal: Signal, name: str, until: datetime) -> dict[str, Any]:
    """An alert of Alertmanager's API, under the labels that are its name, until that instant."""
    return {
        "labels": json.loads(name),
        "annotations": signal.annotations(),
        "startsAt": format_instant(min(signal.starts_at, until)),
        "endsAt": format_instant(until),
        **({"generatorURL": signal.link} if signal.link else {}),
    }


def to_pagerduty(signals: Sequence[Signal], *, group: str, client: str, storm: str = "", text: str = "") -> list[Any]:
    """
    The events that open an incident for each alert; with a `storm` key one for all of them.

    The routing key is put in where the message is sent.
    """
    if storm:
        severity, first = _severity(signals), signals[0]
        payload = _payload(text, first, group, severity, {"count": len(signals), "oldest": first.id})
        return [_trigger(storm, payload, client, first.link)]
    return [
        _trigger(
            dedup_key(one.id),
            _payload(one.summary, one, group, _severity([one]), {**one.labels, **one.annotations()}),
            client,
            one.link,
        )
        for one in signals
    ]


def pagerduty_action(action: Action, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events that acknowledge or resolve those incidents, but for what is a name in Alertmanager."""
    for key in dict.fromkeys(keys):
        if labels_in(key) is None:
            yield {"event_action": action, "dedup_key": key}


def _severity(signals: Sequence[Signal]) -> str:
    return "critical" if any(one.labels.get("severity") == "page" for one in signals) else "warning"


def _payload(summary: str, one: Signal, group: str, severity: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary[:_LONGEST_SUMMARY],
        "source": one.labels.get("contact_id", "rapport"),
        "severity": severity,
        "timestamp": format_instant(one.starts_at),
        "component": one.labels.get("target", "rapport"),
        "group": group,
        "class": one.labels.get("alertname", ""),
        "custom_details": dict(details),
    }


def _trigger(key: str, payload: dict[str, Any], client: str, link: str) -> dict[str, Any]:
    links = [{"href": link, "text": "Open"}] if link else []
    return {
        "event_action": "trigger",
        "dedup_key": key,
        "payload": payload,
        "client": "Rapport",
        **({"client_url": client} if client else {}),
        "links": links,
    }
