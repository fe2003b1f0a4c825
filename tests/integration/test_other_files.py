"""
An incident log and a survey of the outside world, replayed from outside, end to end.

What the figures must be is computed here from the files, apart from everything of ours.
"""

import csv
import gzip
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.rapport import Up, eventually, rapport, rapport_up

DATA = (Path(__file__).resolve().parents[2] / "../shared/data").resolve()
UCI = DATA / "uci_incident/incident_events_to_2016-04-10.csv.gz"
SFO = DATA / "sfo_survey/sfo_2017_scores.csv"
ROWS = 250

pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not (UCI.exists() and SFO.exists()), reason="the data from outside is not here"),
]


def incidents() -> list[dict[str, str]]:
    with gzip.open(UCI, "rt", encoding="utf-8", newline="") as file:
        return list(islice(csv.DictReader(file), ROWS))


def guests() -> list[dict[str, str]]:
    with SFO.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def replayed(up: Up, file: Path, mapping: str, *options: str) -> int:
    """Replay a file; how many events were taken."""
    where = ["--url", up.said["intake"], "--key", up.said["keys"]["emit"]]
    ran = rapport("replay", str(file), "--mapping", mapping, *where, *options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = re.search(r"taken (\d+), refused 0", ran.stdout)
    assert said, ran.stdout
    return int(said[1])


def figures(up: Up, measure: str, **parameters: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = up.get("metrics", "/v1/report", measure=measure, tz="UTC", **parameters)["rows"]
    return rows


def contacts_by_month(up: Up) -> dict[str, int]:
    rows = figures(up, "contacts", granularity="month")
    return {row["period"][:7]: row["contacts"] for row in rows if row["contacts"]}


def test_an_incident_log_and_a_survey_come_to_the_figures_that_their_files_hold():
    opened = {row["number"]: row["opened_at"][:7] for row in incidents()}
    overall = Counter(int(row["Q7ALL"]) for row in guests() if row["Q7ALL"] in set("12345"))
    likely = Counter(int(row["NETPRO"]) for row in guests() if row["NETPRO"].isdigit() and int(row["NETPRO"]) <= 10)
    with rapport_up(environment={"RAPPORT_BACKFILL_QUIET": "PT2S"}) as up:
        told = replayed(up, UCI, "uci_incident", "--rows", str(ROWS))
        told += replayed(up, SFO, "sfo_survey")
        assert told > len(opened) + sum(overall.values())
        assert eventually(lambda: contacts_by_month(up) == Counter(opened.values()), every=0.5), contacts_by_month(up)
        assert eventually(lambda: [row["answers"] for row in figures(up, "nps")] == [sum(likely.values())], every=0.5)
        [csat], [nps] = figures(up, "csat"), figures(up, "nps")
        assert csat["answers"] == sum(overall.values())
        assert csat["score"] == pytest.approx((overall[4] + overall[5]) / sum(overall.values()), abs=1e-6)
        assert csat["mean"] == pytest.approx(sum(k * n for k, n in overall.items()) / sum(overall.values()), abs=1e-5)
        assert (nps["promoters"], nps["detractors"]) == (likely[9] + likely[10], sum(likely[n] for n in range(7)))

        again = replayed(up, UCI, "uci_incident", "--rows", str(ROWS), "--shuffle", "7")
        total: dict[str, int] = {}

        def settled() -> bool:
            total.update(up.get("metrics", "/v1/balance")["total"])
            return total["duplicates"] >= again and total["difference"] == 0

        assert eventually(settled, every=0.5), total
        assert contacts_by_month(up) == Counter(opened.values())
        assert not any(alert["paged"] for alert in up.all("sla_monitor", "/v1/alerts", "alerts"))
        assert up.get("intake", "/v1/dead-letters")["counts"] == {}
