"""What people and machines are told of customers at risk: one line each, and the bodies that products take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from rapport.lines import one_line

from sla_monitor.domain.addresses import page_of
from sla_monitor.domain.grouping import STORM
from sla_monitor.domain.log import EPOCH, instant
from sla_monitor.domain.risk import Notice, Raised, Said, receiver_of
from sla_monitor.domain.risk_notices import NEWS
from sla_monitor.domain.signals import (
    STORM_KEY,
    Signal,
    fingerprint,
    labels_in,
    pagerduty_action,
    standing,
    to_alertmanager,
    to_pagerduty,
    webhook_body,
)
from sla_monitor.domain.states import CustomerState
from sla_monitor.domain.text import called

GROUP: Final = "risk"
"""What silences and receivers know these messages by."""

_LISTED: Final = 100
_AGAIN_AT_ONCE: Final = 500
_STANDS: Final = "AT RISK"
_OVER: Final = "RISK OVER"


@dataclass(frozen=True, slots=True)
class AtRisk:
    """One customer and cause, as a message tells of them."""

    customer_id: str
    customer: CustomerState | None
    notice: Notice
    cause: Raised
    said: Said | None = None
    """What its place was told of it before, where it was."""
    is_over: bool = False
    known_as: str = ""
    """The id by which its place knows a customer who was erased since."""

    @classmethod
    def known(
        cls,
        customer_id: str,
        customer: CustomerState | None,
        notice: Notice,
        said: Said,
        *,
        over: bool = False,
        known_as: str = "",
    ) -> Self:
        """As its place was told of it."""
        reasons = (said.why,) if said.why else ()
        cause = Raised(notice.cause, notice.millis, notice.ends, notice.about, said.contact, said.trigger, reasons)
        return cls(customer_id, customer, notice, cause, said, over, known_as)

    @property
    def who(self) -> str:
        return self.known_as or self.customer_id

    @property
    def since(self) -> datetime:
        """Since when there is something to tell."""
        ended = max(self.notice.ends, self.notice.ends_learnt)
        return instant(ended if self.is_over else self.notice.learnt)

    @property
    def id(self) -> str:
        return f"{self.who}/risk/{self.cause.cause}/{self.cause.trigger}"

    def is_given_up(self, now: datetime, muted_until: datetime = EPOCH) -> bool:
        """
        Whether it could have been told for a day.

        Never so of the end of an incident: it would stand for good, where Alertmanager's alert ends by itself.
        """
        if self.is_over and self.said and self.said.name and labels_in(self.said.name) is None:
            return False
        return now - max(self.since, muted_until) > NEWS

    @property
    def facts(self) -> Mapping[str, str | None]:
        """What a silence may match."""
        return {
            "customer_id": self.who,
            "contact_id": self.cause.contact,
            "owner": self.notice.owner,
            "team": self.notice.team,
            "group": GROUP,
        }


@dataclass(frozen=True, slots=True)
class RiskMessage:
    """
    What a receiver is told at a time, the longest standing first: that all of these stand, or that they are over.

    `fields`, where a receiver has them, are all that it may learn of a customer.
    """

    place: str
    those: tuple[AtRisk, ...]
    at: datetime
    public_url: str = ""
    fields: tuple[str, ...] | None = None
    shared: frozenset[str] = frozenset()
    """Names under which the place's product knows others, too, that still stand."""

    @property
    def over(self) -> bool:
        return self.those[0].is_over

    @property
    def name(self) -> str:
        """Stays the same when the same is sent again."""
        word = "risk_over" if self.over else "risk"
        return f"{word}_{fingerprint(chr(0).join((self.place, *(one.id for one in self.those))))}"

    @property
    def text(self) -> str:
        """One line: the customer and why, or of several how many and the first."""
        first, customers = self._line(self.those[0]), {one.customer_id for one in self.those}
        if len(self.those) == 1:
            return first
        who = f"{len(customers)} customers" if len(customers) > 1 else f"a customer, {len(self.those)} times over"
        return f"{f'{_OVER} · {who}' if self.over else f'{who} {_STANDS}'} · first: {first}"

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
        known = {one.id: [one.said.name] for one in self.those if one.said and one.said.name}
        if via == "alertmanager":
            return to_alertmanager(signals, known, self.at)
        if via == "pagerduty" and self.over:
            return list(pagerduty_action("resolve", (name for [name] in known.values() if name not in self.shared)))
        if via == "pagerduty":
            return to_pagerduty(signals, group=GROUP, client=self.public_url, storm=self._storm, text=self.text)
        return []

    def again(self, until: datetime) -> list[list[Any]]:
        """For Alertmanager, which forgets: what it was told, under the names by which it is known, until then."""
        listed = [
            standing(self._signal(one), one.said.name, until)
            for one in self.those
            if one.said and labels_in(one.said.name) is not None
        ]
        return [listed[at : at + _AGAIN_AT_ONCE] for at in range(0, len(listed), _AGAIN_AT_ONCE)]

    def said(self, via: str, policy: int) -> list[tuple[AtRisk, Said]]:
        """What its place has been told by it of each, where it was of that kind and in that version of the policy."""
        storm = self._storm if via == "pagerduty" else ""
        return [
            (
                one,
                Said(
                    place=self.place,
                    trigger=one.cause.trigger,
                    contact=one.cause.contact,
                    why="; ".join(one.cause.reasons),
                    name=storm or self._signal(one).name_for(via),
                    policy=policy,
                ),
            )
            for one in self.those
        ]

    @property
    def _storm(self) -> str:
        """The key of the one incident for very many; the same when it is sent again with others that have come."""
        if len(self.those) < STORM:
            return ""
        return f"{STORM_KEY}risk_{fingerprint(chr(0).join((self.place, self.those[0].id)))}"

    def _line(self, one: AtRisk) -> str:
        contact, link = one.cause.contact, self._link(one)
        parts = [
            _OVER if self.over else _STANDS,
            self._who(one),
            ("; ".join(one.cause.reasons) if self.fields is None else "") or one.cause.cause.replace("_", " "),
            f"#{contact}" if contact else "",
            f"owner {one.notice.owner or 'none'}" if self._may("owner") else "",
            f"Open: {link}" if link else "",
        ]
        return one_line(" · ".join(part for part in parts if part))

    def _who(self, one: AtRisk) -> str:
        hidden = one.who if self._may("customer_id") else "a customer"
        return called(one.customer, hidden) if self._may("customer") else hidden

    def _link(self, one: AtRisk) -> str:
        contact = one.cause.contact
        return page_of(contact, self.public_url) if contact and self._may("url") else ""

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
            ends_at=instant(one.notice.ends) if one.is_over else None,
            link=self._link(one),
        )

    def _may(self, field: str) -> bool:
        return self.fields is None or field in self.fields
