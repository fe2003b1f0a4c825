"""
Who is to hear that a conflict with a customer is near, and that it no longer is.

Each cause that is raised is told once to whom the policy names under `risk: notify`,
unless it has cleared before, or had stood for a day when it was learnt: that is history.
Whoever was told of it is told, once, that it is over.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.decision import Decision, States

from sla_monitor.domain.escalation import Escalation
from sla_monitor.domain.log import instant, to_millis
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import Notice, Raised, RiskState, Said, kept_up, raised, receiver_of
from sla_monitor.domain.states import ContactState, CustomerState

NEWS: Final = timedelta(hours=24)
"""A cause that has stood for longer when it is learnt is history; a message that waits for longer is given up."""

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
    """Causes that stand (again) though they had cleared before anybody heard of them, or were told to be over."""
    past = [notice for notice in known if notice.is_past]
    at = to_millis(now)
    return [
        one for one in found if (one.until is None or one.until >= at) and any(notice.tells(one) for notice in past)
    ]


def followed(known: Iterable[Notice], found: Sequence[Raised], now: datetime) -> tuple[Notice, ...]:
    """The notices as of these signals, those that somebody was told of with when what they tell ends."""
    kept = kept_up(known, found)
    return tuple(_with_end(one, _end_of(one, found, to_millis(now)), now) if one.said else one for one in kept)


def _with_end(notice: Notice, ends: int, now: datetime) -> Notice:
    return notice._replace(ends=ends, ends_learnt=to_millis(now)) if ends != notice.ends else notice


def _end_of(notice: Notice, found: Sequence[Raised], at: int) -> int:
    """What stands no more, and never has by what is known now, has ended when that was learnt."""
    stood = next((one for one in reversed(found) if notice.tells(one)), None)
    if stood is None:
        return min(notice.ends or at, at)
    return stood.until or 0


def with_notices(known: Sequence[Notice], new: Sequence[Notice]) -> tuple[Notice, ...]:
    """All that somebody waits for or was told of, and of those that are done with the newest."""
    anew = {(notice.cause, notice.about) for notice in new}
    both = (*(one for one in known if not (one.is_past and (one.cause, one.about) in anew)), *new)
    done = [one for one in both if not one.waiting and not one.said]
    return tuple(one for one in both if one.waiting or one.said or one in done[-_KEPT:])


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


def ended(state: RiskState, now: datetime) -> Iterator[tuple[Notice, Said]]:
    """What is over by `now`, for each place that was told of it."""
    for notice in state.notices:
        if notice.is_over(now):
            for said in notice.said:
                yield notice, said


Key = tuple[str, str, int]
Decide = Callable[[RiskState | None, States, datetime], Decision[Any]]


def told(key: Key, said: Said, rules: Risk, *, perhaps: bool = False) -> Decide:
    """A place has been told; `perhaps` it has: then it is told again, and of the end in any case."""

    def become(notice: Notice) -> Notice:
        by_place = {one.place: one for one in notice.said} | {said.place: said}
        notice = notice._replace(said=tuple(by_place.values()))
        heard = tuple(dict.fromkeys((*notice.heard, said.place)))
        return notice if perhaps else notice.without(said.place)._replace(heard=heard)

    return _become(key, become, rules, "told")


def not_told(key: Key, places: Collection[str], rules: Risk) -> Decide:
    """These places need not be told any more, or can't be."""
    return _become(key, lambda notice: notice.without(*places), rules, "not told")


def told_to_be_over(key: Key, place: str, rules: Risk) -> Decide:
    """A place has heard that it is over, or can't be told."""

    def become(notice: Notice) -> Notice:
        return notice._replace(said=tuple(one for one in notice.said if one.place != place))

    return _become(key, become, rules, "told to be over")


def looked_at(rules: Risk) -> Decide:
    """When what people were told of ends, by rules that may be others than before."""
    return _become(None, lambda notice: notice, rules, "looked at")


def _become(key: Key | None, become: Callable[[Notice], Notice], rules: Risk, why: str) -> Decide:
    def decide(state: RiskState | None, _: States, now: datetime) -> Decision[Any]:
        if state is None:
            return Decision()
        notices = [become(one) if one.key == key else one for one in state.notices]
        after = with_notices(followed(notices, raised(state.signals, rules), now), ())
        if not state.told:  # forgotten meanwhile: what nobody need hear any more is no one's
            after = tuple(one for one in after if one.said)
        known_as = state.known_as if any(one.said for one in after) else ""
        return (
            Decision(states=(state.but(notices=after, known_as=known_as),), why=why)
            if after != state.notices
            else Decision()
        )

    return decide
