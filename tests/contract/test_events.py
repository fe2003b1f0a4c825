"""Every event of the contract: into bytes and back, and what is refused names its field."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapport.contracts import (
    CONTACT_EVENT_DATA,
    EVENT_DATA,
    TOPIC_OF,
    Data,
    Event,
    UndecodableEvent,
    cut_to_milliseconds,
    decode,
    encode,
    format_instant,
    identity,
    identity_of,
    natural_order,
    tell,
)
from rapport.contracts.contact_events import ContactReceived, CustomerUpdated
from rapport.contracts.sla_events import SlaBreached

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def record(event_type: str = "contact.received", **changes: object) -> bytes:
    data = {"customer_id": "K-1", "contact_id": "4711", "channel": "email", **changes}
    envelope = {"specversion": "1.0", "id": "1", "source": "/crm", "type": event_type, "time": "2026-03-02T09:00:00Z"}
    return json.dumps({**envelope, "data": data}).encode()


def refusal(value: bytes | None) -> tuple[str, str]:
    with pytest.raises(UndecodableEvent) as caught:
        decode(value)
    return caught.value.pointer, caught.value.reason


def test_there_is_every_type_of_the_contract():
    assert len(CONTACT_EVENT_DATA) == 27
    assert {t for t, topic in TOPIC_OF.items() if topic == "metrics-events"} == {"customer.tier_changed"}
    assert all(model.__doc__ is not None for model in EVENT_DATA.values())


def test_what_is_not_given_has_the_contracts_default():
    data = decode(record()).data
    assert isinstance(data, ContactReceived)
    assert (data.direction, data.kind, data.priority) == ("inbound", "request", "normal")


def test_an_event_of_ours_survives_bytes():
    data = SlaBreached(
        customer_id="K-1", contact_id="4711", target="first_response", cycle=1, started_at=AT, due_at=AT, open_seconds=3
    )
    told = tell("sla.breached", data, source="/rapport/sla-monitor", id="4711/first_response/1", time=AT, sequence=7)
    assert decode(encode(told)) == told
    assert told.partitionkey == "K-1"


def test_an_event_carries_the_trace_of_its_cause():
    cause = decode(record().replace(b'"id"', b'"traceparent": "00-aa-bb-01", "tracestate": "us=1", "id"'))
    told = tell(
        "sla.breached",
        EVENT_DATA["sla.breached"].model_construct(customer_id="K"),
        source="/s",
        id="2",
        time=AT,
        cause=cause,
    )
    assert (told.causationid, told.traceparent, told.tracestate) == ("1", "00-aa-bb-01", "us=1")


def test_unknown_extensions_and_fields_are_no_error():
    event = decode(record(extra={"a": 1}).replace(b'"id"', b'"myext": "x", "id"'))
    assert (event.model_extra or {})["myext"] == "x"


def test_an_event_keeps_the_record_it_came_in():
    value = record(extra={"a": 1})
    assert decode(value).raw == value


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"channel": "fax"}, "/data/channel"),
        ({"contact_id": ""}, "/data/contact_id"),
        ({"contact_id": "x" * 201}, "/data/contact_id"),
        ({"customer_id": None}, "/data/customer_id"),
        ({"promised_by": "2026-03-02T09:00:00"}, "/data/promised_by"),
        ({"promised_by": "tomorrow"}, "/data/promised_by"),
        ({"promised_by": 1700000000}, "/data/promised_by"),
        ({"sentiment": 2}, "/data/sentiment"),
    ],
)
def test_a_wrong_field_is_named(changes, pointer):
    assert refusal(record(**changes))[0] == pointer


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b"\xff", record("contact.exploded")])
def test_what_is_no_event_of_ours_is_refused(value):
    assert refusal(value)[1]


def test_a_score_must_be_one_of_its_survey():
    def answer(survey: str, score: int) -> bytes:
        return record("survey.answered", survey_id="s", survey=survey, score=score)

    assert decode(answer("nps", 0))
    assert "from 1 to 5" in refusal(answer("csat", 0))[1]


def test_an_assignment_names_an_agent_or_a_team():
    assert "agent_id or team" in refusal(record("contact.assigned"))[1]


def test_null_clears_and_absence_leaves():
    data = decode(record("customer.updated", name=None)).data
    assert isinstance(data, CustomerUpdated)
    assert data.model_fields_set >= {"name"}
    assert "email" not in data.model_fields_set


def test_the_identity_is_of_source_and_id_together():
    assert identity("/a", "b") == identity("/a", "b")
    assert identity("/a", "b") != identity("/ab", "")
    assert identity("/a", "b") != identity("/b", "a")


def test_events_of_a_contact_are_ordered_by_time_then_sequence_then_type_then_name():
    received = natural_order(AT, None, "contact.received", "z")
    assigned = natural_order(AT, None, "contact.assigned", "y")
    resolved = natural_order(AT, None, "contact.resolved", "b")
    reopened = natural_order(AT, None, "contact.reopened", "a")
    numbered = [natural_order(AT, n, "contact.received", "x") for n in ("2", "10", "x1")]
    assert received < assigned < resolved < reopened
    assert numbered[0] < numbered[1]
    assert received < numbered[0]


def named(source: str, event_id: str) -> Event[Data]:
    envelope = {**json.loads(record()), "source": source, "id": event_id}
    return decode(json.dumps(envelope).encode())


@given(st.lists(st.tuples(st.sampled_from(["/a", "/a-b", "/a/b", "x:1", "x:10"]), st.text("ab !~", min_size=1))))
def test_events_of_one_instant_and_type_are_ordered_by_source_then_id(pairs):
    assert sorted(pairs, key=lambda pair: named(*pair).order) == sorted(pairs)


def test_the_identity_can_be_told_from_the_name():
    event = named("/a", "b c")
    assert identity_of(event.name) == event.identity == identity("/a", "b c")
    assert identity_of("policy/3") == "policy/3"


@given(st.datetimes(timezones=st.timezones()))
def test_instants_are_cut_to_what_bson_keeps_and_survive_text(value):
    try:
        cut = cut_to_milliseconds(value)
    except OverflowError:
        return  # no such instant in UTC's years
    assert cut <= value
    assert datetime.fromisoformat(format_instant(cut)) == cut


def test_an_event_of_ours_is_what_a_reader_makes_of_it_again():
    data = EVENT_DATA["contact.resumed"](customer_id="K", contact_id="c")
    told = tell("contact.resumed", data, source="/s", id="1", time=datetime(2026, 1, 1, 1, 2, 3, 4567, UTC), sequence=7)
    assert decode(encode(told)) == told
    assert told == type(told).model_validate(told.model_dump())


def test_an_event_of_ours_with_the_data_of_another_type_or_without_a_zone_is_refused():
    data = EVENT_DATA["contact.resumed"](customer_id="K", contact_id="c")
    with pytest.raises(TypeError, match=r"contact\.merged does not say"):
        tell("contact.merged", data, source="/s", id="1", time=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="has no zone"):
        tell("contact.resumed", data, source="/s", id="1", time=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
