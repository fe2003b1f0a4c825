"""What a contact adds to the figures, and the hourly rows that it is added to."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from rapport.decision import Counted

from metrics.domain.buckets import bucket_of
from metrics.domain.deadlines import Run
from metrics.domain.kept import Answer, Mark, Review
from metrics.domain.measures import MEASURES, WAITED
from metrics.domain.story import NO_REAL_CONTACT, Story

HOURS: Final = "hours"

COMBINATIONS: Final[Mapping[str, tuple[str, ...]]] = {"channel_team": ("channel", "team", "part")}
"""The named combinations of dimensions that hourly rows are kept for; they serve any subset of themselves."""

_HELD: Final = ("channel", "agent", "team", "part")
_VALUES_OF: Final = {
    name: itemgetter(*[_HELD.index(dimension) for dimension in combination])
    for name, combination in COMBINATIONS.items()
}

_OF_FACTS: Final = frozenset(measure.name for measure in MEASURES.values() if measure.asked or measure.whole)
"""Measures that hourly rows can't answer, and don't hold."""

_HOUR = 3_600_000
_SHORT_MILLIS = 5_000
"""Who gives up so soon has hardly waited."""


def marks_of(
    story: Story,
    runs: Mapping[str, Run],
    answers: Mapping[str, Answer],
    reviews: Iterable[Review],
    moves: Mapping[str, int],
    language: str | None,
) -> tuple[Mark, ...]:
    """
    Everything that a contact adds to the figures, in integers: counts and milliseconds.

    `moves` says how often each promise was replaced before it fell due, `language` is the customer's.
    """
    marks: list[Mark] = []
    runs = {key: run for key, run in runs.items() if not run.is_withdrawn}
    if story.opened_at is not None:
        marks += _contact_marks(story)
        if story.asked_at is not None:
            marks += _response_marks(story, story.asked_at, runs)
            marks += _wait_marks(story, story.asked_at)
            marks += _language_marks(story, language)
            marks += _resolution_marks(story, story.asked_at, runs)
        marks += _course_marks(story)
    if runs:
        marks += _sla_marks(story, runs)
        marks += _promise_marks(story, runs, moves)
    if answers:
        marks += survey_marks(answers.values(), story)
    marks += _review_marks(story, reviews)
    return tuple(marks)


def _contact_marks(story: Story) -> Iterator[Mark]:
    agent, team = story.now.agent, story.now.team
    if not story.outbound and story.opened_at is not None:
        yield Mark("contacts", story.opened_at, agent, team, None, {"contacts": 1})
    for minute, count in story.messages.items():
        yield Mark("messages", minute, agent, team, None, {"messages": count})


def hours_marks(story: Story, in_hours: bool | None) -> Iterator[Mark]:  # noqa: FBT001 - what is asked for
    """Whether the customer came while we were open, where sla-monitor has said so."""
    if story.outbound or story.opened_at is None:
        return
    figures = {"unknown": 1} if in_hours is None else {"count": 1} if in_hours else {"count": 1, "out_of_hours": 1}
    yield Mark("out_of_hours", story.opened_at, story.now.agent, story.now.team, None, figures)


def _duration(prefix: str, millis: int) -> dict[str, int]:
    return {f"{prefix}count": 1, f"{prefix}sum": millis, f"{prefix}b{bucket_of(millis)}": 1}


def _response_marks(story: Story, asked_at: int, runs: Mapping[str, Run]) -> Iterator[Mark]:
    if story.answered_at is not None:
        figures = {"count": 1, **_duration("calendar_", story.answered_at - asked_at)}
        figures |= _open_time("open_", [run for key, run in runs.items() if key.startswith("first_response/")])
        team = story.at(story.answered_at).team
        yield Mark("first_response", asked_at, story.answered_by, team, None, figures)
    else:
        waits = story.status == "open"
        figure = "still_waiting" if waits else "without_response"
        yield Mark("first_response", asked_at, story.now.agent, story.now.team, None, {figure: 1})


def _wait_marks(story: Story, asked_at: int) -> Iterator[Mark]:
    """How long the customer waited for the first answer, or until they gave up."""
    if story.given_up_at is not None:
        told = story.given_up_after
        waited = max(0, story.given_up_at - asked_at) if told is None else told
        figures = {"abandoned": 1, WAITED: waited, **({"abandoned_short": 1} if waited <= _SHORT_MILLIS else {})}
        held = story.at(story.given_up_at)
        yield Mark("answered_within", asked_at, held.agent, held.team, None, figures)
    elif story.answered_at is not None:
        team = story.at(story.answered_at).team
        figures = {"answered": 1, WAITED: story.answered_at - asked_at}
        yield Mark("answered_within", asked_at, story.answered_by, team, None, figures)


def _language_marks(story: Story, language: str | None) -> Iterator[Mark]:
    """Whether the first answer was in the customer's language, where both are known; their variants are one."""
    if story.answered_at is None:
        return
    held = story.at(story.answered_at)
    if not language or not story.answered_in:
        figures = {"unknown": 1}
    else:
        figures = {"count": 1, **({"same": 1} if _primary(language) == _primary(story.answered_in) else {})}
    yield Mark("in_language", story.answered_at, story.answered_by, held.team, None, figures)


