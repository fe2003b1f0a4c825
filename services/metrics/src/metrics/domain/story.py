"""What has happened on a contact, folded from its log in the order of events."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from metrics.domain.kept import Note

Status = Literal["unknown", "open", "resolved", "merged", "abandoned"]

NO_REAL_CONTACT = frozenset({"spam", "duplicate"})
"""Outcomes after which nothing reopens a contact, and which are no resolution."""

_NO_DIMENSION = frozenset({"agent", "team", "outbound", "purchase"})

_NOBODY = object()
_MINUTE = 60_000
_HOUR = 60 * _MINUTE


class Hands(NamedTuple):
    """Whose work a contact is, from an instant on."""

    since: int
    agent: str | None
    team: str | None


class Handled(NamedTuple):
    """Work of somebody on a contact within a minute: how long each piece of it took, in milliseconds."""

    minute: int
    agent: str | None
    team: str | None
    millis: tuple[int, ...]


class Credit(NamedTuple):
    """To whom a score goes that is given after a resolution and before the next: who answered last before it."""

    since: int
    agent: str | None
    team: str | None


@dataclass(slots=True)
class Story:
    """
    One contact as its events in order tell it; instants are milliseconds since 1970.

    A story goes on: folding the later half of a log onto the story of the
    earlier half gives the story of the whole log.
    """

    status: Status = "unknown"
    opened_at: int | None = None
    outbound: bool = False
    asked_at: int | None = None
    """The customer's first message; waiting for an answer counts from here."""
    answered_at: int | None = None
    answered_by: str | None = None
    answered_in: str | None = None
    """The language of that answer."""
    given_up_at: int | None = None
    """When the customer left before they were answered."""
    given_up_after: int | None = None
    """How long they had waited then, if that was told."""
    last_answered_by: str | None = None
    purchase: str | None = None
    """What was bought that it is about."""
    resolved_at: int | None = None
    """The resolution that stands; None while the contact is open."""
    first_resolved_at: int | None = None
    resolved_by: str | None = None
    outcome: str | None = None
    credits: list[Credit] = field(default_factory=list)
    """One for each resolution, in order."""
    dimensions: dict[str, str] = field(default_factory=dict)
    hands: list[Hands] = field(default_factory=list)
    messages: dict[int, int] = field(default_factory=dict)
    """How many messages the customer sent, by the minute."""
    reopenings: list[Hands] = field(default_factory=list)
    """When it was reopened, and whose the resolution was."""
    handovers: list[Hands] = field(default_factory=list)
    """When it went from one pair of hands, or one team, to another, and whose it was before."""
    escalations: list[Hands] = field(default_factory=list)
    """When it was handed up, and whose it was."""
    handled: list[Handled] = field(default_factory=list)
    answers: list[tuple[int, str | None]] = field(default_factory=list)
    """When it was answered, and by whom."""
    stretches: list[tuple[int, int | None]] = field(default_factory=list)
    """From when to when it was open."""

    def at(self, millis: int) -> Hands:
        """Whose work the contact was at an instant; before anybody had it, whoever got it first."""
        return self.held_at(millis) or (self.hands[0] if self.hands else Hands(millis, None, None))

    def held_at(self, millis: int) -> Hands | None:
        """Whose work the contact was at an instant; None while it was nobody's."""
        found = None
        for hands in self.hands:
            if hands.since > millis:
                break
            found = hands
        return found

    def credited(self, millis: int) -> Credit:
        """Whose a score given at an instant is: of the last resolution by then, before any that of the first."""
        found = self.credits[0] if self.credits else Credit(millis, self.last_answered_by, self.now.team)
        for credit in self.credits:
            if credit.since > millis:
                break
            found = credit
        return found

    @property
    def now(self) -> Hands:
        return self.hands[-1] if self.hands else Hands(0, None, None)

    @property
    def is_closed_for_good(self) -> bool:
        return self.status == "merged" or self.outcome in NO_REAL_CONTACT

    def copy(self) -> "Story":
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name, value in fields.items():
            if isinstance(value, list | dict):
                fields[name] = value.copy()
        return Story(**fields)

    def note_work(self, since: int, agent: str | None, team: str | None, millis: tuple[int, ...]) -> None:
        """Somebody has worked on it, at that minute or in that hour. Told in order: what it joins is among the last."""
        for place in range(len(self.handled) - 1, -1, -1):
            piece = self.handled[place]
            if piece.minute != since:
                break
            if (piece.agent, piece.team) == (agent, team):
                self.handled[place] = piece._replace(millis=piece.millis + millis)
                return
        self.handled.append(Handled(since, agent, team, millis))

    def by_the_hour(self) -> "Story":
        """
        The same with its messages and work counted by the hour, so that an endless contact stays small.

        Of answers by one person in a row the last is left.
        """
        story = self.copy()
        story.handled = []
        for piece in self.handled:
            story.note_work(piece.minute - piece.minute % _HOUR, piece.agent, piece.team, piece.millis)
        story.messages = {}
        for minute, count in self.messages.items():
            hour = minute - minute % _HOUR
            story.messages[hour] = story.messages.get(hour, 0) + count
        followed_by = [*self.answers[1:], (0, _NOBODY)]
        story.answers = [one for one, other in zip(self.answers, followed_by, strict=False) if one[1] != other[1]]
        return story

    def close(self, at: int) -> None:
        """It is open no more."""
        if self.stretches and self.stretches[-1][1] is None:
            self.stretches[-1] = (self.stretches[-1][0], at)


