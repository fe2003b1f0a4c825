"""The facts that other projects' tests state about business time (../shared/data/business_time)."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from rapport.business_time import Calendar

from tests.unit.business_time.calendars import WEEK

DATA = Path(__file__).resolve().parents[3] / "../shared/data/business_time"

pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")]


def facts(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def less(shifts: Iterable[Iterable[str]], breaks: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Hours without the breaks, which our calendars don't know: a date with breaks is a date with other hours."""
    left = [(opens, closes) for opens, closes in shifts]
    for begins, ends in breaks:
        halves = [half for o, c in left for half in ((o, min(c, begins)), (max(o, ends), c))]
        left = [(opens, closes) for opens, closes in halves if opens < closes]
    return left


def calendar_of(fact: dict[str, Any]) -> Calendar:
    overrides = {date.fromisoformat(day): less(shifts, ()) for day, shifts in fact.get("overrides", {}).items()}
    for text, breaks in fact.get("breaks", {}).items():
        day = date.fromisoformat(text)
        overrides[day] = less(overrides.get(day, fact["hours"].get(WEEK[day.weekday()], ())), breaks)
    return Calendar(fact["tz"], fact["hours"], [date.fromisoformat(day) for day in fact["holidays"]], overrides)


@pytest.mark.parametrize("fact", facts("vectors.jsonl"), ids=lambda fact: fact["id"])
def test_a_calendar_agrees_with_the_facts_of_others(fact: dict[str, Any]):
    calendar, start = calendar_of(fact), datetime.fromisoformat(fact["start"])
    if fact["kind"] == "add":
        assert calendar.add(start, fact["seconds"]) == datetime.fromisoformat(fact["expected"])
    else:
        assert calendar.between(start, datetime.fromisoformat(fact["end"])) == fact["expected_seconds"]


CHECKS = [
    pytest.param(story["calendar"], check, id=f"{story['id']}-{check['name']}-{number}")
    for story in facts("scenarios.jsonl")
    for number, check in enumerate(story["checks"])
]


@pytest.mark.parametrize(("calendar_facts", "check"), CHECKS)
def test_pauses_of_real_tickets_move_a_deadline_by_the_open_time_they_took(
    calendar_facts: dict[str, Any], check: dict[str, Any]
):
    calendar, start = calendar_of(calendar_facts), datetime.fromisoformat(check["start"])
    pauses = [(datetime.fromisoformat(begins), datetime.fromisoformat(ends)) for begins, ends in check["excluded"]]
    if check["kind"] == "due":
        due = calendar.add(start, check["minutes"] * 60)
        for begins, ends in pauses:
            if begins < due:
                due = calendar.add(due, calendar.between(max(begins, start), ends))
        assert due == datetime.fromisoformat(check["derived"])
    else:
        end = datetime.fromisoformat(check["end"])
        used = calendar.between(start, end) - sum(calendar.between(begins, ends) for begins, ends in pauses)
        assert used == check["derived"] * 60
