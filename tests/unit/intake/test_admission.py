import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.domain import Accepted, Caller, Door, Refusal, Refused, admit, may_send
from rapport.cloudevents import CloudEvent, from_http
from rapport.contracts import CONTACT_EVENT_DATA, decode
from rapport.contracts.contact_events import SurveyAnswered

from tests.support.intake import NOW, STRUCTURED, data, event

DOOR = Door(Caller(), NOW, timedelta(hours=24))

FULL: dict[str, dict[str, Any]] = {
    "contact.received": data(sentiment=-0.5, attributes={"a": [1]}, promised_by="2026-03-02T17:00:00+01:00"),
    "contact.responded": data(automated=True, handle_seconds=12.5),
    "contact.updated": data(),
    "contact.promised": data(promised_by="2026-03-02T17:00:00Z"),
    "contact.assigned": data(agent_id="A-1"),
    "contact.escalated": data(to="second line"),
    "contact.waiting": data(on="customer"),
    "contact.resumed": data(),
    "contact.reclassified": data(kind="complaint"),
    "contact.resolved": data(outcome="solved"),
    "contact.confirmed": data(),
    "contact.reopened": data(reason="still broken"),
    "contact.merged": data(into="C-1"),
    "contact.abandoned": data(waited_seconds=40),
    "customer.updated": {"customer_id": "K-5", "name": None, "audience": "staff"},
    "consent.changed": {"customer_id": "K-5", "purpose": "survey", "granted": False},
    "message.bounced": {"customer_id": "K-5", "address": "a@example.org", "permanent": True},
    "message.complained": {"customer_id": "K-5", "address": "a@example.org"},
    "customer.erased": {"customer_id": "K-5"},
    "purchase.made": {"customer_id": "K-5", "purchase_id": "P-1", "amount": "19.90", "currency": "EUR"},
    "purchase.delivered": {"customer_id": "K-5", "purchase_id": "P-1"},
    "purchase.returned": {"customer_id": "K-5", "purchase_id": "P-1", "amount": "5"},
    "subscription.cancelled": {"customer_id": "K-5"},
    "survey.answered": {"customer_id": "K-5", "survey_id": "S-1", "survey": "nps", "score": 10},
    "quality.reviewed": data(score=4, out_of=5),
    "review.posted": {"customer_id": "K-5", "site": "shops", "rating": 4.5, "out_of": 5},
    "mention.posted": {"customer_id": "K-5", "network": "forum", "sentiment": 1},
}


def came(**changes: Any) -> CloudEvent:
    [found] = from_http({"content-type": STRUCTURED}, json.dumps(event(**changes)).encode())
    return found


def faults(**changes: Any) -> list[tuple[str, str]]:
    verdict = admit(came(**changes), DOOR)
    assert isinstance(verdict, Refused), verdict
    return [tuple(fault) for fault in verdict.faults]  # type: ignore[misc]


def stored(door: Door = DOOR, **changes: Any) -> dict[str, Any]:
    verdict = admit(came(**changes), door)
    assert isinstance(verdict, Accepted), verdict
    decode(verdict.value)
    written: dict[str, Any] = json.loads(verdict.value)
    return written


@pytest.mark.parametrize("event_type", CONTACT_EVENT_DATA)
def test_every_type_of_the_contract_is_let_in_and_can_be_decoded(event_type: str):
    door = Door(Caller(admin=True), NOW, timedelta(hours=24))
    assert stored(door, type=event_type, data=FULL[event_type])["data"] == FULL[event_type]


