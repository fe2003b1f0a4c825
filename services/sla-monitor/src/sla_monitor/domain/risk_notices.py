"""
Who is to hear that a conflict with a customer is near, and what they are told.

Each cause that is raised is told once to whom the policy names under `risk: notify`,
unless it has cleared before, or had stood for a day when it was learnt: that is history.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.decision import Decision, States

from sla_monitor.domain.escalation import Escalation
from sla_monitor.domain.grouping import STORM
from sla_monitor.domain.log import instant, to_millis
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import Notice, Raised, RiskState, receiver_of
from sla_monitor.domain.signals import STORM_KEY, Signal, fingerprint, to_alertmanager, to_pagerduty, webhook_body
from sla_monitor.domain.states import ContactState, CustomerState
from sla_monitor.domain.text import called

GROUP: Final = "risk"
"""What silences and receivers know these messages by."""

NEWS: Final = timedelta(hours=24)
"""A cause that has stood for longer when it is learnt is history; a message that waits for longer is given up."""

_LISTED: Final = 100
_KEPT: Final = 20


def owed(
    one: Raised, book: PolicyBook, contact: ContactState | None, customer: CustomerState | None, now: datetime
) -> Notice | None:
    """The notice of a cause that has just been raised; None where nobody is to hear of it."""
    version = book.latest
    owner = (contact.owner if contact else None) or (customer.owner_id if customer else None)
    team = contact.team if contact else None
    if not version.file.risk.notify or now - instant(one.millis) > NEWS:
        return None
    reached = Escalation(version, (), "now", None).reached(tuple(version.file.risk.notify), owner, team, now)
    waiting = tuple(f"{name}#{entry}" for name, entry in reached)
    return Notice(one.cause, one.about, one.millis, to_millis(now), owner, team, waiting) if waiting else None


def unheard(known: Sequence[Notice], found: Iterable[Raised], now: datetime) -> list[Raised]:
    """Causes that stand (again) though they had cleared before anybody heard of them."""
    dropped = [notice for notice in known if notice.is_dropped]
    at = to_millis(now)
    return [
        one for one in found if (one.until is None or one.until >= at) and any(notice.tells(one) for notice in dropped)
    ]


def with_notices(known: Sequence[Notice], new: Sequence[Notice]) -> tuple[Notice, ...]:
    """All that somebody waits for, and of those that have been told the newest."""
    anew = {(notice.cause, notice.about) for notice in new}
    both = (*(one for one in known if not (one.is_dropped and (one.cause, one.about) in anew)), *new)
    told = [one for one in both if not one.waiting]
    return tuple(one for one in both if one.waiting or one in told[-_KEPT:])


def due(state: RiskState, standing: Sequence[Raised]) -> Iterator[tuple[Notice, Raised | None]]:
    """What somebody waits to hear, with the cause as it stands; None where that has cleared."""
    for notice in state.notices:
        if notice.waiting:
            yield notice, next((one for one in standing if notice.tells(one)), None)


def heard(state: RiskState | None, one: Raised) -> list[str]:
    """Who has been told of that cause."""
    names = (
        receiver_of(place) for notice in (state.notices if state else ()) for place in notice.heard if notice.tells(one)
    )
    return list(dict.fromkeys(names))


def settle(
    key: tuple[str, str, int], place: str, *, told: bool
) -> Callable[[RiskState | None, States, datetime], Decision[Any]]:
    """A place has been told, or needs not be told any more."""

    def decide(state: RiskState | None, _: States, _now: datetime) -> Decision[Any]:
        if state is None:
            return Decision()
        notices = [one.settled(place, told=told) if one.key == key else one for one in state.notices]
        return Decision(states=(state.but(notices=with_notices(notices, ())),), why="told" if told else "not told")

    return decide


@dataclass(frozen=True, slots=True)
class AtRisk:
    """One customer and cause, as a message tells of them."""

    customer_id: str
    customer: CustomerState | None
    notice: Notice
    cause: Raised

    @property
    def id(self) -> str:
        return f"{self.customer_id}/risk/{self.cause.cause}/{self.cause.trigger}"

    @property
    def facts(self) -> Mapping[str, str | None]:
        """What a silence may match."""
        return {
            "customer_id": self.customer_id,
            "contact_id": self.cause.contact,
            "owner": self.notice.owner,
            "team": self.notice.team,
            "group": GROUP,
        }


@dataclass(frozen=True, slots=True)
class RiskMessage:
    """
    What a receiver is told at a time, the longest standing first.

    `fields`, where a receiver has them, are all that it may learn of a customer.
    """

    place: str
    those: tuple[AtRisk, ...]
    at: datetime
    public_url: str = ""
    fields: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Stays the same when the same is sent again."""
        return f"risk_{fingerprint(chr(0).join((self.place, *(one.id for one in self.those))))}"

    @property
    def text(self) -> str:
        """One line: the customer and why, or of several how many and the first."""
        first, customers = self._line(self.those[0]), {one.customer_id for one in self.those}
        if len(self.those) == 1:
            return first
        who = f"{len(customers)} customers" if len(customers) > 1 else f"a customer, {len(self.those)} times over"
        return f"{who} AT RISK · first: {first}"

    def body(self) -> dict[str, Any]:
        """For a webhook."""
        body = webhook_body(
            [self._signal(one) for one in self.those[:_LISTED]],
            key=f"{self.place}/{GROUP}",
            receiver=receiver_of(self.place),
            group={"group": GROUP},
            url=self.public_url,
            text=self.text,
        )
        return {**body, "truncatedAlerts": max(0, len(self.those) - _LISTED), "count": len(self.those)}

    def posts(self, via: str) -> list[Any]:
        """The bodies for a product with an API of its own."""
        signals = [self._signal(one) for one in self.those]
        if via == "alertmanager":
            return to_alertmanager(signals, {}, self.at)
        if via == "pagerduty":
            storm = f"{STORM_KEY}{self.name}" if len(signals) >= STORM else ""
            return to_pagerduty(signals, group=GROUP, client=self.public_url, storm=storm, text=self.text)
        return []

    def _line(self, one: AtRisk) -> str:
        contact, link = one.cause.contact, self._link(one)
        parts = [
            "AT RISK",
            self._who(one),
            "; ".join(one.cause.reasons) if self.fields is None else one.cause.cause.replace("_", " "),
            f"#{contact}" if contact else "",
            f"owner {one.notice.owner or 'none'}" if self._may("owner") else "",
            f"Open: {link}" if link else "",
        ]
        return " · ".join(part for part in parts if part)

    def _who(self, one: AtRisk) -> str:
        hidden = one.customer_id if self._may("customer_id") else "a customer"
        return called(one.customer, hidden) if self._may("customer") else hidden

    def _link(self, one: AtRisk) -> str:
        if not self.public_url or not one.cause.contact or not self._may("url"):
            return ""
        return f"{self.public_url.rstrip('/')}/contacts/{one.cause.contact}"

    def _signal(self, one: AtRisk) -> Signal:
        facts = {"cause": one.cause.cause, **one.facts}
        labels = {name: value for name, value in facts.items() if value is not None and name != "group"}
        if self.fields is not None:
            labels = {name: value for name, value in labels.items() if name == "cause" or name in self.fields}
            labels["alert"] = fingerprint(one.id)  # without it they would be one alert to who tells them by labels
        since = instant(one.cause.millis)
        return Signal(
            id=one.id,
            labels={"alertname": "customer_at_risk", "severity": "warning", **labels},
            summary=self._line(one),
            due_at=since,
            starts_at=since,
            link=self._link(one),
        )

    def _may(self, field: str) -> bool:
        return self.fields is None or field in self.fields
