"""The CloudEvents project's own conformance samples, from ../shared/data."""

import json
from pathlib import Path

import pytest
from rapport.cloudevents import MalformedEvent, from_http

CASES = Path(__file__).resolve().parents[3] / "../shared/data/cloudevents/cases.jsonl"

pytestmark = [pytest.mark.data, pytest.mark.skipif(not CASES.exists(), reason="no ../shared/data here")]


def cases():
    lines = CASES.read_text(encoding="utf-8").splitlines() if CASES.exists() else []
    return [pytest.param(case, id=case["name"]) for case in map(json.loads, lines)]


def canonical(attributes):
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in attributes.items()}


@pytest.mark.parametrize("case", cases())
def test_the_conformance_samples_are_taken_or_refused_as_they_say(case):
    body = case["body"].encode(case["body_encoding"])
    if case["expect"] == "reject":
        with pytest.raises(MalformedEvent):
            from_http(case["headers"], body)
        return
    events = from_http(case["headers"], body)
    wanted = case["attributes"] if isinstance(case["attributes"], list) else [case["attributes"]]
    assert [event.attributes for event in events] == [canonical(attributes) for attributes in wanted]
    if "data" in case:
        assert [event.data for event in events] == [case["data"]]