def _primary(tag: str) -> str:
    """The language of a tag such as de-AT or de_AT (RFC 5646, section 2.2.1)."""
    return tag.replace("_", "-").partition("-")[0].casefold()


def _resolution_marks(story: Story, asked_at: int, runs: Mapping[str, Run]) -> Iterator[Mark]:
    figures: dict[str, int] = {}
    cycles = sorted((int(key.partition("/")[2]), run) for key, run in runs.items() if key.startswith("resolution/"))
    agent, team = story.now.agent, story.now.team
    if story.first_resolved_at is not None and story.first_resolved_at >= asked_at:
        figures |= {"first_count": 1, **_duration("first_calendar_", story.first_resolved_at - asked_at)}
        figures |= _open_time("first_open_", [run for _, run in cycles[:1]])
    if story.resolved_at is not None and story.outcome not in NO_REAL_CONTACT:
        if story.resolved_at >= asked_at:
            figures |= {"count": 1, **_duration("calendar_", story.resolved_at - asked_at)}
            figures |= _open_time("open_", [run for _, run in cycles])
            agent, team = story.resolved_by, story.at(story.resolved_at).team
    elif story.status == "open":
        figures["still_waiting"] = 1
    if figures:
        yield Mark("resolution", asked_at, agent, team, None, figures)


def _open_time(prefix: str, cycles: list[Run]) -> dict[str, int]:
    """
    Business time used, summed over the cycles of a target, as far as sla-monitor has told it.

    Of a breach whose late answer has not been told only the time up to the due
    instant is known: it was at least that, and such figures are counted as `at_least`.
    """
    decided = [run.decided for run in cycles if run.decided and run.decided.verdict in ("met", "breached")]
    if not decided or len(decided) < len(cycles):
        return {}
    known = [run.open_millis for run in cycles]
    used = [least.open_millis if exact is None else exact for exact, least in zip(known, decided, strict=True)]
    figures = _duration(prefix, sum(used))
    if None in known:
        figures[f"{prefix}at_least"] = 1
    return figures


def _sla_marks(story: Story, runs: Mapping[str, Run]) -> Iterator[Mark]:
    """
    One mark per deadline, on the day of its due instant, credited to whoever had the contact then, if anybody.

    sla-monitor's word counts where no event has said whose the contact is.
    """
    for key, run in runs.items():
        if run.due is not None:
            yield Mark("sla", run.due, *_had_by(story, run, run.due), key.partition("/")[0], {run.verdict: 1})


def _promise_marks(story: Story, runs: Mapping[str, Run], moves: Mapping[str, int]) -> Iterator[Mark]:
    """One mark per promise, likewise; one that was cancelled is neither kept nor broken."""
    for key, run in runs.items():
        if run.due is None or not key.startswith("promise/"):
            continue
        figures = {_PROMISE[run.verdict]: 1} if run.verdict in _PROMISE else {}
        if moved := moves.get(key, 0):
            figures["moved"] = moved
        if figures:
            yield Mark("promises", run.due, *_had_by(story, run, run.due), None, figures)


_PROMISE: Final[Mapping[str, str]] = {"met": "kept", "breached": "broken", "running": "running"}


def _had_by(story: Story, run: Run, due: int) -> tuple[str | None, str | None]:
    """Agent and team of whoever had the contact at that instant."""
    if not story.hands:
        return run.owner, run.team
    held = story.held_at(due)
    return (held.agent, held.team) if held else (None, None)


