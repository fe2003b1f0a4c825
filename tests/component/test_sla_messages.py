"""Which messages go out together, when, and what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rapport.decision import Ref, States
from sla_monitor.domain import sending
from sla_monitor.domain.grouping import STORM, Batch, batches, key_of, may_go, moot
from sla_monitor.domain.message import LISTED, Message, worst_first
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy import Grouping
from sla_monitor.domain.states import AlertState, ContactState, CustomerState

NOW = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
GROUPING = Grouping.model_validate({"wait": "10s", "interval": "5m"})


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def waiting(number: int = 1, **fields: Any) -> NotificationState:
    given: dict[str, Any] = {
        "id": f"C-{number}/first_response/1/0.1.0/desk",
        "partition": 0,
        "alert_id": f"C-{number}/first_response/1",
        "contact_id": f"C-{number}",
        "customer_id": f"K-{number}",
        "target": "first_response",
        "cycle": 1,
        "deadline": NOW,
        "receiver": "desk",
        "due": NOW,
        "group": "billing/mail",
        **fields,
    }
    return NotificationState(**given)


def alert(number: int = 1, **fields: Any) -> AlertState:
    given: dict[str, Any] = {
        "id": f"C-{number}/first_response/1",
        "partition": 0,
        "contact_id": f"C-{number}",
        "customer_id": f"K-{number}",
        "target": "first_response",
        "cycle": 1,
        "state": "breached",
        "started_at": at(-3600),
        "due_at": NOW,
        "breached_at": NOW,
        "group": "billing/mail",
        "team": "billing",
        "subject": "Invoice wrong",
        **fields,
    }
    return AlertState(**given)


def grouped(*pending: NotificationState, sent: dict[str, datetime] | None = None) -> list[Batch]:
    return batches(pending, GROUPING, {key_of(one): NOW for one in pending}, sent or {})


def message(*alerts: AlertState, kind: str = "breach", **fields: Any) -> Message:
    customers = {"K-1": CustomerState(id="K-1", partition=0, name="Rossi", title="Ms", tier="gold")}
    key = key_of(waiting(kind=kind))
    given: dict[str, Any] = {"at": at(720), "name": "msg_1", "public_url": "https://sla.example", **fields}
    return Message(key=key, alerts=worst_first(alerts), customers=customers, **given)


def test_a_new_group_waits_for_more_members_and_goes_as_one():
    [batch] = grouped(waiting(2), waiting(1))
    assert batch.ready_at == at(10)
    assert [one.contact_id for one in batch.members] == ["C-1", "C-2"]
    assert not may_go(batch, at(9), behind=False)
    assert may_go(batch, at(10), behind=False)


def test_what_joins_a_group_that_was_just_sent_waits_for_the_interval():
    key = key_of(waiting()).text
    [batch] = grouped(waiting(), sent={key: at(-60)})
    assert batch.ready_at == at(240)


def test_warnings_breaches_and_receivers_never_wait_for_each_other():
    found = grouped(waiting(1), waiting(2, kind="warning"), waiting(3, receiver="lead"), waiting(4, group="x/mail"))
    assert len(found) == 4


def test_a_storm_waits_for_its_rest_but_not_for_ever():
    [storm] = grouped(*(waiting(n) for n in range(STORM)))
    assert not may_go(storm, at(30), behind=True)
    assert may_go(storm, at(30), behind=False)
    assert may_go(storm, at(71), behind=True)
    [few] = grouped(*(waiting(n) for n in range(STORM - 1)))
    assert may_go(few, at(10), behind=True)


def test_a_message_that_nobody_needs_any_more_is_not_sent():
    assert moot(waiting(), alert()) == ""
    assert moot(waiting(), alert(state="acknowledged")) == "the alert is acknowledged"
    assert moot(waiting(), None) == "the alert is gone"
    assert moot(waiting(kind="warning"), alert()) == "the alert is breached"
    assert moot(waiting(kind="cleared"), alert(state="cleared")) == ""
    assert moot(waiting(kind="cleared"), alert()) == "the alert is breached again"


def test_whoever_was_rung_for_a_breach_that_was_withdrawn_hears_that_though_its_deadline_is_near():
    near = alert(state="warned", breached_at=None, warned_at=at(700), due_at=at(900))
    assert moot(waiting(kind="cleared"), near) == ""
    over = message(near, kind="cleared")
    assert over.text.startswith("CLEARED · first response · #C-1 ")
    assert over.body()["status"] == "resolved"


def test_one_alert_is_told_in_one_line_and_in_alertmanagers_form():
    one = message(alert())
    assert one.text.startswith('BREACHED 12 min · first response · #C-1 "Invoice wrong" · Ms Rossi (gold)')
    body = one.body()
    assert (body["version"], body["status"], body["receiver"], body["count"]) == ("4", "firing", "desk", 1)
    [listed] = body["alerts"]
    assert listed["labels"]["alertname"] == "sla_first_response"
    assert listed["generatorURL"] == "https://sla.example/contacts/C-1"
    assert listed["startsAt"] == "2026-03-02T17:00:00Z"
    assert body["commonLabels"] == listed["labels"]


def test_the_line_stays_one_whatever_others_have_written_into_it():
    odd = alert(subject="a\n b\x1b[2J", reference="R\r\n1", owner="ada\u2028x", contact_id="C\t1", url="https://a/\n")
    line = message(odd).text
    assert line.isprintable()
    assert '#R 1 "a b [2J"' in line
    assert message(odd, alert(2, group="a\nb/mail")).text.isprintable()


@pytest.mark.parametrize(
    ("contact", "url", "told"),
    [
        ('a/b?c#d %41"', None, "https://sla.example/contacts/a%2Fb%3Fc%23d%20%2541%22"),
        ("C-1", "https://desk.example/é 1?q=%41%&b=[2]#x", "https://desk.example/%C3%A9%201?q=%41%25&b=[2]#x"),
        ("C-1", "tickets/4711", "https://sla.example/contacts/C-1"),
        ("C-1", "javascript:alert(1)", "https://sla.example/contacts/C-1"),
        ("C-1", "https://desk.example:port/", "https://sla.example/contacts/C-1"),
        ("C-1", "https://a b/", "https://sla.example/contacts/C-1"),
        ("C-1", "https://[::1/", "https://sla.example/contacts/C-1"),
    ],
)
def test_products_are_told_no_address_for_which_they_would_refuse_the_message(contact, url, told):
    one = message(alert(contact_id=contact, url=url))
    assert one.body()["alerts"][0]["generatorURL"] == told
    assert one.posts("alertmanager")[0][0]["generatorURL"] == told
    assert one.posts("pagerduty")[0]["links"][0]["href"] == told


def test_of_many_the_worst_are_listed_and_all_are_counted():
    body = message(*(alert(n, due_at=at(n)) for n in range(LISTED + 7))).body()
    assert (body["count"], body["truncatedAlerts"], len(body["alerts"])) == (107, 7, 100)
    assert body["worst"] == "C-0/first_response/1"
    start = "107 BREACHED · billing/mail · oldest waits 1 h 12 min · all first response · worst: BREACHED"
    assert body["text"].startswith(start)
    assert "contact_id" not in body["commonLabels"]


def test_what_a_storm_has_in_common_is_told_for_there_is_the_cause():
    storm = [alert(number, channel="email") for number in range(3)]
    assert "all first response, e-mail, due 17:00 UTC" in message(*storm).text
    assert "all first response, due 17:00 UTC" in message(*storm, fields=("reference",)).text
    other = alert(4, target="resolution", channel="phone", due_at=at(1))
    assert "all " not in message(*storm, other).text
    standing = [alert(number, channel="email", paused=True) for number in range(3)]
    assert "all first response, e-mail · " in message(*standing).text


def test_a_webhook_knows_a_group_by_the_same_key_from_its_first_news_to_its_last():
    [firing, resolved] = [message(alert(), kind=kind).body() for kind in ("breach", "cleared")]
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["groupKey"] == resolved["groupKey"] == "desk#0/billing/mail"


def test_a_late_message_says_so_to_every_product():
    late = message(alert(), late=True)
    [incident] = late.posts("pagerduty")
    assert incident["payload"]["summary"].startswith("LATE · BREACHED")
    assert incident["payload"]["custom_details"]["late"] == "true"
    [[standing]] = late.posts("alertmanager")
    assert standing["annotations"]["summary"].startswith("LATE · BREACHED")
    assert standing["annotations"]["late"] == "true"
    assert "late" not in message(alert()).posts("alertmanager")[0][0]["annotations"]


def test_machines_are_told_what_to_do_until_it_is_done():
    annotations = message(alert()).posts("alertmanager")[0][0]["annotations"]
    assert annotations["to_do"] == "Answer the customer; an automated answer does not count."
    [over] = message(alert(state="cleared"), kind="cleared").body()["alerts"]
    assert "to_do" not in over["annotations"]


def test_a_receiver_with_fields_learns_nothing_else():
    body = message(alert(owner="agent-7"), fields=("team",)).body()
    assert body["alerts"][0]["labels"] == {
        "alertname": "sla_first_response",
        "severity": "page",
        "target": "first_response",
        "team": "billing",
        "alert": body["alerts"][0]["fingerprint"],
    }
    assert body["alerts"][0]["generatorURL"] == ""
    for personal in ("Rossi", "Invoice", "K-1", "agent-7", "owner"):
        assert personal not in str(body["alerts"])
        assert personal not in body["text"]


def loaded(*states: Any) -> States:
    made = States()
    made.loaded([Ref(type(state), state.id) for state in states], states)
    return made


def test_what_was_sent_is_told_once_with_the_next_number_of_its_contact():
    contact = ContactState(id="C-1", partition=0, customer_id="K-1", sequence=4)
    taken = waiting(status="sending", token=7)
    decide = sending.sent([taken.id], 7, at(11))
    decision = decide(taken, loaded(taken, contact), at(12))
    [told] = decision.events
    assert (told.event.type, told.event.sequence, told.event.time) == ("alert.notified", "5", at(11))
    done = next(state for state in decision.states if isinstance(state, NotificationState))
    assert (done.status, done.sent_at) == ("sent", at(11))
    assert decide(done, loaded(done, contact), at(13)).states == ()


def test_who_has_lost_the_lease_records_nothing():
    contact = ContactState(id="C-1", partition=0, customer_id="K-1")
    taken = waiting(status="sending", token=8)
    assert sending.sent([taken.id], 7, NOW)(taken, loaded(taken, contact), NOW).states == ()
    assert sending.give_back([taken.id], 7, "HTTP 500")(taken, loaded(taken), NOW).states == ()
    [back] = sending.give_back([taken.id], None, "the sender stopped")(taken, loaded(taken), NOW).states
    assert back.status == "pending"