@pytest.mark.parametrize(
    ("event_type", "wrong", "pointer", "reason"),
    [
        ("contact.received", {"channel": None}, "/data/channel", "is required"),
        ("contact.received", {"channel": "fax"}, "/data/channel", "must be 'phone'"),
        ("contact.received", {"channel": 3}, "/data/channel", "must be 'phone'"),
        ("contact.received", {"contact_id": 77}, "/data/contact_id", "must be a valid string"),
        ("contact.received", {"sentiment": 1.5}, "/data/sentiment", "must be less than or equal to 1"),
        ("contact.received", {"sentiment": "nan"}, "/data/sentiment", "must be a number"),
        ("contact.received", {"attributes": [1]}, "/data/attributes", "must be an object"),
        ("contact.received", {"promised_by": "tomorrow"}, "/data/promised_by", "RFC 3339"),
        ("contact.received", {"promised_by": "2026-03-02T09:00:00"}, "/data/promised_by", "RFC 3339"),
        ("contact.received", {"promised_by": "0001-01-01T00:00:00+01:00"}, "/data/promised_by", "years 1 and 9999"),
        ("contact.received", {"promised_by": "9999-12-31T23:59:59-01:00"}, "/data/promised_by", "years 1 and 9999"),
        ("contact.updated", {"promised_by": "9999-12-31T23:59:59.999Z"}, "/data/promised_by", "years 1970 and 9000"),
        ("contact.promised", {"promised_by": "9000-01-01T00:00:00Z"}, "/data/promised_by", "years 1970 and 9000"),
        ("contact.responded", {"promised_by": "1969-12-31T23:59:59Z"}, "/data/promised_by", "years 1970 and 9000"),
        ("contact.responded", {"automated": "yes"}, "/data/automated", "must be true or false"),
        ("contact.responded", {"handle_seconds": -1}, "/data/handle_seconds", "greater than or equal to 0"),
        ("contact.assigned", {"agent_id": None}, "/data", "agent_id or team must be given"),
        ("contact.promised", {"promised_by": None}, "/data/promised_by", "is required"),
        ("contact.escalated", {"to": None}, "/data/to", "is required"),
        ("contact.waiting", {"on": "weather"}, "/data/on", "'customer' or 'third_party'"),
        ("contact.merged", {"into": ""}, "/data/into", "at least 1 character"),
        ("consent.changed", {"granted": 1}, "/data/granted", "must be true or false"),
        ("purchase.made", {"amount": 19.9}, "/data/amount", "must be a valid string"),
        ("purchase.made", {"amount": "19,90"}, "/data/amount", 'such as "19.90"'),
        ("purchase.made", {"amount": "\u0661"}, "/data/amount", 'such as "19.90"'),
        ("purchase.returned", {"amount": "5\n"}, "/data/amount", 'such as "19.90"'),
        ("contact.merged", {"into": "C-77"}, "/data/into", "another contact"),
        ("review.posted", {"rating": 5.1}, "/data/rating", "from 0 to out_of"),
        ("review.posted", {"rating": -1}, "/data/rating", "from 0 to out_of"),
        ("quality.reviewed", {"score": 6}, "/data/score", "from 0 to out_of"),
        ("customer.updated", {"timezone": "Europe/Berlim"}, "/data/timezone", "such as Europe/Berlin"),
        ("customer.updated", {"timezone": "Europe"}, "/data/timezone", "such as Europe/Berlin"),
        ("customer.updated", {"timezone": "../../etc/passwd"}, "/data/timezone", "such as Europe/Berlin"),
        ("purchase.made", {"currency": "euro"}, "/data/currency", "of ISO 4217, such as EUR"),
        ("purchase.made", {"currency": "EUW"}, "/data/currency", "of ISO 4217, such as EUR"),
        ("survey.answered", {"score": 11}, "/data/score", "from 0 to 10"),
        ("survey.answered", {"score": "9"}, "/data/score", "must be an integer"),
        ("survey.answered", {"score": True}, "/data/score", "must be an integer"),
        ("survey.answered", {"score": 4.5}, "/data/score", "must be an integer"),
        ("quality.reviewed", {"out_of": 0}, "/data/out_of", "greater than 0"),
        ("customer.updated", {"customer_id": None}, "/data/customer_id", "is required"),
        ("customer.updated", {"customer_id": "x" * 201}, "/data/customer_id", "at most 200 characters"),
    ],
)
def test_a_field_that_breaks_the_contract_is_pointed_at(
    event_type: str, wrong: dict[str, Any], pointer: str, reason: str
):
    changed = {name: value for name, value in (FULL[event_type] | wrong).items() if value is not None}
    [(where, why)] = faults(type=event_type, data=changed)
    assert where == pointer
    assert reason in why


