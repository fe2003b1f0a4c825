"""What becomes of messages to receivers: taken, sent, tried again, given up. Each alert has a row of its own."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.business_time import Calendar
from rapport.contracts.sla_events import AlertNotified
from rapport.decision import Decision, States, Tell

from sla_monitor.domain.actions import climb
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import ContactState
from sla_monitor.domain.telling import sequenced

Decide = Callable[[NotificationState | None, States, datetime], Decision[Any]]

_TRIED_FOR: Final = timedelta(hours=24)


def is_tried_out(one: NotificationState, calendar: Calendar | None, now: datetime) -> bool:
    """Whether a message was tried for 24 hours, of those in which it may ring, since it was first tried."""
    if one.tried_since is None or now - one.tried_since <= _TRIED_FOR:
        return False
    return calendar is None or calendar.between(one.tried_since, now) > _TRIED_FOR.total_seconds()


def take(names: Mapping[str, str], groups: Mapping[str, str], token: int) -> Decide:
    """
    Pending → sending, under the sender's token.

    `names` are those by which the receiver's product will know each alert,
    `groups` the group of each, both by the notification's id.
    """

    def decide(_: NotificationState | None, states: States, now: datetime) -> Decision[Any]:
        found = _those(groups, states, ("pending",), None)
        taken = [
            one.but(
                status="sending",
                token=token,
                error=None,
                attempts=one.attempts + 1,
                tried_since=one.tried_since or now,
                known_as=names.get(one.id, ""),
                group=groups[one.id],
            )
            for one in found
        ]
        return Decision(states=tuple(taken), why="sending")

    return decide


def give_back(ids: Iterable[str], token: int | None, error: str, *, perhaps: bool = False) -> Decide:
    """Sending → pending: to be tried again. With a token only what was taken under it. `perhaps` it has arrived."""
    return _change(ids, ("sending",), token, {"status": "pending", "error": error, **_perhaps(perhaps)})


def give_up(ids: Iterable[str], error: str, book: PolicyBook, *, perhaps: bool = False) -> Decide:
    """Failed for good: nobody tries again, the escalation goes on past it."""
    wanted, update = tuple(ids), {"status": "failed", "error": error, **_perhaps(perhaps)}

    def decide(_: NotificationState | None, states: States, now: datetime) -> Decision[Any]:
        found = _those(wanted, states, ("pending", "sending"), None)
        given_up = [one.but(**update) for one in found]
        return Decision(states=(*_climbed_past(found, states, now, book), *given_up), why="failed")

    return decide


def drop(ids: Iterable[str], why: str) -> Decide:
    """Pending → dropped: what it would say is true no longer, or somebody has taken it."""
    return _change(ids, ("pending",), None, {"status": "dropped", "error": why})


def pass_over(ids: Iterable[str], book: PolicyBook) -> Decide:
    """The escalation goes on past the receiver, once; it is tried on all the same."""
    wanted = tuple(ids)

    def decide(_: NotificationState | None, states: States, now: datetime) -> Decision[Any]:
        found = [one for one in _those(wanted, states, ("pending",), None) if not one.passed]
        passed = [one.but(passed=True) for one in found]
        return Decision(states=(*_climbed_past(found, states, now, book), *passed), why="passed over")

    return decide


def again(ids: Iterable[str]) -> Decide:
    """Sent → pending: nobody has taken it, and the group's time to repeat has come."""
    wanted = tuple(ids)

    def decide(_: NotificationState | None, states: States, _now: datetime) -> Decision[Any]:
        found = _those(wanted, states, ("sent",), None)
        fresh = {"attempts": 0, "tried_since": None, "passed": False}
        anew = [one.but(status="pending", repeats=one.repeats + 1, **fresh) for one in found]
        return Decision(states=tuple(anew), why="repeat")

    return decide


def sent(ids: Iterable[str], token: int, at: datetime) -> Decide:
    """Sending → sent, with alert.notified told for each; what another sender has taken over is left alone."""
    wanted = tuple(ids)

    def decide(_: NotificationState | None, states: States, _now: datetime) -> Decision[Any]:
        changed: dict[str, ContactState] = {}
        written: list[NotificationState] = []
        events: list[Tell] = []
        for one in _those(wanted, states, ("sending",), token):
            done = one.but(status="sent", sent_at=at, error=None)
            written.append(done)
            contact = changed.get(done.contact_id) or states.get(ContactState, done.contact_id)
            if contact is not None:
                name = f"{done.id}/notified" + (f"/{done.repeats}" if done.repeats else "")
                told, sequence = sequenced(contact, [("alert.notified", _said(done), name, at, False)])
                changed[contact.id] = contact.but(sequence=sequence)
                events += told
        return Decision(states=(*changed.values(), *written), events=tuple(events), why="sent")

    return decide


def _climbed_past(
    found: Iterable[NotificationState], states: States, now: datetime, book: PolicyBook
) -> list[ContactState]:
    """The contacts whose alerts ring their next step because these messages reach nobody."""
    climbed: dict[str, ContactState] = {}
    for one in found:
        contact = climbed.get(one.contact_id) or states.get(ContactState, one.contact_id)
        if contact is not None and one.kind == "breach" and not one.passed:
            for state in climb(contact, one.alert_id, past=one.level, now=now, book=book).states:
                climbed[contact.id] = state
    return list(climbed.values())


def _said(one: NotificationState) -> AlertNotified:
    return AlertNotified(
        contact_id=one.contact_id,
        customer_id=one.customer_id,
        alert_id=one.alert_id,
        target=one.target,
        cycle=one.cycle,
        due_at=one.deadline,
        owner=one.owner,
        team=one.team,
        receiver=one.receiver,
        level=one.level,
        group=one.group or None,
        late=one.late,
    )


def _perhaps(perhaps: bool) -> dict[str, Any]:  # noqa: FBT001 - a fact
    """Once it may have arrived, no later refusal makes that undone."""
    return {"perhaps": True} if perhaps else {}


def _change(ids: Iterable[str], before: tuple[str, ...], token: int | None, update: dict[str, Any]) -> Decide:
    wanted = tuple(ids)

    def decide(_: NotificationState | None, states: States, _now: datetime) -> Decision[Any]:
        found = _those(wanted, states, before, token)
        changed = [one.but(**update) for one in found]
        return Decision(states=tuple(changed), why=str(update["status"]))

    return decide


def _those(ids: Iterable[str], states: States, before: tuple[str, ...], token: int | None) -> list[NotificationState]:
    found = (states.get(NotificationState, name) for name in ids)
    return [one for one in found if one and one.status in before and (token is None or one.token == token)]
