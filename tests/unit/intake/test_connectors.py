"""
Sample payloads of other products through the connectors that come with Rapport.

The samples are written after the products' public documentation; what must come
of each stands beside it. RAPPORT_GOLDEN=write writes that anew, to be looked at.
"""

import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from intake.connectors import find_connector, shipped_connectors
from intake.domain import Accepted, Caller, Door, admit
from pydantic_core import to_json
from rapport.cloudevents import from_http
from rapport.contracts import natural_order
from rapport.mapping import WrongMapping, read_payload

SAMPLES = Path(__file__).parent / "connectors"
NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
DOOR = Door(Caller(), NOW, NOW - datetime(2026, 3, 1, tzinfo=UTC))


connector = cache(find_connector)


@cache
def samples(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return found


def said(name: str, sample: dict[str, Any], now: datetime = NOW):
    return read_payload(to_json(sample["body"]), connector(name), now, sample.get("headers"), trace=True)


def golden(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("type", "id", "time", "sequence", "data") if name in event}


EVERY = [
    pytest.param(name, place, id=f"{name}: {sample['says']}")
    for name in shipped_connectors()
    for place, sample in enumerate(samples(name))
]


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_a_payload_becomes_the_events_that_stand_beside_it(name, place):
    every = samples(name)
    reading = said(name, every[place])
    made = [golden(event) for event in reading.events]
    if os.environ.get("RAPPORT_GOLDEN") == "write":
        every[place]["events"] = made
        (SAMPLES / f"{name}.json").write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert reading.faults == []
    assert made == every[place]["events"]


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_every_event_made_satisfies_the_contract(name, place):
    for event in said(name, samples(name)[place]).events:
        [read] = from_http({"content-type": "application/cloudevents+json"}, to_json(event))
        assert isinstance(admit(read, DOOR), Accepted), admit(read, DOOR)


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_the_same_payload_makes_the_same_events(name, place):
    sample = samples(name)[place]
    assert said(name, sample).events == said(name, sample).events


@pytest.mark.parametrize("name", [name for name in shipped_connectors() if name != "freshdesk"])
def test_a_delivery_repeated_an_hour_later_makes_the_same_events(name):
    later = NOW.replace(hour=13)
    for sample in samples(name):
        assert said(name, sample).events == said(name, sample, later).events


@pytest.mark.parametrize("name", ["chatwoot", "intercom", "json", "zendesk"])
def test_no_two_deliveries_make_events_of_one_identity(name):
    ids = [event["id"] for sample in samples(name) for event in said(name, sample).events]
    assert len(set(ids)) == len(ids)


def test_a_second_account_of_a_product_keeps_its_ids_apart():
    mapping = connector("zendesk").with_constants({"system": "zendesk-eu"})
    (event,) = read_payload(to_json(samples("zendesk")[0]["body"]), mapping, NOW).events
    assert event["data"]["contact_id"] == "zendesk-eu:5158"


def test_a_whole_payload_is_carried_along_when_asked_for():
    mapping = connector("json").model_copy(update={"keep": "payload"})
    body = samples("json")[0]["body"]
    (event,) = read_payload(to_json(body), mapping, NOW).events
    assert event["data"]["attributes"] == {"queue": "north", "rings": 4, "payload": body}


@pytest.mark.parametrize("attributes", ["north", 4, [1], True])
def test_a_payload_can_only_be_carried_along_beside_attributes_that_are_an_object(attributes):
    mapping = connector("json").model_copy(update={"keep": "payload"})
    reading = read_payload(to_json(samples("json")[0]["body"] | {"attributes": attributes}), mapping, NOW)
    assert not reading.events
    assert "attributes must be an object" in reading.faults[0]


@pytest.mark.parametrize("name", shipped_connectors())
def test_every_rule_of_a_connector_is_shown_by_a_sample(name):
    shown = {event["type"] for sample in samples(name) for event in said(name, sample).events}
    rules = {rule.type for rule in connector(name).events}
    assert shown == rules - UNSHOWN.get(name, set())


UNSHOWN = {
    "json": {
        "contact.updated", "contact.promised", "contact.escalated", "contact.waiting", "contact.resumed",
        "contact.reclassified", "contact.confirmed", "contact.reopened", "contact.merged",
    },
}  # fmt: skip


def in_order(events):
    """The types of one contact's events, as the services order them."""

    def place(event) -> Any:
        at = datetime.fromisoformat(event["time"])
        return natural_order(at, event.get("sequence"), event["type"], f"{event['source']} {event['id']}")

    return [event["type"] for event in sorted(events, key=place)]


def sample_that(name, says):
    return next(one for one in samples(name) if one["says"] == says)


def test_an_answer_that_solves_a_zendesk_ticket_comes_before_the_solution():
    both = ("solved is resolved", "a public comment of an agent is an answer")
    events = [event for says in both for event in said("zendesk", sample_that("zendesk", says)).events]
    assert in_order(events) == ["contact.responded", "contact.resolved"]


@pytest.mark.parametrize(
    ("says", "talk"),
    [
        ("an answer that closes the ticket", "contact.responded"),
        ("a call that was settled while the customer was on the line", "contact.received"),
    ],
)
def test_what_was_said_to_close_a_zammad_ticket_comes_before_the_solution(says, talk):
    order = in_order(said("zammad", sample_that("zammad", says)).events)
    assert [one for one in order if one in {talk, "contact.resolved"}] == [talk, "contact.resolved"]


def test_a_freshdesk_reply_that_says_not_who_wrote_it_is_refused():
    body = sample_that("freshdesk", "a reply is an answer")["body"]
    unsaid = {name: value for name, value in body["freshdesk_webhook"].items() if name != "performed_by"}
    reading = said("freshdesk", {"body": {"freshdesk_webhook": unsaid}})
    assert not reading.events
    assert reading.faults == ["contact.responded: the id needs freshdesk_webhook.performed_by, which is blank"]


def test_what_no_rule_looks_at_is_named():
    reading = said("zendesk", samples("zendesk")[0])
    assert "detail.description" in reading.unused
    assert "detail.subject" not in reading.unused


def test_an_unknown_connector_says_which_there_are():
    with pytest.raises(WrongMapping, match="zammad"):
        find_connector("zammat")
