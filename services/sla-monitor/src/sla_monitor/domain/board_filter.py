"""What a board is narrowed to: as conditions for the lists, and as a judgement of each change."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from sla_monitor.domain.board import WORDS
from sla_monitor.domain.states import AlertState

SOON: Final = timedelta(minutes=30)
NOBODY: Final = "nobody"
"""Asks for what has no owner."""

_OF_ALERTS: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("breached", "warned", "acknowledged", "snoozed"),
    "breached": ("breached",),
    "warned": ("warned",),
    "acknowledged": ("acknowledged",),
    "snoozed": ("snoozed",),
}
STATUSES: Final[Mapping[str, str]] = {
    "breached": WORDS["breached"],
    "warned": WORDS["warned"],
    "acknowledged": WORDS["acknowledged"],
    "snoozed": WORDS["snoozed"],
    "running": WORDS["running"],
    "late": "Waiting, late",
    "soon": "Due within 30 min",
    "paused": WORDS["paused"],
    "no_policy": "Without policy",
    "risk": "Customer at risk",
}
"""What may be asked for, in words. Up to snoozed these are states of alerts, after it of contacts."""


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """
    Empty fields narrow nothing.

    `q` begins a contact's or a customer's id, or stands anywhere in an alert's reference or subject, or begins the
    reference of a contact that has no alert.
    """

    team: str = ""
    status: str = ""
    agent: str = ""
    policy: str = ""
    q: str = ""

    @property
    def address(self) -> str:
        """The query that brings the same board again."""
        given = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name)}
        return urlencode(given)

    @property
    def narrows(self) -> bool:
        return bool(self.address)

    def alerts(self) -> dict[str, Any] | None:
        """The condition for alerts; None where only contacts are asked for."""
        states = _OF_ALERTS.get(self.status)
        if states is None:
            return None
        given = {"active": True, "state": {"$in": list(states)}, **self._fields(("_id", "customer_id"))}
        if self.q:
            given["$or"].append({"words": {"$regex": re.escape(self.q.casefold())}})
        return given

    @property
    def looks_ahead(self) -> bool:
        """Whether contacts are asked for because of what is still to come, whatever is late already."""
        return self.status in ("", "running", "soon")

    def contacts(self, now: datetime) -> dict[str, Any] | None:
        """The condition for contacts in work; None where only alerts are asked for."""
        views: dict[str, dict[str, Any]] = {
            "": {"next_due_at": {"$gt": now}},
            "running": {"breached": False, "next_due_at": {"$gt": now}},
            "late": {"breached": True},
            "soon": {"next_due_at": {"$gt": now, "$lte": now + SOON}},
            "paused": {"paused": True},
            "no_policy": {"policy": None},
            "risk": {},
        }
        view = views.get(self.status)
        if view is None:
            return None
        return {"in_work": True, **self._fields(("_id", "customer_id", "reference")), **view}

    def fits(self, alert: AlertState) -> bool:
        """Whether an alert belongs on the board as it now is; the same answer as `alerts` gives."""
        return (
            alert.state in _OF_ALERTS.get(self.status, ())
            and self.team in ("", alert.team)
            and self.policy in ("", alert.policy)
            and (not self.agent or alert.owner == (None if self.agent == NOBODY else self.agent))
            and (
                alert.id.startswith(self.q) or alert.customer_id.startswith(self.q) or self.q.casefold() in alert.words
            )
        )

    def _fields(self, searched: tuple[str, ...]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if self.agent:
            given["owner"] = None if self.agent == NOBODY else self.agent
        if self.policy:
            given["policy"] = self.policy
        if self.q:
            given["$or"] = [{name: {"$gte": self.q, "$lt": self.q + "\U0010ffff"}} for name in searched]
        return given
