"""metrics with a real Kafka and MongoDB: what HTTP answers is what the pure domain says."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from rapport.runtime.clock import SystemClock

from tests.support.metrics import Memory, answered, at, event, opened, received, resolved, responded, verdict
from tests.support.metrics_service import RunningMetrics, running_metrics
from tests.support.stack import Addresses

FIRST = received(at("09:10"), "C-1", team="a", agent_id="ann", topic="bill, wrong")
PLAY: dict[str, Any] = {"play": "calls", "step": 0, "do": "check_in", "purpose": "service"}
SENT: dict[str, Any] = {"followup_id": "fu-9", "channel": "email", "expires_at": at("14:00", day=7)}
BOUGHT: dict[str, Any] = {"purchase_id": "P-1", "customer_id": "K-5"}
FAR = datetime(9000, 1, 1, tzinfo=UTC)
HISTORY = (
    FIRST,
    opened(at("09:10"), {"first_response": at("10:00"), "promise": at("12:00")}, "C-1", policy="mail"),
    responded(at("09:40"), "C-1", agent_id="bob"),
    verdict("met", at("09:40"), at("10:00"), "C-1", open_seconds=1800),
    verdict("breached", at("12:00"), at("12:00"), "C-1", target="promise", sequence=3),
    resolved(at("13:00"), "C-1"),
    answered(at("15:00"), 5, "S-1", contact_id="C-1"),
    received(at("23:30"), "C-2", channel="phone", team="b", customer_id="K-2"),
    opened(at("23:30"), {"first_response": at("09:30", day=1)}, "C-2", customer_id="K-2", in_hours=False),
    received(at("08:00", day=1), "C-3", customer_id="K/3"),
    event("contact.reopened", at("18:00"), contact_id="C-1"),
    received(at("10:00"), "C-4", customer_id="K-4"),
    event("customer.updated", at("07:00"), customer_id="K-4", audience="test"),
    answered(at("16:00"), 2, "S-2", customer_id="K-2"),
    answered(at("16:00"), 9, "S-3", "nps", customer_id="K-2", context="relational"),
    event("followup.owed", at("16:05"), followup_id="fu-1", contact_id="C-1", owner="bob", due_at=at("08:00"), **PLAY),
    event("followup.owed", at("16:05"), followup_id="fu-2", customer_id="K-2", due_at=FAR, **PLAY),
    received(at("11:00"), "C-5", channel="phone", customer_id="K-5"),
    responded(at("11:00:20"), "C-5", customer_id="K-5"),
    received(at("11:00"), "C-6", channel="phone", customer_id="K-5"),
    event("contact.abandoned", at("11:01"), contact_id="C-6", customer_id="K-5", waited_seconds=20.001),
    event("customer.updated", at("07:00"), customer_id="K-1", owner_id="bob"),
    event("purchase.made", at("08:00"), agent_id="ann", product="tv", **BOUGHT, amount="20.00", currency="EUR"),
    event("purchase.returned", at("08:30"), **BOUGHT, amount="5.00"),
    received(at("08:45"), "C-7", kind="complaint", topic="tv", customer_id="K-5"),
    event("subscription.cancelled", at("09:00", day=1), customer_id="K-2"),
    event("survey.sent", at("14:00"), survey_id="S-1", survey="csat", contact_id="C-1", **SENT),
    event("survey.sent", at("14:00"), survey_id="S-2", survey="csat", customer_id="K-2", **SENT),
    event("survey.sent", at("14:00"), survey_id="S-9", survey="csat", customer_id="K-2", **SENT),
    event("message.bounced", at("14:01"), customer_id="K-2", address="a@example.org"),
    event("followup.suppressed", at("16:05"), followup_id="fu-3", contact_id="C-1", reason="cap", **PLAY),
)
QUESTIONS: tuple[dict[str, str], ...] = (
    {"measure": "contacts", "by": "channel"},
    {"measure": "contacts", "granularity": "day", "tz": "Asia/Kathmandu"},
    {"measure": "contacts", "granularity": "hour", "tz": "Asia/Kathmandu"},
    {"measure": "contacts", "granularity": "week", "week_start": "sunday", "tz": "America/New_York"},
    {"measure": "contacts", "granularity": "month", "by": "team,channel"},
    {"measure": "contacts", "by": "audience"},
    {"measure": "contacts", "by": "topic,outcome", "filter": 'topic:"bill, wrong"|'},
    {"measure": "messages", "filter": "team:a|b", "from": "2026-03-02", "to": "2026-03-03"},
    {"measure": "messages", "from": "2026-03-02T09:11:00Z"},
    {"measure": "first_response"},
    {"measure": "first_response", "by": "agent", "filter": "channel:email"},
    {"measure": "resolution", "by": "team"},
    {"measure": "sla", "by": "target"},
    {"measure": "sla", "by": "target,agent", "granularity": "day"},
    {"measure": "sla", "filter": "target:promise,policy:mail"},
    {"measure": "csat"},
    {"measure": "csat", "by": "agent,context"},
    {"measure": "nps"},
    {"measure": "followups"},
    {"measure": "consistency"},
    {"measure": "consistency", "by": "target,team", "granularity": "day"},
    {"measure": "answered_within"},
    {"measure": "answered_within", "by": "channel,agent", "granularity": "day"},
    {"measure": "followups", "by": "agent,reason", "granularity": "month"},
    {"measure": "arrivals"},
    {"measure": "arrivals", "by": "weekday,channel", "tz": "Asia/Kathmandu", "granularity": "week"},
    {"measure": "arrivals", "by": "hour", "filter": "weekday:monday,channel:email", "tz": "America/New_York"},
    {"measure": "out_of_hours", "by": "team"},
    {"measure": "fcr", "by": "channel,agent"},
    {"measure": "fcr", "granularity": "day", "filter": "team:a|"},
    {"measure": "repeat_contacts"},
    {"measure": "continuity", "by": "agent,tier", "from": "2026-03-02", "to": "2026-03-03"},
    {"measure": "response_rate"},
    {"measure": "response_rate", "by": "channel,survey", "granularity": "day"},
    {"measure": "retention", "from": "2026-03-03"},
    {"measure": "churn", "from": "2026-03-01", "granularity": "day", "by": "cohort,tier"},
    {"measure": "cltv"},
    {"measure": "after_sale", "by": "product,agent"},
)


@pytest.fixture(scope="module")
async def metrics(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningMetrics]:
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("metrics")
    async with running_metrics(folder, stack.kafka, stack.mongodb, unique("metrics")) as running:
        await running.feed(*HISTORY, FIRST, *HISTORY[3:5])
        yield running


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory().feed(*HISTORY)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: "&".join(f"{k}={v}" for k, v in question.items()))
async def test_reports_say_what_the_domain_says(metrics: RunningMetrics, memory: Memory, question: dict[str, Any]):
    assert await metrics.rows(**question) == memory.report(facts=True, now=SystemClock().now(), **question)


async def test_the_promise_that_was_broken_and_the_deadline_that_runs_are_counted_by_target(metrics: RunningMetrics):
    rows = {row["target"]: row for row in await metrics.rows(measure="sla", by="target")}
    assert (rows["promise"]["met"], rows["promise"]["breached"], rows["promise"]["attainment"]) == (0, 1, 0.0)
    assert (rows["first_response"]["met"], rows["first_response"]["running"]) == (1, 1)


async def test_csv_has_the_same_columns_as_json(metrics: RunningMetrics):
    text = (await metrics.ask("/v1/report", measure="contacts", by="channel", format="csv")).text
    assert text == "channel,contacts\r\nemail,3\r\nphone,3\r\n"


async def test_a_wrong_parameter_is_named(metrics: RunningMetrics):
    response = await metrics.ask("/v1/report", measure="contacts", by="chanel", tz="Mars/Base", colour="red")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert {error["pointer"] for error in response.json()["errors"]} == {"/by", "/tz", "/colour"}


async def test_a_report_as_of_a_day_says_of_which_instant_it_is(metrics: RunningMetrics):
    asked = {"measure": "contacts", "as_of": "2026-03-02", "tz": "America/New_York"}
    told = await metrics.get("/v1/report", **asked)
    assert (told["as_of"], told["rows"]) == ("2026-03-03T05:00:00Z", [{"contacts": 5}])
    listed = await metrics.get("/v1/report/contacts", **asked)
    assert [one["contact_id"] for one in listed["contacts"]] == ["C-2", "C-5", "C-6", "C-1", "C-7"]
    page = await metrics.ask("/contacts", **asked)
    assert "C-1" in page.text
    assert "C-3" not in page.text
    assert "as booked by the end of 2026-03-02" in page.text
    assert "as_of=2026-03-02" in page.text
    customers = await metrics.get("/v1/report/customers", measure="repeat_contacts", as_of="2026-03-02")
    assert [one["customer_id"] for one in customers["customers"]] == ["K-1", "K-2", "K-5"]


async def test_behind_a_cell_are_its_contacts(metrics: RunningMetrics):
    page = await metrics.get("/v1/report/contacts", measure="sla", filter="target:promise", figure="breached")
    [contact] = page["contacts"]
    assert (contact["contact_id"], contact["team"], contact["policy"]) == ("C-1", "a", "mail")
    assert contact["counted"] == [
        {"at": "2026-03-02T12:00:00Z", "agent": "ann", "team": "a", "part": "promise", "figures": {"breached": 1}}
    ]


async def test_behind_a_figure_is_only_what_counts_in_it(metrics: RunningMetrics):
    asked = {"measure": "sla", "figure": "breached"}
    [contact] = (await metrics.get("/v1/report/contacts", **asked))["contacts"]
    assert [(mark["part"], mark["figures"]) for mark in contact["counted"]] == [("promise", {"breached": 1})]
    lines = (await metrics.ask("/v1/report/contacts", **asked, format="csv")).text.splitlines()
    assert len(lines) == 2
    for figure in ("arrivals", "contacts"):
        arrived = {"measure": "arrivals", "from": "2026-03-02", "to": "2026-03-09", "filter": "hour:09"}
        [row] = (await metrics.get("/v1/report", **arrived, by="hour"))["rows"]
        listed = (await metrics.get("/v1/report/contacts", **arrived, figure=figure))["contacts"]
        assert sum(len(one["counted"]) for one in listed) == row["arrivals"] > 0
    assert (await metrics.ask("/v1/report/contacts", measure="in_language", figure="in_language")).status_code == 200
    wrong = await metrics.ask("/v1/report/contacts", measure="sla", figure="attainment")
    assert wrong.status_code == 422
    assert "met, breached, running, cancelled" in wrong.json()["errors"][0]["reason"]


@pytest.mark.parametrize(
    ("measure", "figure", "contact"),
    [
        ("followups", "overdue", "C-1"),
        ("answered_within", "within", "C-5"),
        ("answered_within", "abandoned_late", "C-6"),
    ],
)
async def test_behind_a_figure_that_depends_on_when_it_is_asked_for_are_its_contacts(
    metrics: RunningMetrics, measure: str, figure: str, contact: str
):
    page = await metrics.get("/v1/report/contacts", measure=measure, figure=figure)
    assert [one["contact_id"] for one in page["contacts"]] == [contact]


async def test_the_contacts_behind_a_cell_are_had_as_csv_too_and_its_next_page_by_a_link(metrics: RunningMetrics):
    first = await metrics.ask("/v1/report/contacts", measure="sla", format="csv", limit=1)
    assert first.headers["content-type"].startswith("text/csv")
    query = first.headers["link"].partition("<?")[2].partition(">")[0]
    second = await metrics.ask("/v1/report/contacts", **dict(parse_qsl(query)))
    lines = [line for page in (first, second) for line in csv.DictReader(io.StringIO(page.text))]
    assert [(one["contact_id"], one["counted_part"], one["breached"]) for one in lines if one["breached"]] == [
        ("C-1", "promise", "1")
    ]
    assert {one["contact_id"] for one in lines} == {"C-1", "C-2"}
    assert "link" not in second.headers


async def test_the_contacts_behind_a_cell_come_in_pages(metrics: RunningMetrics):
    first = await metrics.get("/v1/report/contacts", measure="contacts", limit=3)
    second = await metrics.get("/v1/report/contacts", measure="contacts", limit=3, cursor=first["cursor"])
    assert [c["contact_id"] for c in first["contacts"] + second["contacts"]] == [
        *("C-3", "C-2", "C-5"),
        *("C-6", "C-1", "C-7"),
    ]
    assert second["cursor"] is None
    assert (await metrics.ask("/v1/report/contacts", measure="contacts", cursor="nonsense")).status_code == 422


async def test_the_contacts_behind_what_histories_tell_come_in_pages_too(metrics: RunningMetrics):
    asked = {"measure": "repeat_contacts", "figure": "count", "limit": 4}
    first = await metrics.get("/v1/report/contacts", **asked)
    second = await metrics.get("/v1/report/contacts", **asked, cursor=first["cursor"])
    listed = [contact["contact_id"] for contact in first["contacts"] + second["contacts"]]
    assert (listed, second["cursor"]) == (["C-3", "C-2", "C-5", "C-6", "C-1", "C-7"], None)
    repeats = await metrics.get("/v1/report/contacts", measure="repeat_contacts", figure="repeat_contacts")
    assert [(contact["contact_id"], contact["counted"][0]["figures"]) for contact in repeats["contacts"]] == [
        ("C-5", {"count": 1, "repeat_contacts": 1}),
        ("C-6", {"count": 1, "repeat_contacts": 1}),
    ]


async def test_the_contacts_of_an_hour_of_the_week_are_listed_by_the_local_clock(metrics: RunningMetrics):
    asked = {"measure": "arrivals", "from": "2026-02-23", "to": "2026-03-09", "tz": "Europe/Berlin"}
    listed = await metrics.get("/v1/report/contacts", **asked, filter="weekday:monday,hour:10|12")
    assert [contact["contact_id"] for contact in listed["contacts"]] == ["C-5", "C-6", "C-1"]
    none = await metrics.get("/v1/report/contacts", **asked, filter="weekday:sunday")
    assert none["contacts"] == []


async def test_what_customers_come_for_is_told_beside_how_it_was_before(metrics: RunningMetrics):
    asked = {"from": "2026-03-02T08:30:00Z", "to": "2026-03-02T09:00:00Z", "by": "topic"}
    assert (await metrics.get("/v1/drivers", **asked))["drivers"] == [
        {"topic": "tv", "contacts": 1, "share": 1.0, "before": 0, "growth": None}
    ]
    later = {"from": "2026-03-03", "to": "2026-03-04", "by": "channel"}
    told = await metrics.get("/v1/drivers", **later, limit=1)
    assert (told["contacts"], told["before"]) == (1, "2026-03-02T00:00:00Z")
    assert told["drivers"] == [{"channel": "email", "contacts": 1, "share": 1.0, "before": 2, "growth": -0.5}]
    assert (await metrics.ask("/v1/drivers", by="weather")).json()["errors"][0]["pointer"] == "/by"
    assert len((await metrics.get("/v1/drivers"))["drivers"]) == 0


async def test_behind_figures_of_customers_are_customers(metrics: RunningMetrics):
    value = await metrics.get("/v1/report/customers", measure="cltv")
    assert [(one["customer_id"], one["counted"][0]["figures"]) for one in value["customers"]] == [
        ("K-5", {"customers": 1, "purchases": 1, "value": 15.0})
    ]
    lost = {"measure": "churn", "from": "2026-03-03", "to": "2026-03-04", "figure": "lost"}
    assert [one["customer_id"] for one in (await metrics.get("/v1/report/customers", **lost))["customers"]] == ["K-2"]
    present = {"measure": "retention", "from": "2026-03-01", "to": "2026-03-04", "figure": "at_end", "limit": 1}
    first = await metrics.get("/v1/report/customers", **present)
    second = await metrics.get("/v1/report/customers", **present, cursor=first["cursor"])
    assert [one["customers"][0]["customer_id"] for one in (first, second)] == ["K-1", "K-5"]


@pytest.mark.parametrize(
    ("path", "asked", "pointer"),
    [
        ("/v1/report/contacts", {"measure": "cltv"}, "/measure"),
        ("/v1/report/customers", {"measure": "sla"}, "/measure"),
        ("/v1/report/contacts", {"measure": "arrivals", "filter": "hour:09"}, "/from"),
        ("/v1/report", {"measure": "contacts", "by": "weekday"}, "/by"),
        ("/v1/drivers", {"granularity": "day"}, "/granularity"),
        ("/v1/drivers", {"from": "2199-01-01"}, "/from"),
        ("/v1/report", {"measure": "contacts", "from": "1000-01-01"}, "/from"),
        ("/", {"to": "9999-12-31"}, "/to"),
        ("/v1/report/customers", {"measure": "cltv", "format": "csv"}, "/format"),
        ("/v1/report", {"measure": "retention", "from": "2010-01-01", "granularity": "day"}, "/granularity"),
        ("/v1/report", {"measure": "retention"}, "/from"),
        ("/v1/report", {"measure": "churn", "from": "2026-03-01", "granularity": "hour"}, "/granularity"),
        ("/v1/report", {"measure": "cltv", "from": "2026-03-01"}, "/from"),
        ("/v1/report", {"measure": "retention", "from": "2026-03-01", "by": "channel"}, "/by"),
    ],
)
async def test_what_a_measure_is_not_of_is_refused_by_name(
    metrics: RunningMetrics, path: str, asked: Any, pointer: str
):
    answer = await metrics.ask(path, **asked)
    assert (answer.status_code, [one["pointer"] for one in answer.json()["errors"]]) == (422, [pointer])


async def test_the_fate_of_an_event_tells_its_repeats(metrics: RunningMetrics):
    fate = await metrics.get("/v1/events", source=FIRST.source, id=FIRST.id)
    assert (fate["fate"], fate["duplicates"], fate["differing"]) == ("folded", 1, 0)
    assert fate["counted_in"] == [
        *("answered_within", "contacts", "csat", "first_response", "followups", "in_language", "messages"),
        *("out_of_hours", "promises", "reopens", "resolution", "response_rate", "sla"),
    ]
    assert (await metrics.ask("/v1/events", source="/crm", id="never")).status_code == 404


async def test_the_fate_of_a_refused_event_tells_who_refused_it_and_why(metrics: RunningMetrics):
    await metrics.feed_raw(
        "contact.received", {"specversion": "1.0", "source": "/crm", "id": "bad", "type": "nonsense"}
    )
    fate = await metrics.eventually("/v1/events", source="/crm", id="bad")
    [refused] = fate["rejections"]
    assert (fate["fate"], fate["why"]) == ("rejected", refused["reason"])
    assert (refused["service"], refused["topic"], refused["pointer"]) == ("metrics", "contact-events", "/type")
    assert (await metrics.ask("/v1/events", key="team-a", source="/crm", id="bad")).status_code == 403
    assert (await metrics.get("/v1/events", source=FIRST.source, id=FIRST.id))["rejections"] == []


async def test_the_timeline_has_every_contact_with_its_events(metrics: RunningMetrics):
    timeline = await metrics.get("/v1/customers/K-1/timeline")
    [contact] = timeline["contacts"]
    assert (contact["status"], contact["channel"]) == ("open", "email")
    assert [told["type"] for told in contact["events"]][:2] == ["contact.received", "sla.opened"]
    assert (await metrics.get("/v1/customers/K/3/timeline"))["contacts"][0]["contact_id"] == "C-3"
    assert (await metrics.ask("/v1/customers/nobody/timeline")).status_code == 404


async def test_of_very_many_events_the_newest_are_told(metrics: RunningMetrics, monkeypatch: pytest.MonkeyPatch):
    whole = (await metrics.get("/v1/customers/K-1/timeline"))["contacts"][0]
    monkeypatch.setattr("metrics.store._MOST_EVENTS", 3)
    some = (await metrics.get("/v1/customers/K-1/timeline"))["contacts"][0]
    assert (whole["truncated"], some["truncated"]) == (False, True)
    assert some["events"] == whole["events"][-3:]


async def test_what_was_taken_in_balances(metrics: RunningMetrics):
    balance = await metrics.get("/v1/balance")
    assert balance["balanced"]
    assert balance["total"] == {
        "taken": len(HISTORY) + 3,
        "duplicates": 3,
        "journal": len(HISTORY),
        "folded": len(HISTORY),
        "rejected": 0,
        "difference": 0,
    }


async def test_a_key_of_one_team_sees_only_that(metrics: RunningMetrics):
    seen = (await metrics.ask("/v1/report", key="team-a", measure="contacts", by="team")).json()["rows"]
    assert seen == [{"team": "a", "contacts": 1}]
    assert (await metrics.ask("/v1/report", key="team-a", measure="contacts", filter="team:b")).status_code == 403
    of_customers = await metrics.ask("/v1/report", key="team-a", measure="cltv")
    assert (of_customers.status_code, of_customers.json()["errors"][0]["pointer"]) == (403, "/measure")
    assert "Sales complained of" not in (await metrics.ask("/figures", key="team-a")).text
    assert (await metrics.ask("/v1/report", key="emit", measure="contacts")).status_code == 403
    assert (await metrics.ask("/v1/report", key="nobody", measure="contacts")).status_code == 401


async def test_the_dashboard_shows_figures_with_a_way_to_their_contacts(metrics: RunningMetrics):
    page = await metrics.ask("/", days=7)
    assert page.status_code == 200
    for told in ("Contacts per day by channel", "Still waiting", "Deadlines met by target", "Satisfaction by channel"):
        assert told in page.text
    assert "/contacts?measure=sla" in page.text
    narrowed = await metrics.ask("/", **{"from": "2026-03-02", "to": "2026-03-09", "filter": "team:a", "by": "channel"})
    assert "Where it goes worst, by channel" in narrowed.text
    assert (await metrics.ask("/", filter="weather:bad")).json()["errors"][0]["pointer"] == "/filter"
    signed_out = await metrics.http.get("/", headers={"Accept": "text/html"})
    assert (signed_out.status_code, signed_out.headers["location"]) == (303, "/login?next=/")


async def test_all_figures_stand_on_one_page(metrics: RunningMetrics):
    page = await metrics.ask("/figures", **{"from": "2026-03-03", "to": "2026-03-09"})
    assert page.status_code == 200
    for told in ("Settled at first contact", "/v1/report/customers?measure=churn", "Sales complained of", "(NPS)"):
        assert told in page.text


async def test_behind_a_figure_is_a_page_for_people(metrics: RunningMetrics):
    listed = await metrics.ask(
        "/contacts", measure="sla", figure="breached", filter="target:promise", tz="Europe/Berlin"
    )
    assert listed.status_code == 200
    for told in ("Contacts behind breached", ">C-1<", "2026-03-02 10:10", "/v1/customers/K-1/timeline", "breached 1"):
        assert told in listed.text
    as_csv = await metrics.ask("/contacts", measure="contacts", format="csv")
    assert (as_csv.status_code, as_csv.headers["location"]) == (303, "/v1/report/contacts?measure=contacts&format=csv")
    paged = await metrics.ask("/contacts", measure="contacts", limit=2)
    assert "cursor=" in paged.text
    assert "No contact is counted here" in (await metrics.ask("/contacts", measure="reopens", to="2020-01-01")).text
