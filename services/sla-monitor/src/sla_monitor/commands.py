"""Clicks of people, carried out on whichever replica they reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from rapport.contracts import cut_to_milliseconds
from rapport.decision import Decision, States
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from sla_monitor.access import may_see
from sla_monitor.domain import actions
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import AlertState, ContactState
from sla_monitor.policies import Policies

Action = Literal["acknowledge", "snooze", "assign", "close"]

LONGEST_SNOOZE: Final = timedelta(days=30)
PATIENCE: Final = timedelta(seconds=20)
"""So long whoever asks for something to be done to many is kept waiting."""
_ACTIONS: Final[dict[str, Action]] = {action: action for action in get_args(Action)}
_LONGEST_TEXT: Final = 1000


class Refused(Exception):
    """The click can't be carried out; `status` is HTTP's word for why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody wants done, with what that needs."""

    action: Action
    until: datetime | None = None
    reason: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each alert that was got to, and how many were not."""

    results: list[dict[str, Any]]
    remaining: int

    @property
    def done(self) -> int:
        return sum(result["status"] == "done" for result in self.results)


class Commands:
    """Carries out what somebody wants done about an alert."""

    def __init__(self, processor: Processor, store: Store, policies: Policies, clock: Clock) -> None:
        self._clock = clock
        self._processor = processor
        self._store = store
        self._policies = policies

    async def carry_out(self, alert_id: str, command: Command, key: Key) -> AlertState:
        """
        The alert as it then is; `Refused` for what can't be done or is not this key's to see.

        Who takes what another has just taken changes nothing, and sees from `by` whose it is.
        """

        def decide(contact: ContactState | None, _: States, now: datetime) -> Decision[Any]:
            if contact is None or not may_see(key, contact.team):
                raise Refused(404, f"there is no alert {alert_id!r} here")
            if alert_id.removeprefix(f"{contact.id}/") not in contact.alerts:
                raise Refused(404, f"there is no alert {alert_id!r} here")
            return _decide(contact, alert_id, command, key.name, now, self._policies.book)

        decision = await self._processor.act(ContactState, actions.contact_of(alert_id), decide)
        for state in decision.states:
            if isinstance(state, AlertState):
                return state
        alert = await self._store.get(AlertState, alert_id)
        if alert is None:
            raise Refused(404, f"there is no alert {alert_id!r} here")
        return alert

    async def carry_out_each(self, ids: Iterable[str], command: Command, key: Key) -> Outcome:
        """On many, each for itself, for as long as one can be kept waiting."""
        until, waiting = self._clock.now() + PATIENCE, list(dict.fromkeys(ids))
        results: list[dict[str, Any]] = []
        for alert_id in waiting:
            if self._clock.now() >= until:
                break
            try:
                alert = await self.carry_out(alert_id, command, key)
                results.append({"id": alert_id, "status": "done", "state": alert.state, "by": alert.by})
            except Refused as error:
                results.append({"id": alert_id, "status": "refused", "reason": str(error)})
        return Outcome(results, len(waiting) - len(results))


def _decide(
    contact: ContactState, alert_id: str, command: Command, by: str, now: datetime, book: PolicyBook
) -> Decision[Any]:
    until, to, reason = command.until, command.to, command.reason
    try:
        match command.action:
            case "acknowledge":
                return actions.acknowledge(contact, alert_id, by=by, now=now, book=book)
            case "snooze":
                if until is None or not now < until <= now + LONGEST_SNOOZE:
                    raise Refused(422, "until must lie ahead, by 30 days at most")
                return actions.snooze(contact, alert_id, until=until, by=by, now=now, book=book)
            case "assign":
                if to is None or not to.strip():
                    raise Refused(422, "say to whom")
                return actions.assign(contact, alert_id, to=to, by=by, now=now, book=book)
            case "close":
                return actions.close(contact, alert_id, reason=reason, by=by, now=now, book=book)
    except actions.NotPossible as error:
        raise Refused(422 if command.action == "close" and not (reason or "").strip() else 409, str(error)) from None


def command_of(form: dict[str, str], now: datetime) -> Command:
    """What a form of our pages asks for."""
    action = _ACTIONS.get(form.get("action", ""))
    if action is None:
        raise Refused(422, "no such action")
    minutes = form.get("minutes", "")
    until = now + timedelta(minutes=int(minutes)) if minutes.isdecimal() and len(minutes) < 6 else None  # noqa: PLR2004 - 69 days
    return Command(
        action,
        until=cut_to_milliseconds(until) if until else None,
        reason=form.get("reason", "").strip()[:_LONGEST_TEXT] or None,
        to=form.get("to", "").strip()[:200] or None,
    )
