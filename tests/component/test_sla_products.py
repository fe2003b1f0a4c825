"""Other products get what they expect: PagerDuty, Alertmanager, mail; and nothing inside this machine does."""

import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rapport.runtime.clock import SystemClock
from rapport.runtime.through_apprise import ThroughApprise, is_known
from sla_monitor.delivery import Delivery, Letter
from sla_monitor.domain.grouping import STORM, GroupKey
from sla_monitor.domain.message import Message, worst_first
from sla_monitor.domain.signals import Signal, dedup_key, to_alertmanager
from sla_monitor.domain.states import AlertState

from tests.support.pagerduty import PagerDuty
from tests.support.receivers import Receiver, receiver

NOW = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


@pytest.fixture
async def delivery() -> AsyncIterator[Delivery]:
    made = Delivery(SystemClock(), timeout=30, allow_internal=True)
    yield made
    await made.close()


def alert(number: int = 1, **fields: Any) -> AlertState:
    given: dict[str, Any] = {
        "id": f"C-{number}/first_response/1",
        "partition": 0,
        "contact_id": f"C-{number}",
        "customer_id": "K-1",
        "target": "first_response",
        "cycle": 1,
        "state": "breached",
        "started_at": NOW - timedelta(hours=1),
        "due_at": NOW,
        "breached_at": NOW,
        "team": "billing",
        "policy": "mail",
        **fields,
    }
    return AlertState(**given)


def message(*alerts: AlertState, kind: str = "breach", **fields: Any) -> Message:
    given = {"customers": {}, "at": NOW + timedelta(minutes=12), "name": "msg_1", **fields}
    return Message(key=GroupKey("lead", 0, "billing/mail", kind), alerts=worst_first(alerts), **given)


def letter(written: Message, via: str) -> Letter:
    return Letter(written.name, written.text, written.body(), tuple(written.posts(via)))


async def test_pagerduty_opens_takes_and_resolves_one_incident_per_alert(delivery: Delivery, pager: PagerDuty):
    told = message(alert(subject="Invoice wrong"), public_url="https://sla.example")
    assert (await delivery.send(pager.address, letter(told, "pagerduty"))).ok
    [incident] = pager.opened
    assert (incident.key, incident.severity, incident.status) == ("C-1/first_response/1", "critical", "triggered")
    assert "Invoice wrong" in incident.summary
    known = {"C-1/first_response/1": told.names("pagerduty").values()}
    for kind, state in (("acknowledged", "acknowledged"), ("cleared", "resolved")):
        after = message(
            alert(), kind=kind, known=known, settled=frozenset(dedup_key("C-1/first_response/1") for _ in "1")
        )
        assert (await delivery.send(pager.address, letter(after, "pagerduty"))).ok
        assert incident.status == state
    assert len(pager.opened) == 1


async def test_a_storm_is_one_incident_that_ends_with_the_last_of_its_alerts(delivery: Delivery, pager: PagerDuty):
    told = message(*(alert(n) for n in range(STORM)))
    assert (await delivery.send(pager.address, letter(told, "pagerduty"))).ok
    [incident] = pager.opened
    assert incident.summary.startswith(f"{STORM} BREACHED")
    assert set(told.names("pagerduty").values()) == {incident.key}
    known = {f"C-{n}/first_response/1": [incident.key] for n in range(STORM)}
    some = message(alert(1), kind="cleared", known=known)
    assert some.posts("pagerduty") == []
    assert (await delivery.send(pager.address, letter(some, "pagerduty"))).ok
    rest = message(alert(2), kind="cleared", known=known, settled=frozenset([incident.key]))
    assert (await delivery.send(pager.address, letter(rest, "pagerduty"))).ok
    assert incident.status == "resolved"


async def test_what_pagerduty_refuses_is_not_sent_again_and_what_it_can_not_take_now_is(
    delivery: Delivery, pager: PagerDuty
):
    broken = Letter("msg_1", "t", {}, ({"event_action": "trigger", "payload": {"summary": ""}},))
    refused = await delivery.send(pager.address, broken)
    assert (refused.ok, refused.again) == (False, False)
    assert "Event object is invalid" in refused.detail
    assert pager.refused
    pager.statuses = [429, 503]
    for _ in range(2):
        outcome = await delivery.send(pager.address, letter(message(alert()), "pagerduty"))
        assert (outcome.ok, outcome.again) == (False, True)
    assert (await delivery.send(pager.address, letter(message(alert()), "pagerduty"))).ok


