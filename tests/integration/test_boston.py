"""
The City of Boston's service requests of a summer, replayed from outside, end to end.

The verdicts that we must come to are computed here from the file, apart from
everything of ours. RAPPORT_FULL_BOSTON=1 takes the whole file.
"""

import csv
import gzip
import os
import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from devkit.ledger import read
from rapport.contracts import topics

from tests.support.rapport import Up, eventually, rapport, rapport_up

FILE = (Path(__file__).resolve().parents[2] / "../shared/data/boston311/boston311_2011Q3.csv.gz").resolve()
FULL = os.environ.get("RAPPORT_FULL_BOSTON") == "1"
ROWS = None if FULL else 250
PATIENCE = 900.0 if FULL else 90.0
LOOK_EVERY = 5.0 if FULL else 0.5
BOSTON = ZoneInfo("America/New_York")
CHANNELS = {"Constituent Call": "phone", "Citizens Connect App": "web", "Self Service": "web", "Twitter": "social"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not FILE.exists(), reason="the data from outside is not here"),
]


def instant(cell: str) -> datetime | None:
    return datetime.fromisoformat(cell).replace(tzinfo=BOSTON).astimezone(UTC) if cell.strip() else None


@dataclass(frozen=True)
class Figures:
    """What the file says, and what the platform must."""

    events: int
    contacts: int
    channels: dict[str, int]
    months: dict[str, int]
    met: int
    breached: int


def of_the_file(now: datetime) -> Figures:
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as file:
        rows = list(islice(csv.DictReader(file), ROWS))
    verdicts: Counter[str] = Counter()
    for row in rows:
        due, closed = instant(row["target_dt"]), instant(row["closed_dt"])
        if due and closed and closed <= due:
            verdicts["met"] += 1
        elif due and due < now:
            verdicts["breached"] += 1
    return Figures(
        events=len(rows) + sum(bool(row["closed_dt"]) for row in rows),
        contacts=len(rows),
        channels=dict(Counter(CHANNELS.get(row["source"], "other") for row in rows)),
        months=dict(Counter(row["open_dt"][:7] for row in rows)),
        met=verdicts["met"],
        breached=verdicts["breached"],
    )


def taken(up: Up) -> int:
    count: int = up.get("metrics", "/v1/balance")["total"]["taken"]
    return count


def of_the_platform(up: Up) -> Figures:
    def rows(measure: str, **parameters: str) -> list[dict[str, Any]]:
        answer = up.get("metrics", "/v1/report", measure=measure, tz="America/New_York", **parameters)
        found: list[dict[str, Any]] = answer["rows"]
        return found

    promise = next((row for row in rows("sla", by="target") if row["target"] == "promise"), {"met": 0, "breached": 0})
    months = {row["period"][:7]: row["contacts"] for row in rows("contacts", granularity="month") if row["contacts"]}
    return Figures(
        events=taken(up),
        contacts=sum(row["contacts"] for row in rows("contacts")),
        channels={row["channel"]: row["contacts"] for row in rows("contacts", by="channel")},
        months=months,
        met=promise["met"],
        breached=promise["breached"],
    )


def same(here: Figures, there: Figures) -> bool:
    """Whether the platform says what the file does; it also counts events of its own."""
    return here.__dict__ | {"events": 0} == there.__dict__ | {"events": 0}


def replayed(up: Up, *options: str) -> float:
    """Replay the file; events per second, as the command says."""
    where = ["--url", up.said["intake"], "--key", up.said["keys"]["emit"]]
    rows = ["--rows", str(ROWS)] if ROWS else []
    ran = rapport("replay", str(FILE), "--mapping", "boston311", *rows, *where, *options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = re.search(r"taken (\d+), refused 0, ([\d,]+) events/s", ran.stdout)
    assert said, ran.stdout
    assert int(said[1]) == of_the_file(datetime.now(UTC)).events  # noqa: TID251 - the day that the test runs
    return float(said[2].replace(",", ""))


def settled(up: Up, expected: Figures) -> Figures:
    """What the platform says when it has come to rest."""
    eventually(lambda: same(of_the_platform(up), expected), seconds=PATIENCE, every=LOOK_EVERY)
    return of_the_platform(up)


def check_quiet(up: Up) -> None:
    """History pages nobody and starts no follow-up; the balance is zero."""
    assert up.get("metrics", "/v1/balance")["total"]["difference"] == 0
    ledger = read(up.said["kafka"], [topics.SLA_EVENTS, topics.FOLLOWUP_EVENTS])
    assert list(ledger.typed(topics.SLA_EVENTS, "alert.notified", "alert.escalated")) == []
    assert ledger.of(topics.FOLLOWUP_EVENTS) == {}
    assert not any(alert["paged"] for alert in up.all("sla_monitor", "/v1/alerts", "alerts"))


def test_bostons_requests_come_to_the_citys_own_verdicts_in_any_order_and_however_often():
    now = datetime.now(UTC)  # noqa: TID251 - the day that the test runs
    expected = of_the_file(now)
    quiet = {"RAPPORT_BACKFILL_QUIET": "PT2S"}

    with rapport_up(environment=quiet) as up:
        started = time.monotonic()
        rate = replayed(up)
        first = settled(up, expected)
        seconds = time.monotonic() - started
        total = expected.events / seconds
        print(f"\n{expected.events} events: {rate:,.0f}/s taken in, {total:,.0f}/s to all figures")  # noqa: T201
        assert same(first, expected), (first, expected)
        watched = up.all("sla_monitor", "/v1/contacts", "contacts")
        assert len({contact["contact_id"] for contact in watched}) == len(watched) == expected.contacts
        check_quiet(up)

        replayed(up)
        twice = first.events + expected.events
        assert eventually(lambda: taken(up) == twice, seconds=PATIENCE, every=LOOK_EVERY)
        again = of_the_platform(up)
        assert same(again, expected), (again, expected)
        check_quiet(up)

    with rapport_up(environment=quiet) as up:
        replayed(up, "--shuffle", "7")
        shuffled = settled(up, expected)
        assert same(shuffled, expected), (shuffled, expected)
        check_quiet(up)
