"""Whether a customer had to come again, and whether they met somebody they know."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from metrics.domain.history import Chapter, History, Told, of_contact
from metrics.domain.kept import Mark

_DAY: Final = 86_400_000
WITHIN: Final = 7 * _DAY
"""How long after a resolution another contact on the same topic is about the same matter."""

_NEVER: Final = 1 << 62
_NO_CONTACT_OF_ITS_OWN: Final = frozenset({"merged", "abandoned"})


def first_contact_resolutions(history: History, now: int) -> Iterator[Told]:
    """
    Of each inbound contact whether it was settled at the first contact, at the instant at which it was opened.

    Settled is what was resolved, never reopened, and followed by no inbound contact on
    the same topic up to seven days after the resolution; none given matches any topic.
    Until then, and while it is open, that is provisional.
    """
    following = _following(history.chapters)
    for chapter, other in zip(history.chapters, following, strict=True):
        if not chapter.is_real or chapter.status in _NO_CONTACT_OF_ITS_OWN:
            continue
        visit, figures = chapter.visit, {"count": 1}
        agent, team = chapter.about.get("agent"), chapter.about.get("team")
        if visit.resolved_at is None:
            figures["provisional"] = 1
        else:
            agent, team = visit.resolved_by, visit.resolved_team
            until = visit.resolved_at + WITHIN
            if not visit.reopened and other > until:
                figures["settled"] = 1
                if now <= until:
                    figures["provisional"] = 1
        yield of_contact(chapter, Mark("fcr", chapter.opened_at, agent, team, None, figures))


def repeat_contacts(history: History) -> Iterator[Told]:
    """
    Of each inbound contact whether it is about what the customer had been in touch about before.

    That is so while an earlier one of theirs on the same topic is open, and for seven days
    after it was resolved; one that was given up or merged counts as over when it was opened.
    """
    about = _Latest()
    for at, name, chapter, until in sorted(_openings(history), key=lambda one: one[:2]):
        topic = chapter.about.get("topic")
        if (at, name) == (chapter.opened_at, chapter.id):
            figures = {"count": 1, **({"repeat_contacts": 1} if about.of(topic) >= at else {})}
            agent, team = chapter.about.get("agent"), chapter.about.get("team")
            yield of_contact(chapter, Mark("repeat_contacts", at, agent, team, None, figures))
        about.note(topic, until)


def _openings(history: History) -> Iterator[tuple[int, str, Chapter, int]]:
    """Whenever a contact was opened or reopened: when, its id, itself, and up to when another is about its matter."""
    for chapter in history.chapters:
        if not chapter.is_real:
            continue
        at_once = ((chapter.opened_at, chapter.opened_at),)
        stretches = chapter.visit.stretches or at_once
        for since, until in stretches:
            if until is None:
                yield since, chapter.id, chapter, _NEVER
            else:
                is_no_end = chapter.status in _NO_CONTACT_OF_ITS_OWN and until == stretches[-1][1]
                yield since, chapter.id, chapter, (since if is_no_end else until) + WITHIN


def continuity(history: History) -> Iterator[Told]:
    """
    Of each first answer whether it came from the customer's own agent of then, or from who had answered them last.

    Where they have no agent of their own and nobody had answered them before, or it is
    not known who answered, nothing can be said.
    """
    answers = sorted(
        answer for chapter in history.chapters for answer in chapter.visit.answers if answer[1] is not None
    )
    instants = [at for at, _ in answers]
    for chapter in history.chapters:
        visit = chapter.visit
        if visit.answered_at is None:
            continue
        own, by = history.customer.owner_at(visit.answered_at), visit.answered_by
        before = bisect_left(instants, visit.answered_at)
        last = answers[before - 1][1] if before else None
        figures = {"unknown": 1}
        if by is not None and (own is not None or last is not None):
            figures = {"count": 1} | ({"own_agent": 1} if by == own else {"as_last_time": 1} if by == last else {})
        yield of_contact(chapter, Mark("continuity", visit.answered_at, by, visit.answered_team, None, figures))


class _Latest:
    """The latest instant noted for a topic, where no topic is any."""

    def __init__(self) -> None:
        self._topics: dict[str | None, int] = {}
        self._any = -_NEVER

    def note(self, topic: str | None, instant: int) -> None:
        self._topics[topic] = max(instant, self._topics.get(topic, -_NEVER))
        self._any = max(instant, self._any)

    def of(self, topic: str | None) -> int:
        if topic is None:
            return self._any
        return max(self._topics.get(topic, -_NEVER), self._topics.get(None, -_NEVER))


def _following(chapters: Sequence[Chapter]) -> Iterable[int]:
    """Of each contact when the next inbound one on the same topic was opened, or never."""
    found: list[int] = []
    ahead = _Latest()  # of what comes later the earliest: instants are noted with their sign turned
    for chapter in reversed(chapters):
        topic = chapter.about.get("topic")
        found.append(-ahead.of(topic))
        if chapter.is_real:
            ahead.note(topic, -chapter.opened_at)
    return reversed(found)
