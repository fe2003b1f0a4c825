"""
When a conflict with a customer is near: what was seen of them, and since when that is reason enough.

Pure in the set of signals: whatever the order in which they were learnt, the
same signals raise the same causes at the same instants. A cause that stands is
not raised again before it has cleared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from rapport.contracts.fields import RiskCause
from rapport.decision import Index, State

from sla_monitor.domain.log import instant, to_millis
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.signals import STORM_KEY

KEPT: Final = 100
"""Signals that are remembered of a customer, the newest of each cause."""
_NAMED: Final = 5
"""Contacts that a reason names."""


class Signal(NamedTuple):
    """Something that speaks for a cause, or (`good`) against it."""

    cause: RiskCause
    millis: int
    name: str
    """What it is the signal of: another under the same name takes its place."""
    contact: str | None = None
    about: str = ""
    """What has to agree: the topic, the contact that was handed over, the kind of survey."""
    value: str = ""
    good: bool = False


class Raised(NamedTuple):
    """A cause from when it stood until it cleared; None while only another signal can clear it."""

    cause: RiskCause
    millis: int
    until: int | None
    about: str
    contact: str | None
    trigger: str
    reasons: tuple[str, ...]
    newest: int = 0
    """The instant of its newest signal where its first ones may be forgotten, so that it seems to begin later."""

    def stood(self, cause: RiskCause, about: str, *instants: int) -> bool:
        """Whether it is that cause, and stood at one of these instants."""
        same = (self.cause, self.about) == (cause, about)
        return same and any(self.millis <= millis <= (self.until or millis) for millis in instants)


class Told(NamedTuple):
    """What has been announced."""

    cause: RiskCause
    about: str
    millis: int
    newest: int = 0
    """The newest signal of it since, by which it is known once its first ones are forgotten."""

    def tells(self, one: Raised) -> bool:
        return one.stood(self.cause, self.about, self.millis, self.newest)


class Said(NamedTuple):
    """What a place has (or may have) been told of a cause, until it has heard that this is over."""

    place: str
    trigger: str
    contact: str | None
    why: str
    name: str = ""
    """Under which name or labels its product knows it, where that has one of its own."""
    policy: int | None = None
    """The version of the policy that knew the place."""


class Notice(NamedTuple):
    """A cause that somebody is to hear of; places are receivers or people as `name#entry`."""

    cause: RiskCause
    about: str
    millis: int
    learnt: int
    owner: str | None
    team: str | None
    waiting: tuple[str, ...]
    heard: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()
    """Where it is believed to stand, and where therefore its end will be told."""
    ends: int = 0
    """The last instant at which it stands, as far as one can say; 0 while only another signal can end it."""
    ends_learnt: int = 0
    """Since when that has been known."""
    newest: int = 0
    """As in `Told`."""

    @property
    def key(self) -> tuple[str, str, int]:
        return self.cause, self.about, self.millis

    @property
    def is_past(self) -> bool:
        """Whether nobody waits to hear of it or believes that it stands: it was not told, or told to be over."""
        return not self.waiting and not self.said and (not self.heard or self.ends > 0)

    def tells(self, one: Raised) -> bool:
        return one.stood(self.cause, self.about, self.millis, self.newest)

    def is_over(self, now: datetime) -> bool:
        return 0 < self.ends < to_millis(now)

    def without(self, *places: str) -> Notice:
        """With nothing more to be said to these places of its having been raised."""
        return self._replace(waiting=tuple(one for one in self.waiting if one not in places))


def receiver_of(place: str) -> str:
    """The receiver or person that a place is one of."""
    return place.rpartition("#")[0]


class RiskState(State, frozen=True, kw_only=True):
    """
    What speaks for a conflict with one customer, and what of it has been told. The id is the customer's.

    `told` is what was announced as events, `notices` what people hear of it. Of an erased customer
    `known_as` is the id by which those know them who have still to hear that it is over.
    """

    collection: ClassVar[str] = "risks"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index(("at_risk",)),
        Index(("waits", "_id"), only={"waits": True}),
        Index(("ends_at",), only={"ends_at": {"$exists": True}}),
    )

    signals: tuple[Signal, ...] = ()
    told: tuple[Told, ...] = ()
    notices: tuple[Notice, ...] = ()
    sequence: int = 0
    known_as: str = ""

    def index(self) -> dict[str, Any]:
        ends = [notice.ends for notice in self.notices if notice.said and notice.ends]
        storms = {said.name for notice in self.notices for said in notice.said if said.name.startswith(STORM_KEY)}
        return {
            "at_risk": bool(self.told),
            **({"waits": True} if any(notice.waiting for notice in self.notices) else {}),
            **({"ends_at": instant(min(ends))} if ends else {}),
            **({"storms": sorted(storms)} if storms else {}),
        }


def with_signals(
    known: Sequence[Signal], new: Iterable[Signal], gone: Iterable[tuple[RiskCause, str]]
) -> tuple[Signal, ...]:
    """The signals in order, one under each name, the newest hundred of each cause."""
    kept = {(signal.cause, signal.name): signal for signal in known}
    for name in gone:
        kept.pop(name, None)
    for signal in new:
        kept[signal.cause, signal.name] = signal
    by_cause: dict[str, list[Signal]] = defaultdict(list)
    for signal in sorted(kept.values(), key=_order):
        by_cause[signal.cause].append(signal)
    return tuple(sorted((s for some in by_cause.values() for s in some[-KEPT:]), key=_order))


def raised(signals: Sequence[Signal], rules: Risk) -> list[Raised]:
    """Every time that a cause stood, oldest first."""
    of: dict[RiskCause, list[Signal]] = defaultdict(list)
    for signal in signals:
        of[signal.cause].append(signal)
    found: list[Raised] = []
    if rules.repeat_contacts:
        calls = rules.repeat_contacts
        same = f" about the same {calls.same.removeprefix('attributes.')}" if calls.same else ""
        found += _often(of["repeat_contacts"], calls.count, calls.within, f"contacts{same}")
    if rules.breaches:
        found += _often(of["breaches"], rules.breaches.count, rules.breaches.within, "missed deadlines")
    if rules.handovers:
        for _, some in groupby(sorted(of["handovers"], key=lambda s: (s.about, s.millis)), key=lambda s: s.about):
            found += _passed_around(list(some), rules.handovers.count)
    for survey, some in groupby(sorted(of["low_score"], key=lambda s: (s.about, *_order(s))), key=lambda s: s.about):
        if getattr(rules.low_score, survey, None) is not None:
            found += _turning(some)
    if rules.negative_outcome:
        found += _turning(of["negative_outcome"])
    full = [cause for cause, some in of.items() if len(some) >= KEPT]
    found = [one if one.cause in full else one._replace(newest=0) for one in found]
    return sorted(found, key=lambda one: (one.millis, one.cause, one.about))


def standing(state: RiskState | None, rules: Risk, now: datetime) -> list[Raised]:
    """What speaks for a conflict with a customer at that instant."""
    at = to_millis(now)
    return [one for one in raised(state.signals, rules) if one.until is None or one.until >= at] if state else []


A = TypeVar("A", Told, Notice)


def kept_up(announced: Iterable[A], found: Sequence[Raised]) -> Iterator[A]:
    """What was announced, with the newest signal of it by now."""
    for one in announced:
        newest = max((other.newest for other in found if one.tells(other)), default=0)
        yield one._replace(newest=newest) if newest > max(one.millis, one.newest) else one


def untold(found: Iterable[Raised], told: Sequence[Told]) -> Iterator[Raised]:
    """What has not been announced: nothing was, of the same cause, while it stood."""
    for one in found:
        if not any(announced.tells(one) for announced in told):
            yield one


def _order(signal: Signal) -> tuple[int, str]:
    return signal.millis, signal.name


def _often(signals: Sequence[Signal], count: int, within: timedelta, what: str) -> Iterator[Raised]:
    """So many within that time, of those that agree; one that names nothing agrees with all."""
    span = within // timedelta(milliseconds=1)
    standing: dict[str, Raised] = {}
    for at, signal in enumerate(signals):
        near = [s for s in signals[: at + 1] if s.millis >= signal.millis - span and _agree(s, signal)]
        if len(near) < count:
            continue
        until = near[-count].millis + span
        known = standing.get(signal.about)
        if known is not None and known.until is not None and signal.millis <= known.until:
            standing[signal.about] = known._replace(until=until, newest=signal.millis)
            continue
        if known is not None:
            yield known
        named = ", ".join(dict.fromkeys(s.contact for s in near[-_NAMED:] if s.contact))
        about = f" ({signal.about})" if signal.about else ""
        reason = f"{len(near)} {what}{about} within {_span(within)}: {named}"
        standing[signal.about] = _raised(signal, until, reason)
    yield from standing.values()


def _agree(one: Signal, other: Signal) -> bool:
    return one.about == other.about or not one.about or not other.about


def _passed_around(signals: Sequence[Signal], count: int) -> Iterator[Raised]:
    """One contact handed over so often; it never clears, for it stays true of it."""
    if len(signals) >= count:
        hands = " → ".join(signal.value for signal in signals[:count])
        one = _raised(signals[count - 1], None, f"passed on {count} times: {hands}")
        yield one._replace(newest=signals[-1].millis)


def _turning(signals: Iterable[Signal]) -> Iterator[Raised]:
    """From a bad one until the next that is not."""
    bad: Raised | None = None
    for signal in signals:
        if signal.good and bad is not None:
            yield bad._replace(until=signal.millis)
            bad = None
        elif not signal.good:
            bad = bad._replace(newest=signal.millis) if bad else _raised(signal, None, signal.value)
    if bad is not None:
        yield bad


def _raised(signal: Signal, until: int | None, reason: str) -> Raised:
    begun = signal.millis
    return Raised(signal.cause, begun, until, signal.about, signal.contact, signal.name, (reason,), begun)


def causes_in_words(rules: Risk) -> list[str]:
    """What a policy takes for a sign of a conflict, a phrase each; nothing where it looks for none."""
    repeat, breaches, handovers, low = rules.repeat_contacts, rules.breaches, rules.handovers, rules.low_score
    found: list[str] = []
    if repeat:
        same = f" with the same {repeat.same.replace('_', ' ')}" if repeat.same else ""
        found.append(f"{repeat.count} contacts{same} within {_span(repeat.within)}")
    if breaches:
        found.append(f"{breaches.count} missed deadlines within {_span(breaches.within)}")
    if handovers:
        found.append(f"a contact passed on {handovers.count} times")
    for name in ("csat", "nps", "ces"):
        score = getattr(low, name) if low else None
        if score is not None:
            found.append(f"{name.upper()} of {score} or less, until a better one")
    if rules.negative_outcome:
        found.append(f"a contact that ended as {' or '.join(rules.negative_outcome).replace('_', ' ')}")
    return found


_UNITS: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def _span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    unit, size = next(one for one in _UNITS if seconds % one[1] == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
