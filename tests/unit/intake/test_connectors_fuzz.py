"""Whatever a product or somebody else sends: events, a fault or nothing, and never a crash."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from intake.connectors import find_connector, shipped_connectors
from intake.hooked import as_events
from pydantic_core import to_json
from rapport.mapping import read_payload
from rapport.mapping.values import plain

SAMPLES = Path(__file__).parent / "connectors"
NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
BODIES = [
    (name, sample["body"])
    for name in shipped_connectors()
    for sample in json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
]
RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def spoiled(value: Any, rubbish: Any, random_: random.Random, share: float) -> Any:
    """The payload with some of its parts replaced by rubbish or taken away."""
    if random_.random() < share:
        return rubbish
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if random_.random() > share / 2}
        return {name: spoiled(part, rubbish, random_, share) for name, part in kept.items()}
    if isinstance(value, list):
        return [spoiled(part, rubbish, random_, share) for part in value]
    return value


@given(which=st.sampled_from(BODIES), rubbish=RUBBISH, seed=st.integers(0, 1 << 30), share=st.sampled_from([0.02, 0.2]))
@settings(max_examples=200, deadline=None)
def test_a_spoiled_payload_makes_sound_events_or_faults(which, rubbish, seed, share):
    name, body = which
    spoilt = spoiled(body, rubbish, random.Random(seed), share)
    documents = spoilt if isinstance(spoilt, list) else [spoilt]
    try:
        reading = read_payload(to_json(spoilt), find_connector(name), NOW, {"X-Zammad-Trigger": "x"}, trace=True)
    except ValueError:
        assert not all(isinstance(one, dict) for one in documents) or b"\\u" in to_json(spoilt)
        return
    sound, unsound = as_events(reading)
    assert len(sound) + len(unsound) == len(reading.events) + len(reading.faults)


@given(body=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_rubbish_is_no_payload_or_of_no_known_kind(body):
    for name in ("zendesk", "freshdesk"):
        try:
            assert read_payload(body, find_connector(name), NOW).ignored
        except ValueError:
            continue


@given(html=st.text(alphabet="<>!/[]-pabc&#; \n\"'=?", max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_markup_is_so_broken_that_its_words_can_not_be_had(html):
    assert isinstance(plain(html), str)
