"""intake with a real Kafka and a real MongoDB: what is answered 2xx is stored, what is refused is kept whole."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from rapport.contracts import decode, format_instant, topics
from rapport.runtime import telemetry as shared

from tests.support.intake import BATCH, STRUCTURED, RealIntake, batch, data, event, made_intake, real_intake
from tests.support.stack import Addresses


def news(**changes: Any) -> dict[str, Any]:
    """An event of this minute."""
    return event(**{"time": format_instant(datetime.now(UTC) - timedelta(minutes=1)), **changes})  # noqa: TID251 - the real clock is under test


@pytest.fixture
async def intake(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, unique("intake")) as running:
        yield running


async def test_what_is_answered_202_is_in_kafka_in_order(intake: RealIntake):
    response = await intake.post(batch(*(news(id=f"e-{n}") for n in range(300))), BATCH)
    assert response.status_code == 202
    records = await intake.stored(300)
    assert [decode(record.value).id for record in records] == [f"e-{n}" for n in range(300)]
    assert {record.key for record in records} == {b"K-5"}
    assert len({record.partition for record in records}) == 1


async def test_events_are_taken_in_while_kafka_does_not_let_it_into_its_group(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    service = made_intake(tmp_path, stack.kafka, stack.mongodb, unique("joining"))
    join, answers = service.broker.start, list[httpx.Response]()

    async def ask_and_join() -> None:
        headers = {"authorization": "Bearer emit-key", "content-type": STRUCTURED}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=30) as http:
            answers.append(await http.get("/readyz"))
            answers.append(await http.post("/v1/events", content=json.dumps(news())))
        await join()

    monkeypatch.setattr(service.broker, "start", ask_and_join)
    async with service.running():
        ready, taken = answers
        assert (ready.status_code, ready.json()["notes"]) == (200, {"consumer": "joining its group"})
        assert taken.status_code == 202


async def test_what_is_refused_can_be_found_counted_and_replayed_once(intake: RealIntake):
    assert (await intake.post(news(id="bad", type="contact.sung"))).status_code == 422
    worse = news(id="worse", data=[])
    for _ in range(2):  # a stubborn sender makes no second letter
        assert (await intake.post(worse)).status_code == 422
    letters = await intake.letters(2)
    assert {(letter["event_id"], letter["reason"], letter["source"]) for letter in letters} == {
        ("bad", "unknown type", "/crm"),
        ("worse", "must be an object", "/crm"),
    }
    page = await intake.get("/v1/dead-letters", reason="unknown type")
    assert [letter["event"]["type"] for letter in page["items"]] == ["contact.sung"]
    assert page["counts"] == {"unknown type": 1}
    outcome = (await intake.replay(all=True)).json()
    assert (outcome["replayed"], outcome["still_refused"]) == (0, 2)
    assert {item["reason"] for item in outcome["refused"]} == {"unknown type", "must be an object"}


async def test_an_erasure_that_came_by_kafka_waits_for_an_admin(intake: RealIntake):
    erasure = news(id="forget", type="customer.erased", erasedas="K-6", data={"customer_id": "K-5"})
    await intake.produce(json.dumps(erasure).encode(), content_type=STRUCTURED)
    [letter] = await intake.letters(1)
    assert letter["reason"] == "customer.erased needs the role admin"
    assert (letter["topic"], letter["service"]) == (topics.CONTACT_EVENTS_IN, "intake")
    first = (await intake.replay(ids=[letter["id"]])).json()
    again = (await intake.replay(ids=[letter["id"]])).json()
    assert (first["replayed"], again["replayed"]) == (1, 0)
    [record] = await intake.stored(1)
    let_in = decode(record.value)
    assert (let_in.type, (let_in.erasedas or "")[:7]) == ("customer.erased", "erased:")
    [letter] = await intake.letters(1)
    assert letter["replayed_by"] == "boss"
    assert (await intake.get("/v1/dead-letters"))["counts"] == {}


async def test_both_modes_of_kafka_are_forwarded(intake: RealIntake):
    await intake.produce(json.dumps(news(id="structured")).encode(), b"K-5", content_type=STRUCTURED)
    attributes = {f"ce_{name}": value for name, value in news(id="binary", data=None).items()}
    await intake.produce(json.dumps(data()).encode(), **attributes, content_type="application/json")
    events = [decode(record.value) for record in await intake.stored(2)]
    assert {found.id for found in events} == {"structured", "binary"}
    assert all(found.recordedtime is not None and found.partitionkey == "K-5" for found in events)


async def test_records_that_are_no_event_are_kept_byte_for_byte(intake: RealIntake):
    await intake.produce(json.dumps(news()).encode(), b"K-6", content_type=STRUCTURED, note="kept")
    await intake.produce(json.dumps(news()).encode())
    await intake.produce(b"\xff\xfe", content_type=STRUCTURED)
    await intake.produce(None, b"K-5")
    letters = await intake.letters(4)
    by_offset = {(letter["partition"], letter["offset"]): letter for letter in letters}
    assert len(by_offset) == 4
    [mismatch] = [letter for letter in letters if letter["reason"] == "key_mismatch"]
    assert (mismatch["key"], mismatch["pointer"]) == ("K-6", "/data/customer_id")
    assert ["note", "kept"] in mismatch["headers"]
    assert {letter.get("value_base64") for letter in letters} >= {"//4="}
    records = await intake.stored(4, topics.DEAD_LETTERS)
    assert b"\xff\xfe" in {record.value for record in records}


async def test_what_a_producer_has_compressed_is_read_whichever_way_it_did(intake: RealIntake):
    topic = f"{intake.service.settings.topic_prefix}{topics.CONTACT_EVENTS_IN}"
    headers = [("content-type", STRUCTURED.encode())]
    codecs = ("gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        value = json.dumps(news(id=codec, data=data(subject="x" * 500))).encode()
        async with AIOKafkaProducer(
            bootstrap_servers=intake.service.settings.kafka_bootstrap_servers, compression_type=codec
        ) as producer:
            await producer.send_and_wait(topic, value, key=b"K-5", headers=headers)
    assert {decode(record.value).id for record in await intake.stored(4)} == set(codecs)


async def test_what_a_transaction_took_back_is_not_taken_in_and_its_end_is_no_record_that_waits(
    intake: RealIntake, unique: Callable[[str], str]
):
    bootstrap = intake.service.settings.kafka_bootstrap_servers
    topic = f"{intake.service.settings.topic_prefix}{topics.CONTACT_EVENTS_IN}"
    headers = [("content-type", STRUCTURED.encode())]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=unique("producer")) as producer:
        for name, settle in (
            ("a", producer.commit_transaction),
            ("b", producer.abort_transaction),
            ("c", producer.commit_transaction),
        ):
            await producer.begin_transaction()
            value = json.dumps(news(id=name)).encode()
            await producer.send_and_wait(topic, value, key=b"K-5", headers=headers)
            await settle()
    assert [decode(record.value).id for record in await intake.stored(2)] == ["a", "c"]
    [forwarder, _] = intake.service._progress._consumers
    async with asyncio.timeout(60):
        while await forwarder.lag() != {topic: 0}:
            await intake.service.clock.sleep(0.05)


async def test_a_record_too_large_for_any_dead_letter_keeps_nobody_behind_it_waiting(intake: RealIntake):
    bootstrap = intake.service.settings.kafka_bootstrap_servers
    topic = f"{intake.service.settings.topic_prefix}{topics.CONTACT_EVENTS_IN}"
    mode = ("content-type", STRUCTURED.encode())
    packing = {"compression_type": "gzip", "max_request_size": 8 << 20, "max_batch_size": 8 << 20}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **packing) as producer:
        for name, length in (("large", 5 << 20), ("next", 500)):
            value = json.dumps(news(id=name, data=data(ours="x" * length))).encode()
            await producer.send_and_wait(topic, value, key=b"K-5", headers=[mode])
    assert [decode(record.value).id for record in await intake.stored(1)] == ["next"]
    [letter] = await intake.letters(1)
    assert letter["reason"] == "is larger than 262144 bytes"


async def test_a_header_that_is_no_text_costs_neither_its_record_nor_those_polled_with_it(intake: RealIntake):
    mode, odd = ("content-type", STRUCTURED.encode()), (("odd", b"\xff"), ("unset", None))
    together = intake.producer.create_batch()
    for name, kind, headers in (
        ("a", "contact.received", ()),
        ("b", "contact.sung", odd),
        ("c", "contact.received", odd),
    ):
        value = json.dumps(news(id=name, type=kind)).encode()
        together.append(key=b"K-5", value=value, timestamp=None, headers=[mode, *headers])
    topic = f"{intake.service.settings.topic_prefix}{topics.CONTACT_EVENTS_IN}"
    await (await intake.producer.send_batch(together, topic, partition=0))
    assert [decode(record.value).id for record in await intake.stored(2)] == ["a", "c"]
    [letter] = await intake.letters(1)
    assert (letter["event_id"], letter["reason"]) == ("b", "unknown type")
    [record] = await intake.stored(1, topics.DEAD_LETTERS)
    assert tuple(record.headers[:3]) == (mode, *odd)


NO_LAG_OF_TWO = (("records_total", "2.0"), ("lag_records", "0.0"))


async def test_what_is_forwarded_is_seen_in_the_figures_like_any_other_consumers(intake: RealIntake):
    refused = shared.DEAD.labels("intake", topics.CONTACT_EVENTS_IN)
    before = refused._value.get()
    await intake.produce(json.dumps(news(id="good")).encode(), b"K-5", content_type=STRUCTURED)
    await intake.produce(b"\xff\xfe", content_type=STRUCTURED)
    await intake.letters(1)
    assert refused._value.get() == before + 1
    topic = f"{intake.service.settings.topic_prefix}{topics.CONTACT_EVENTS_IN}"
    lines = {f'rapport_{name}{{service="intake",topic="{topic}"}} {n}' for name, n in NO_LAG_OF_TWO}
    async with asyncio.timeout(60):
        while not lines <= set((await intake.http.get("/metrics")).text.splitlines()):
            await intake.service._progress.look(intake.service.clock.now())


async def test_lists_page_by_limit_and_cursor(intake: RealIntake):
    await intake.post(batch(*(news(id=f"e-{n}", data=[]) for n in range(7))), BATCH)
    everything = [letter["id"] for letter in await intake.letters(7)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = await intake.get("/v1/dead-letters", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [letter["id"] for letter in page["items"]]
        cursor = page["cursor"]
    assert seen == everything
    assert cursor is None


async def test_dead_letters_are_for_those_who_may(intake: RealIntake):
    headers = {"authorization": "Bearer emit-key"}
    assert (await intake.http.get("/v1/dead-letters")).status_code == 401
    assert (await intake.http.get("/v1/dead-letters", headers=headers)).status_code == 403
    assert (await intake.replay("watch-key", all=True)).status_code == 403
    for order in ({}, {"all": True, "reason": "x"}, {"ids": None}, {"everything": True}):
        assert (await intake.replay(**order)).status_code == 422
    bad = await intake.http.get(
        "/v1/dead-letters", params={"cursor": "!"}, headers={"authorization": "Bearer watch-key"}
    )
    assert bad.status_code == 422
