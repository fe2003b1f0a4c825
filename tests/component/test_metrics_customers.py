"""A customer's page and export, and the tier that their purchases give, on a real Kafka and MongoDB."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from rapport.contracts import cut_to_milliseconds, format_instant
from rapport.runtime.clock import SystemClock

from tests.support.metrics import answered, at, event, received, resolved
from tests.support.metrics_erasing import WORDS, erased, history
from tests.support.metrics_service import RunningMetrics, running_metrics
from tests.support.stack import Addresses

NOW = cut_to_milliseconds(SystemClock().now())
EARLIER = NOW - timedelta(hours=2)
NAMELESS = received(EARLIER - timedelta(minutes=1), "C-1", customer_id="anonymous:7", subject="It's me, Ada")
HISTORY = (
    NAMELESS,
    event("customer.updated", EARLIER, customer_id="K/1", owner_id="ada"),
    received(EARLIER, "C-1", customer_id="K/1", team="a"),
    resolved(EARLIER + timedelta(minutes=5), "C-1", customer_id="K/1"),
    answered(EARLIER + timedelta(minutes=9), 2, "S-1", customer_id="K/1", contact_id="C-1"),
    answered(EARLIER + timedelta(minutes=20), 9, "S-2", "nps", customer_id="K/1", context="relational"),
    event(
        "risk.raised",
        EARLIER + timedelta(minutes=9),
        source="/rapport/sla-monitor",
        customer_id="K/1",
        cause="low_score",
        reasons=["csat score of 2"],
        contact_id="C-1",
    ),
    event("purchase.made", EARLIER, customer_id="K/1", purchase_id="P-1", amount="150.00", margin="40", currency="EUR"),
    event("purchase.returned", EARLIER + timedelta(minutes=30), customer_id="K/1", purchase_id="P-1", amount="37.50"),
)


@pytest.fixture(scope="module")
async def metrics(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningMetrics]:
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("customers")
    (folder / "loyalty.yaml").write_text("points: {EUR: 1}\ntiers: {silver: 100, gold: 1000}\n", "utf-8")
    name = unique("customers")
    async with running_metrics(folder, stack.kafka, stack.mongodb, name, loyalty=folder / "loyalty.yaml") as running:
        await running.feed(*HISTORY)
        yield running


async def looked_for(metrics: RunningMetrics, **asked: str) -> list[str]:
    found = await metrics.get("/v1/customers/K/1/timeline", **asked)
    return [contact["contact_id"] for contact in found["contacts"]]


async def test_a_timeline_is_searched_by_what_was_said_by_dimension_and_by_time(metrics: RunningMetrics):
    assert await looked_for(metrics, q="ADA me") == ["C-1"]  # said before anybody knew who it was
    assert await looked_for(metrics, q="ada bill") == []
    assert await looked_for(metrics, q="K/1") == []  # whose it is was not said
    assert await looked_for(metrics, q="low_score") == []  # we concluded that
    assert await looked_for(metrics, filter="team:a,outcome:solved") == ["C-1"]
    assert await looked_for(metrics, filter="team:b") == []
    opened = format_instant(NAMELESS.time)
    assert await looked_for(metrics, from_=opened) == ["C-1"]
    assert await looked_for(metrics, to=opened) == []


@pytest.mark.parametrize(
    ("name", "value"), [("by", "team"), ("filter", "colour:red"), ("filter", "hour:09"), ("from", "noon"), ("x", "1")]
)
async def test_a_timeline_that_is_asked_wrongly_says_so(metrics: RunningMetrics, name: str, value: str):
    answer = await metrics.ask("/v1/customers/K/1/timeline", **{name: value})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")


async def customer(metrics: RunningMetrics, **fields: Any) -> dict[str, Any]:
    """K/1, once these fields are so: what metrics itself tells of a tier has to come back to it."""
    clock = SystemClock()
    deadline = clock.now() + timedelta(seconds=30)
    while True:
        found: dict[str, Any] = await metrics.get("/v1/customers/K/1")
        if found.items() >= fields.items():
            return found
        assert clock.now() < deadline, found
        await clock.sleep(0.05)


async def test_a_customer_is_shown_with_tier_value_scores_risks_and_agent(metrics: RunningMetrics):
    found = await customer(metrics, tier="silver")
    last = format_instant(EARLIER + timedelta(minutes=9))
    assert found == {
        "customer_id": "K/1",
        "audience": "customer",
        "owner_id": "ada",
        "tier": "silver",
        "tier_given": False,
        "points": 112,
        "lifetime_value": [{"currency": "EUR", "value": "30.00", "purchases": 1, "returned": "37.50"}],
        "scores": [
            {
                "survey": "csat",
                "context": "transactional",
                "answers": 1,
                "mean": 2.0,
                "last": {"score": 2, "at": last},
            },
            {
                "survey": "nps",
                "context": "relational",
                "answers": 1,
                "mean": 9.0,
                "last": {"score": 9, "at": format_instant(EARLIER + timedelta(minutes=20))},
            },
        ],
        "risks": [{"cause": "low_score", "raised_at": last, "reasons": ["csat score of 2"], "contact_id": "C-1"}],
        "contacts": {
            "total": 1,
            "open": 0,
            "first_at": format_instant(NAMELESS.time),
            "last_at": format_instant(NAMELESS.time),
        },
    }


async def test_the_tier_is_told_and_a_word_of_another_system_stands_over_it(metrics: RunningMetrics):
    await customer(metrics, tier="silver")
    told = await metrics.get("/v1/customers/K/1/export", key="admin")
    [change] = [one for one in told["events"] if one["type"] == "customer.tier_changed"]
    assert (change["data"]["tier"], change["data"]["points"]) == ("silver", 150)
    assert datetime.fromisoformat(change["time"]) == EARLIER
    await metrics.feed(event("customer.updated", NOW - timedelta(hours=1), customer_id="K/1", tier="platinum"))
    await customer(metrics, tier="platinum", tier_given=True)
    await metrics.feed(event("customer.updated", NOW - timedelta(minutes=50), customer_id="K/1", tier=None))
    await customer(metrics, tier="silver", tier_given=False)


async def test_the_export_is_all_that_came_of_them_as_it_came_and_for_admins(
    metrics: RunningMetrics, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("metrics.customers._READ_AT_ONCE", 2)
    document = await metrics.get("/v1/customers/K/1/export", key="admin")
    came = {one.id: json.loads(one.model_dump_json(exclude_unset=True)) for one in HISTORY}
    assert {one["id"]: one for one in document["events"] if one["id"] in came} == came
    times = [datetime.fromisoformat(one["time"]) for one in document["events"]]
    assert times == sorted(times)
    assert document["profile"]["customer_id"] == "K/1"
    assert (await metrics.ask("/v1/customers/K/1/export")).status_code == 403


async def test_whoever_may_see_a_contact_of_theirs_may_see_the_customer(metrics: RunningMetrics):
    assert (await metrics.ask("/v1/customers/K/1", key="team-a")).status_code == 200


async def test_of_whom_nothing_came_or_nothing_for_these_teams_nothing_is_said(metrics: RunningMetrics):
    await metrics.feed(received(EARLIER, "C-9", customer_id="K-9", team="b"))
    assert (await metrics.eventually("/v1/customers/K-9"))["contacts"]["total"] == 1
    assert (await metrics.ask("/v1/customers/K-9", key="team-a")).status_code == 404
    assert (await metrics.ask("/v1/customers/K-0")).status_code == 404
    assert (await metrics.ask("/v1/customers/K-0/export", key="admin")).status_code == 404


async def test_an_erased_customer_is_nowhere_in_the_database_and_the_figures_stay(metrics: RunningMetrics):
    events = history("K/1-E", "C/K/1-E")
    late = received(at("08:10"), "C/K/1-E", customer_id="K/1-E", subject=WORDS[3])
    await metrics.feed(*events)
    await refused(metrics, "K/1-E before")
    figures = [await metrics.rows(measure=measure, by="channel,tier") for measure in ("contacts", "sla", "csat", "aht")]
    assert {"K/1-E", *WORDS} == await found_in(metrics, "K/1-E", *WORDS)

    await metrics.feed(erased(EARLIER, "K/1-E"))
    await metrics.gone("/v1/customers/K/1-E")
    await metrics.feed(late, events[1])
    await refused(metrics, "K/1-E after")
    await until_erased(metrics)
    assert await found_in(metrics, "K/1-E", *WORDS) == set()
    again = [await metrics.rows(measure=measure, by="channel,tier") for measure in ("contacts", "sla", "csat", "aht")]
    assert again == figures
    fate = await metrics.get("/v1/events", source="/crm", id_=events[1].id)
    assert (fate["fate"], fate["duplicates"]) == ("folded", 1)
    assert (await metrics.get(f"/v1/customers/{fate['customer_id']}"))["contacts"]["total"] == 2
    assert (await metrics.ask("/v1/customers/K/1-E/timeline")).status_code == 404
    assert (await metrics.get("/v1/balance"))["balanced"]


async def refused(metrics: RunningMetrics, name: str) -> None:
    """An event that metrics can't read, of this id, about K/1-E."""
    data = {"customer_id": "K/1-E"}
    await metrics.feed_raw("contact.received", {"source": "/crm", "id": name, "type": "unheard.of", "data": data})
    await metrics.eventually("/v1/events", source="/crm", id_=name)


async def found_in(metrics: RunningMetrics, *texts: str) -> set[str]:
    """Those of the texts that stand in any document of the database."""
    database = metrics.service.database
    held = [
        str(document) for name in await database.list_collection_names() async for document in database[name].find({})
    ]
    return {text for text in texts if any(text in one for one in held)}


async def until_erased(metrics: RunningMetrics) -> None:
    clock = SystemClock()
    deadline = clock.now() + timedelta(seconds=30)
    while await metrics.service.database["erasures"].find_one({"erasing": True}):
        assert clock.now() < deadline, "it takes too long"
        await clock.sleep(0.05)