def fold(notes: Iterable[Note], before: Story | None = None) -> Story:
    """The story that sorted notes tell, going on from `before`."""
    story = before.copy() if before else Story()
    for note in notes:
        _FOLD[note.type](story, note)
    return story


def _passed_to(story: Story, note: Note) -> None:
    agent, team = note.what.get("agent"), note.what.get("team")
    if agent is None and team is None:
        return
    held = story.now
    story.hands.append(Hands(note.millis, agent or held.agent, team or held.team))


def _assigned(story: Story, note: Note) -> None:
    held, agent, team = story.now, note.what.get("agent"), note.what.get("team")
    if (held.agent and agent and agent != held.agent) or (held.team and team and team != held.team):
        story.handovers.append(Hands(note.millis, held.agent, held.team))
    _passed_to(story, note)


def _escalated(story: Story, note: Note) -> None:
    story.escalations.append(Hands(note.millis, story.now.agent, story.now.team))


def _worked(story: Story, note: Note, agent: str | None) -> None:
    millis = note.what.get("handled")
    if millis is not None:
        story.note_work(note.millis - note.millis % _MINUTE, agent, story.now.team, (millis,))


def _reopen(story: Story, note: Note) -> None:
    """What was resolved, or left by the customer, goes on; only the former is a reopening."""
    if story.status == "resolved":
        story.reopenings.append(Hands(note.millis, story.resolved_by, story.now.team))
    story.status = "open"
    story.stretches.append((note.millis, None))
    story.resolved_at = story.resolved_by = story.outcome = None


def _received(story: Story, note: Note) -> None:
    what = note.what
    for name, value in what.items():
        if name not in _NO_DIMENSION:
            story.dimensions.setdefault(name, value)
    story.purchase = story.purchase or what.get("purchase")
    if story.opened_at is None:
        story.opened_at = note.millis
        story.outbound = "outbound" in what
        if story.status == "unknown":
            story.status = "open"
            story.stretches.append((note.millis, None))
        _passed_to(story, note)
    elif not story.hands:
        _passed_to(story, note)
    if "outbound" in what:
        return
    minute = note.millis - note.millis % _MINUTE
    story.messages[minute] = story.messages.get(minute, 0) + 1
    if story.asked_at is None:
        story.asked_at = note.millis
    if story.status in ("resolved", "abandoned") and not story.is_closed_for_good:
        _reopen(story, note)


def _responded(story: Story, note: Note) -> None:
    agent = note.what.get("agent") or story.now.agent
    _worked(story, note, agent)
    story.last_answered_by = agent
    story.answers.append((note.millis, agent))
    if story.asked_at is not None and story.answered_at is None:
        story.answered_at, story.answered_by = note.millis, agent
        story.answered_in = note.what.get("language")


def _reclassified(story: Story, note: Note) -> None:
    story.dimensions.update({name: value for name, value in note.what.items() if name != "team"})
    _passed_to(story, note)


def _resolved(story: Story, note: Note) -> None:
    """The first word of a resolution says when it was and whose; the newest that tells one says with what outcome."""
    _worked(story, note, note.what.get("agent") or story.now.agent)
    if story.status == "merged":
        return
    if story.status != "resolved":
        story.status = "resolved"
        story.close(note.millis)
        story.resolved_at = note.millis
        story.resolved_by = note.what.get("agent") or story.now.agent
        story.credits.append(Credit(note.millis, story.last_answered_by or story.resolved_by, story.now.team))
    story.outcome = note.what.get("outcome") or story.outcome
    if story.outcome in NO_REAL_CONTACT:
        if story.first_resolved_at == story.resolved_at:
            story.first_resolved_at = None
    elif story.first_resolved_at is None:
        story.first_resolved_at = story.resolved_at


def _reopened(story: Story, note: Note) -> None:
    if story.status in ("resolved", "abandoned") and not story.is_closed_for_good:
        _reopen(story, note)


def _merged(story: Story, note: Note) -> None:
    story.status = "merged"
    story.close(note.millis)


def _abandoned(story: Story, note: Note) -> None:
    if story.answered_at is None and story.given_up_at is None:
        story.given_up_at, story.given_up_after = note.millis, note.what.get("waited")
    if story.status in ("open", "unknown"):
        story.status = "abandoned"
        story.close(note.millis)


_FOLD = {
    "contact.received": _received,
    "contact.responded": _responded,
    "contact.assigned": _assigned,
    "contact.escalated": _escalated,
    "contact.reclassified": _reclassified,
    "contact.resolved": _resolved,
    "contact.reopened": _reopened,
    "contact.merged": _merged,
    "contact.abandoned": _abandoned,
}