@pytest.mark.parametrize("currency", ["EUR", "JPY", "XAU", "ZWG", "XAD", "DEM", "YUD"])
def test_every_currency_that_there_is_or_was_may_be_paid_in(currency: str):
    paid = {**FULL["purchase.made"], "currency": currency}
    assert stored(type="purchase.made", data=paid)["data"] == paid


def test_null_is_as_good_as_leaving_out_a_field_with_a_default():
    nothing = {"direction": None, "kind": None, "priority": None, "attributes": None}
    assert stored(data={**data(), **nothing})["data"] == data()
    assert stored(type="contact.responded", data={**data(), "automated": None})["data"] == data()
    bounced = FULL["message.bounced"]
    assert "permanent" not in stored(type="message.bounced", data={**bounced, "permanent": None})["data"]
    assert "context" not in stored(type="survey.answered", data={**FULL["survey.answered"], "context": None})["data"]


def test_null_that_clears_and_null_of_a_field_of_ones_own_travel_on():
    cleared = {"customer_id": "K-5", "name": None, "tier": None, "ours": None}
    assert stored(type="customer.updated", data=cleared)["data"] == cleared
    assert stored(type="contact.resolved", data={**data(), "kind": None, "outcome": None})["data"]["kind"] is None
    assert faults(data={**data(), "channel": None})[0][0] == "/data/channel"


def test_all_faults_are_told_at_once():
    assert [where for where, _ in faults(time=None, data={"channel": "fax"})] == [
        "/time",
        "/data/customer_id",
        "/data/contact_id",
        "/data/channel",
    ]


def test_the_senders_clock_may_be_five_minutes_ahead():
    assert stored(time="2026-03-02T09:05:00Z")["time"] == "2026-03-02T09:05:00Z"
    assert faults(time="2026-03-02T09:05:00.001Z") == [("/time", "future_time")]


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00Z",
        "0000-02-29t23:59:59.5z",
        "0000-12-31T23:00:00-01:00",
    ],
)
def test_an_instant_outside_of_the_calendar_is_refused(time: str):
    assert faults(time=time)[0][0] == "/time"


def test_32_levels_are_kept_and_33_are_too_deep():
    def nested(levels: int) -> Any:
        return {"a": nested(levels - 1)} if levels else 1

    stored(data=data(ours=nested(31)))
    [(where, why)] = faults(data=data(ours=nested(32)))
    assert (where, why) == ("/data/ours" + "/a" * 31, "is nested deeper than 32")


def test_integers_have_63_bits_and_a_sign():
    kept = {"least": -(2**63), "most": 2**63 - 1}
    assert stored(data=data(attributes=kept))["data"]["attributes"] == kept
    for number in (2**63, -(2**63) - 1, 10**30):
        assert faults(data=data(attributes={"a/b": [0, number]})) == [
            ("/data/attributes/a~1b/1", "must be an integer of at most 63 bits")
        ]


def test_a_name_with_a_nul_character_is_refused_and_a_text_with_one_is_kept():
    assert stored(data=data(subject="a\0b"))["data"]["subject"] == "a\0b"
    assert faults(data=data(attributes={"deep": [{"a\0b": 1}]}))[0][0] == "/data/attributes/deep/0"


def test_what_the_sender_says_of_key_and_recording_is_ours_to_say():
    written = stored(partitionkey="K-6", recordedtime="2020-01-01T00:00:00Z", sequence=7, causationid="m-1")
    assert (written["partitionkey"], written["recordedtime"]) == ("K-5", "2026-03-02T09:00:00Z")
    assert (written["sequence"], written["causationid"]) == ("7", "m-1")


