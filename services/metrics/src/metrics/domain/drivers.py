"""What customers come for, and which of it grows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.contracts import format_instant

from metrics.domain.question import Question
from metrics.domain.report import Group, rows

USUALLY: Final = timedelta(days=30)


def ranges(question: Question, now: datetime) -> tuple[Question, Question] | None:
    """
    The question over its range (the last thirty days up to now, where it has none), and over as long just before.

    None where that range is none.
    """
    until = question.until or now
    since = question.since or until - USUALLY
    if since >= until:
        return None
    asked = replace(question, since=since, until=until)
    return asked, replace(question, since=since - (until - since), until=since)


def document(questions: Sequence[Question], groups: Sequence[Iterable[Group]], most: int) -> dict[str, Any]:
    """
    Contacts by what they are about, the most frequent first, beside how many there were before.

    `growth` is a share of what was before, null where that was nothing. `groups` are those of both questions.
    """
    question, earlier = questions
    now, before = (
        {_about(question, row): row["contacts"] for row in rows(one, some)}
        for one, some in zip(questions, groups, strict=True)
    )
    total = sum(now.values())
    names = sorted({*now, *before}, key=lambda name: (-now.get(name, 0), -before.get(name, 0), str(name)))
    from_, to, started = (at and format_instant(at) for at in (question.since, question.until, earlier.since))
    return {
        "from": from_,
        "to": to,
        "before": started,
        "by": list(question.by),
        "contacts": total,
        "drivers": [
            {
                **dict(zip(question.by, name, strict=True)),
                "contacts": now.get(name, 0),
                "share": round(now.get(name, 0) / total, 6) if total else None,
                "before": before.get(name, 0),
                "growth": round(now.get(name, 0) / before[name] - 1, 6) if before.get(name) else None,
            }
            for name in names[:most]
        ],
    }


def _about(question: Question, row: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(row[name] for name in question.by)