def _course_marks(story: Story) -> Iterator[Mark]:
    """How often it was reopened, handed over and handed up, and how long people worked on it."""
    for measure, times in (
        ("reopens", story.reopenings),
        ("handovers", story.handovers),
        ("escalations", story.escalations),
    ):
        for hands in times:
            yield Mark(measure, hands.since, hands.agent, hands.team, None, {measure: 1})
    for piece in story.handled:
        figures = {"count": len(piece.millis)}
        for millis in piece.millis:
            for name, amount in _duration("handle_", millis).items():
                figures[name] = figures.get(name, 0) + amount
        yield Mark("aht", piece.minute, piece.agent, piece.team, None, figures)


def _review_marks(story: Story, reviews: Iterable[Review]) -> Iterator[Mark]:
    """One mark per review, for whom it names, else for whoever had answered last."""
    for at, agent, value in reviews:
        credit = story.credited(at)
        figures = {"count": 1, "sum": value, "squares": value * value}
        yield Mark("quality", at, agent or credit.agent, credit.team, None, figures)


_GOOD: Final[Mapping[str, int]] = {"csat": 4, "ces": 5}
_PROMOTER, _DETRACTOR = 9, 6


def survey_marks(answers: Iterable[Answer], story: Story | None = None) -> Iterator[Mark]:
    """One mark per answered survey, at the instant of the answer that stands; of a contact's, to whom it is due."""
    for answer in answers:
        credit = story.credited(answer.at) if story else None
        agent, team = (credit.agent, credit.team) if credit else (None, None)
        figures = {"answers": 1, "sum": answer.score}
        if answer.survey == "nps":
            figures |= {"promoters": int(answer.score >= _PROMOTER), "detractors": int(answer.score <= _DETRACTOR)}
        else:
            figures["good"] = int(answer.score >= _GOOD[answer.survey])
        yield Mark(answer.survey, answer.at, agent, team, answer.context, figures)


class Counting(NamedTuple):
    """Marks that are counted in the hourly rows, and the channel they are counted under."""

    marks: tuple[Mark, ...] = ()
    channel: str | None = None


NOTHING: Final = Counting()

_Rows = dict[tuple[str, int, tuple[str | None, ...]], dict[str, int]]
"""(combination, hour, values) → figure → amount."""


def difference(new: Counting, old: Counting) -> tuple[Counted, ...]:
    """What turns the hourly rows that had `old` added into rows that have `new` added."""
    if new == old:
        return ()
    new, old = _without_common(new, old)
    rows: _Rows = {}
    _add(rows, new, 1)
    _add(rows, old, -1)
    counts = []
    for row, add in rows.items():
        changes = {key: amount for key, amount in add.items() if amount}
        if changes:
            counts.append(Counted(HOURS, _row(*row), changes))
    return tuple(counts)


def _without_common(new: Counting, old: Counting) -> tuple[Counting, Counting]:
    """Both without the marks that they begin and end with in common, which need no counting."""
    if new.channel != old.channel:
        return new, old
    shorter = min(len(new.marks), len(old.marks))
    head = tail = 0
    while head < shorter and new.marks[head] == old.marks[head]:
        head += 1
    while tail < shorter - head and new.marks[-1 - tail] == old.marks[-1 - tail]:
        tail += 1
    return (
        Counting(new.marks[head : len(new.marks) - tail], new.channel),
        Counting(old.marks[head : len(old.marks) - tail], old.channel),
    )


def _add(rows: _Rows, counting: Counting, sign: int) -> None:
    for measure, at, agent, team, part, figures in counting.marks:
        if measure in _OF_FACTS:
            continue
        held = (counting.channel, agent, team, part)
        for name, values_of in _VALUES_OF.items():
            row = rows.setdefault((name, at - at % _HOUR, values_of(held)), {})
            for figure, amount in figures.items():
                key = f"{measure}.{figure}"
                row[key] = row.get(key, 0) + sign * amount


def _row(combination: str, hour: int, values: tuple[str | None, ...]) -> dict[str, Any]:
    hour_at = datetime.fromtimestamp(hour / 1000, UTC)
    return {"combination": combination, "hour": hour_at, **_named(combination, values)}


@lru_cache(maxsize=10_000)
def _named(combination: str, values: tuple[str | None, ...]) -> Mapping[str, Any]:
    """The values under their names; `key` tells rows apart whatever these hold: a team named "None", or with a bar."""
    key = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    given = {name: value for name, value in zip(COMBINATIONS[combination], values, strict=True) if value is not None}
    return {"key": key, **given}