async def test_a_routing_key_never_shows_in_what_went_wrong(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PD_KEY", "very-secret")
    outcome = await delivery.send("pagerduty:http://127.0.0.1:9/#key=${PD_KEY}", letter(message(alert()), "pagerduty"))
    assert (outcome.ok, outcome.again) == (False, True)
    assert "very-secret" not in outcome.detail
    assert (await delivery.send("pagerduty:", letter(message(alert()), "pagerduty"))).detail.endswith("routing key")


def test_a_key_that_pagerduty_would_find_too_long_is_shortened():
    assert len(dedup_key("x" * 240 + "/first_response/1")) <= 255
    assert dedup_key("C-1/update/2") == "C-1/update/2"


def test_alerts_whose_contacts_a_receiver_may_not_learn_stay_different_alerts_to_alertmanager():
    told = message(alert(1), alert(2), fields=())
    [labels, others] = [one["labels"] for one in told.posts("alertmanager")[0]]
    assert labels.keys() == {"alertname", "target", "severity", "alert"}
    assert labels["alert"] != others["alert"]
    assert [one["labels"] for one in told.body()["alerts"]] == [labels, others]
    known = {"C-1/first_response/1": [told.names("alertmanager")["C-1/first_response/1"]]}
    [[over]] = message(alert(1), kind="cleared", known=known, fields=()).posts("alertmanager")
    assert over["labels"] == labels


def test_a_webhook_has_in_common_what_alertmanager_would_have():
    one = message(alert(1)).body()
    assert one["commonAnnotations"] == one["alerts"][0]["annotations"]
    both = message(alert(1), alert(2), link="https://sla.example/a/t").body()
    assert both["commonLabels"]["team"] == "billing"
    assert "contact_id" not in both["commonLabels"]
    said = both["alerts"][0]["annotations"]
    common = {"due_at": said["due_at"], "to_do": said["to_do"], "acknowledge_url": "https://sla.example/a/t"}
    assert both["commonAnnotations"] == common


async def test_alertmanager_is_told_by_labels_that_last_until_the_alert_ends(delivery: Delivery, desk: Receiver):
    told = message(alert(owner="agent-7"))
    address = desk.url.removesuffix("/hook") + "/prefix/"
    assert (await delivery.send(f"alertmanager:{address}", letter(told, "alertmanager"))).ok
    assert desk.taken[0].path == "/prefix/api/v2/alerts"
    assert desk.taken[0].headers["content-type"] == "application/json"
    [[begun]] = told.posts("alertmanager")
    assert begun["labels"]["contact_id"] == "C-1"
    assert "owner" not in begun["labels"]
    assert begun["endsAt"] > begun["startsAt"]
    known = {"C-1/first_response/1": told.names("alertmanager").values()}
    moved = message(alert(owner="agent-9", team="sales"), known=known)
    [[again, old]] = moved.posts("alertmanager")
    assert (again["labels"]["team"], old["labels"]["team"]) == ("sales", "billing")
    assert old["endsAt"] == "2026-03-02T17:12:00Z"
    over = message(alert(met_at=NOW + timedelta(minutes=5)), kind="cleared", known=known)
    [[ended]] = over.posts("alertmanager")
    assert (ended["labels"], ended["endsAt"]) == (begun["labels"], "2026-03-02T17:05:00Z")


def test_alertmanager_gets_a_storm_in_pieces():
    signals = [Signal(f"C-{n}/u/1", {"contact_id": f"C-{n}"}, "late", NOW, NOW) for n in range(1200)]
    assert [len(piece) for piece in to_alertmanager(signals, {}, NOW)] == [500, 500, 200]


async def test_a_redirect_to_inside_this_machine_is_not_followed_by_apprise_either(desk: Receiver):
    """The plug-in itself would follow: the connection is refused where it is opened."""
    guarded = ThroughApprise(allow_internal=False)
    sent = _Leads(desk.url)
    with pytest.raises(Exception, match="inside this machine"):
        await guarded.send(sent, "t", "t")
    assert desk.seen == []


class _Leads:
    """A plug-in whose service sends it on to an address inside."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self) -> str:
        return "leads://"

    def resolve_format(self, asked: str) -> str:
        return asked

    def notify(self, **_: str) -> bool:
        import requests  # noqa: PLC0415 - what apprise itself sends with

        try:
            return bool(requests.post(self._url, timeout=2).ok)
        except (OSError, requests.RequestException):
            return False


async def test_a_plug_in_that_hangs_takes_no_thread_from_the_others(desk: Receiver):
    assert is_known("json://localhost")  # else the time would run out while apprise is loaded, before it is asked
    impatient = Delivery(SystemClock(), timeout=1, allow_internal=True)
    desk.held = threading.Event()
    hanging = desk.url.replace("http://", "json://") + "?rto=20"
    given_up = await impatient.send(hanging, letter(message(alert()), "json"))
    assert given_up.detail == "no answer within 1 s"
    still = await impatient.send(hanging, letter(message(alert()), "json"))
    assert still.detail == "the message before is still on its way"
    with receiver() as other:
        assert (await impatient.send(other.url.replace("http://", "json://"), letter(message(alert()), "json"))).ok
    desk.held.set()
    await impatient.close()
