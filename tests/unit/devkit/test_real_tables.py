"""
Files of the outside world through their shipped mappings, against figures counted apart.

What is expected is computed here from the raw file, with nothing of ours.
"""

import csv
import gzip
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from devkit.mapping import find_mapping, table_of

DATA = (Path(__file__).resolve().parents[3] / "../shared/data").resolve()
UCI = DATA / "uci_incident/incident_events_to_2016-04-10.csv.gz"
SFO = DATA / "sfo_survey/sfo_2017_scores.csv"

pytestmark = pytest.mark.data
needs_uci = pytest.mark.skipif(not UCI.exists(), reason="the data from outside is not here")
needs_sfo = pytest.mark.skipif(not SFO.exists(), reason="the data from outside is not here")

DONE = {"Resolved", "Closed"}
OTHERS = {"Awaiting Vendor", "Awaiting Problem", "Awaiting Evidence"}


@pytest.fixture(scope="module")
def uci():
    with gzip.open(UCI, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def incidents(uci):
    found = defaultdict(list)
    for row in uci:
        found[row["number"]].append(row)
    return found


@pytest.fixture(scope="module")
def uci_table():
    return table_of(UCI, find_mapping("uci_incident"))


@needs_uci
def test_every_incident_is_one_contact_and_every_change_of_state_is_told(uci, incidents, uci_table):
    expected = Counter({"contact.received": len(incidents)})
    for rows in incidents.values():
        states = [row["incident_state"] for row in rows]
        for before, now in pairwise(["", *states]):
            expected["contact.resolved"] += now in DONE and before not in DONE
            expected["contact.reopened"] += before in DONE and now not in DONE
            expected["contact.waiting"] += now == "Awaiting User Info" != before
            expected["contact.waiting"] += now in OTHERS and before not in OTHERS
            expected["contact.resumed"] += before.startswith("Awaiting") and now in {"New", "Active"}
    told = Counter(one.event["type"] for one in uci_table.made)
    assert {name: told[name] for name in expected} == expected
    assert uci_table.rows == len(uci)
    assert uci_table.odd == []


@needs_uci
def test_who_has_an_incident_is_told_as_often_as_it_changes(incidents, uci_table):
    expected = 0
    for rows in incidents.values():
        group = agent = "?"
        for place, row in enumerate(rows):
            new_group = row["assignment_group"] if row["assignment_group"] != "?" else group
            new_agent = row["assigned_to"] if row["assigned_to"] != "?" else agent
            expected += place > 0 and (new_group, new_agent) != (group, agent)
            group, agent = new_group, new_agent
    assert sum(one.event["type"] == "contact.assigned" for one in uci_table.made) == expected


@needs_uci
def test_the_events_of_an_incident_are_in_order_of_time_and_no_two_are_the_same(incidents, uci_table):
    keys = [(one.at, one.sequence) for one in uci_table.made]
    assert keys == sorted(keys)
    assert len({one.event["id"] for one in uci_table.made}) == len(uci_table.made)
    assert {one.event["data"]["contact_id"] for one in uci_table.made} == set(incidents)


@needs_sfo
def test_every_guest_who_answered_is_counted_with_the_score_given():
    with SFO.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = table_of(SFO, find_mapping("sfo_survey"))
    scores: dict[str, Counter[int]] = {kind: Counter() for kind in ("csat", "nps")}
    for one in table.made:
        scores[one.event["data"]["survey"]][one.event["data"]["score"]] += 1
    assert scores["csat"] == Counter(int(row["Q7ALL"]) for row in rows if row["Q7ALL"] in set("12345"))
    likely = {str(score) for score in range(11)}
    assert scores["nps"] == Counter(int(row["NETPRO"]) for row in rows if row["NETPRO"] in likely)
    assert table.odd == []


@needs_sfo
def test_another_years_survey_needs_only_another_constant():
    table = table_of(SFO, find_mapping("sfo_survey", {"year": "2018"}), rows=3)
    assert {one.event["time"][:4] for one in table.made} == {"2018"}
    assert all(one.event["data"]["customer_id"].startswith("anonymous:sfo-2018-") for one in table.made)
