"""The OpenAPI and AsyncAPI documents: complete, and true to what is answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from rapport.cloudevents import from_kafka
from rapport.contracts import EVENT_DATA, TOPIC_OF, decode, topics
from rapport.runtime import asyncapi
from rapport.runtime.examples import example

from tests.support.intake import event, intake_without_kafka


@pytest.mark.parametrize("event_type", EVENT_DATA)
def test_the_example_of_every_event_is_one(event_type: str):
    assert decode(json.dumps(example(event_type)).encode()).type == event_type


def test_every_topic_of_a_service_is_described_with_what_it_carries():
    document = asyncapi.document("toy", receives=topics.ALL, sends=topics.ALL, server="kafka:9092", partitions=12)
    assert document["channels"].keys() == set(topics.ALL)
    in_binary_mode = {f"{one}.binary" for one, topic in TOPIC_OF.items() if topic == topics.CONTACT_EVENTS}
    assert document["components"]["messages"].keys() == {*TOPIC_OF, *in_binary_mode, "dead-letter"}
    assert set(_refs(document)) <= _places(document)


def test_what_others_may_send_is_described_in_both_modes_and_under_its_name_in_this_kafka():
    document = asyncapi.document(
        "intake", receives=[topics.CONTACT_EVENTS_IN], sends=(), server="a:9092, b:9092", partitions=12, prefix="eu."
    )
    channel = document["channels"]["contact-events.in"]
    assert channel["address"] == "eu.contact-events.in"
    assert {"contact.received", "contact.received.binary"} <= channel["messages"].keys()
    [sent] = document["components"]["messages"]["contact.received.binary"]["examples"]
    event = from_kafka(json.dumps(sent["payload"]).encode(), [(k, v.encode()) for k, v in sent["headers"].items()])
    assert (event.attributes["type"], event.data) == ("contact.received", example("contact.received")["data"])
    assert [one["host"] for one in document["servers"].values()] == ["a:9092", "b:9092"]


async def test_every_operation_says_who_may_and_every_example_of_an_event_is_taken(tmp_path: Path):
    async with intake_without_kafka(tmp_path) as intake:
        document: dict[str, Any] = (await intake.http.get("/openapi.json")).json()
        posting = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]
        for written in posting["application/cloudevents+json"]["examples"].values():
            assert (await intake.post({**written["value"], "time": event()["time"]})).status_code == 202
    assert set(_refs(document)) <= _places(document)
    operations = [(path, one) for path, methods in document["paths"].items() for one in methods.values()]
    assert len({one["operationId"] for _, one in operations}) == len(operations)
    for path, one in operations:
        if path.startswith("/v1/") and not path.startswith("/v1/hooks"):
            assert one["security"], path
            assert {"401", "403", "503"} <= one["responses"].keys(), path


def _refs(node: Any) -> list[str]:
    if isinstance(node, list):
        return [ref for one in node for ref in _refs(one)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [ref for one in node.values() for ref in _refs(one)]


def _places(node: Any, base: str = "#") -> set[str]:
    """The pointers to all that is in a document."""
    if not isinstance(node, dict):
        return {base}
    return {base}.union(*(_places(one, f"{base}/{name}") for name, one in node.items()))
