"""What can be wrong with alerting itself, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sla_monitor.domain.policy import PolicyFile
from sla_monitor.domain.signals import (
    Signal,
    fingerprint,
    pagerduty_action,
    to_alertmanager,
    to_pagerduty,
    webhook_body,
)

Cause = Literal[
    "steps_overdue",
    "messages_overdue",
    "events_lag",
    "source_silent",
    "receiver_missing",
    "receiver_failing",
    "unreached",
]

CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `about` is the receiver, where it concerns one."""

    cause: Cause
    says: str
    about: str = ""

    @property
    def id(self) -> str:
        return f"audit/{self.cause}/{self.about}".rstrip("/")


@dataclass(frozen=True, slots=True)
class Report:
    """A finding as receivers are told of it, while it lasts (`ended_at` None) and once it is over."""

    finding: Finding
    since: datetime
    at: datetime
    public_url: str
    ended_at: datetime | None = None

    @property
    def text(self) -> str:
        if self.ended_at:
            return f"OVER · alerting · {self.finding.says}"
        return f"ALERTING IN TROUBLE · {self.finding.says} · since {self.since:%Y-%m-%d %H:%M} UTC"

    @property
    def name(self) -> str:
        """Stays the same when it is told again; fit for a header, whatever the receiver is called."""
        word = "over" if self.ended_at else "begun"
        return f"audit_{word}_{fingerprint(f'{self.finding.id}/{int(self.since.timestamp())}')}"

    def body(self, receiver: str) -> dict[str, Any]:
        group = {"alertname": f"rapport_{self.finding.cause}"}
        return webhook_body(
            [self._signal()], key=self.finding.id, receiver=receiver, group=group, url=self.public_url, text=self.text
        )

    def posts(self, via: str) -> list[Any]:
        one = self._signal()
        if via == "alertmanager":
            known: Mapping[str, list[str]] = {one.id: [one.name_for(via)]} if self.ended_at else {}
            return to_alertmanager([one], known, self.at)
        if via == "pagerduty":
            if self.ended_at:
                return list(pagerduty_action("resolve", [one.name_for(via)]))
            return to_pagerduty([one], group="rapport", client=self.public_url)
        return []

    def _signal(self) -> Signal:
        labels = {"alertname": f"rapport_{self.finding.cause}", "severity": "page", "service": "sla-monitor"}
        return Signal(
            id=self.finding.id,
            labels={**labels, "about": self.finding.about} if self.finding.about else labels,
            summary=self.text,
            due_at=self.since,
            starts_at=self.since,
            ends_at=self.ended_at,
            link=self.public_url,
        )


def listeners(file: PolicyFile, about: str = "") -> list[str]:
    """
    Who hears of it: those whom the policy names as `auditor`, else the tops of its escalations.

    Whom it is about does not; where nobody is left, every other receiver does.
    """
    known = {*file.receivers, *file.people}
    named = file.auditor or [name for steps in file.escalations.values() if steps for name in steps[-1].notify]
    found = [name for name in dict.fromkeys(named) if name in known and name != about]
    return found or [name for name in file.receivers if name != about]