def test_a_whole_number_may_be_written_with_a_point():
    verdict = admit(came(type="survey.answered", data=FULL["survey.answered"] | {"score": 4.0}), DOOR)
    assert isinstance(verdict, Accepted)
    answered = decode(verdict.value).data
    assert isinstance(answered, SurveyAnswered)
    assert answered.score == 4


def test_an_extension_of_ones_own_keeps_its_type():
    written = stored(shard=7, urgent=False, note="7", backfill=True)
    assert [written[name] for name in ("shard", "urgent", "note", "backfill")] == [7, False, "7", True]


def test_json_may_be_called_by_its_charset_too():
    assert stored(datacontenttype="application/json; charset=utf-8")["datacontenttype"] == "application/json"
    assert faults(datacontenttype="application/vnd.crm+json")[0][0] == "/datacontenttype"


@pytest.mark.parametrize(
    ("source", "globs", "allowed"),
    [
        ("/crm", ("/crm",), True),
        ("/crm/eu/1", ("/crm/*",), True),
        ("/CRM", ("/crm",), False),
        ("/crm2", ("/crm", "/crm/*"), False),
        ("urn:shop:7", ("urn:shop:?",), True),
        ("anything", ("*",), True),
        ("anything", (), False),
    ],
)
def test_a_key_sends_for_the_sources_that_its_globs_cover(source: str, globs: tuple[str, ...], *, allowed: bool):
    assert may_send(source, globs) is allowed


def test_forgetting_a_person_needs_an_admin_and_everything_else_a_sender():
    erased = came(type="customer.erased", data={"customer_id": "K-5"})
    for caller, takes_erasure, takes_the_rest in (
        (Caller(), False, True),
        (Caller(emit=False, admin=True), True, False),
        (Caller(emit=True, admin=True), True, True),
    ):
        door = Door(caller, NOW, timedelta(hours=24))
        assert isinstance(admit(erased, door), Accepted) is takes_erasure
        assert isinstance(admit(came(), door), Accepted) is takes_the_rest


def test_whoever_is_erased_gets_a_name_at_random_that_no_sender_chooses():
    door = Door(Caller(admin=True), NOW, timedelta(hours=24))
    names = []
    for customer_id in ("K-5", "K-5", "anonymous:77"):
        erased = came(type="customer.erased", erasedas="K-6", data={"customer_id": customer_id})
        verdict = admit(erased, door)
        assert isinstance(verdict, Accepted)
        names.append(json.loads(verdict.value)["erasedas"])
    first, second, third = names
    assert first.startswith("erased:")
    assert third.startswith("anonymous:erased:")
    assert len({first, second}) == 2


def test_a_forbidden_source_learns_nothing_else_about_its_event():
    verdict = admit(came(source="/hr", type="nonsense"), Door(Caller(("/crm",)), NOW, timedelta(hours=24)))
    assert isinstance(verdict, Refused)
    assert (verdict.refusal, [fault.pointer for fault in verdict.faults]) == (Refusal.FORBIDDEN, ["/source"])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(
    extra=st.dictionaries(st.text(max_size=12), _json, max_size=5),
    channel=st.sampled_from(["email", "phone"]) | _json,
    seconds=st.integers(-(10**6), 600),
)
def test_whatever_is_let_in_every_consumer_can_decode_and_nothing_of_it_is_lost(extra, channel, seconds):
    sent = {**extra, **data(), "channel": channel}
    time = datetime.fromtimestamp(NOW.timestamp() + seconds, UTC).isoformat()
    attributes = {"specversion": "1.0", "id": "e", "source": "/crm", "type": "contact.received", "time": time}
    verdict = admit(CloudEvent({**attributes, "time": time.replace("+00:00", "Z")}, sent), DOOR)
    if isinstance(verdict, Accepted):
        decode(verdict.value)
        assert json.loads(verdict.value)["data"] == sent
    else:
        assert verdict.faults
