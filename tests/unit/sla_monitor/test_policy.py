"""The policy file: what it may say, and how it is refused."""

from datetime import date

import pytest
from pydantic import ValidationError
from sla_monitor.domain.contact_view import detail
from sla_monitor.domain.durations import read_length, read_seconds, read_warn
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.policy_book import PolicyBook, PolicyRefused, PolicyVersion
from sla_monitor.domain.quote import quote

from tests.support.sla import OFFICE, Desk, at, book, play, policy, received, responded, targets, when

DOCUMENTED = """
calendars:
  boston: {timezone: America/New_York, hours: {mon-fri: ["09:00-12:30", "13:00-17:00"]}, holidays: {country: US, subdivision: MA, add: [2026-12-24], drop: [2026-07-03]}, overrides: {2026-12-31: ["09:00-12:00"]}}
  berlin: {timezone: Europe/Berlin, hours: {mon-fri: ["09:00-17:00"]}}
  sydney: {timezone: Australia/Sydney, hours: {"mon-thu, sat": ["09:00-17:00"]}}
policies:
  - name: complaints
    match: {kind: complaint, tier: [gold, platinum], attributes.vip: true}
    calendar: {by: region, map: {eu: berlin}, default: boston}
    targets:
      first_response: {within: 4h}
      next_response: {within: 8h}
      update: {every: 2 business days}
      resolution: {within: 3 business days, pause_on: [customer]}
      escalated: {within: 1h}
    warn: [75%, 30m before]
    page: business_hours
    reopen: continue
    reopen_floor: 20%
    reopen_within: 14d
    escalation: {by: team, map: {billing: billing}, default: billing}
  - name: mail
    match: {channel: email}
    calendar: boston
    targets: {first_response: {by: end of next business day, cutoff: 15:00}}
escalations:
  billing: [{after: 0m, notify: [owner, team]}, {after: 15m, notify: [billing-lead]}, {after: 1h, notify: [agent-7], repeat: 1h}]
receivers:
  billing-lead: {url: "${BILLING_LEAD_URL}", fields: [reference]}
  follow-the-sun: [{calendar: sydney, url: "…"}, {calendar: berlin, url: "…"}, {url: "…"}]
people: {agent-7: {name: Ada, url: "…"}}
teams: {billing: {receiver: follow-the-sun}}
grouping: {by: [team, policy], wait: 10s, interval: 5m}
risk:
  repeat_contacts: {count: 3, within: 7d, same: topic}
  breaches: {count: 2, within: 30d}
  handovers: {count: 3}
  low_score: {csat: 2, nps: 6, ces: 3}
  negative_outcome: [declined]
"""  # noqa: E501 - as in the documentation


def test_the_documented_format_is_read_whole_and_secrets_stay_unexpanded():
    version = policy(DOCUMENTED)
    assert version.file.receivers["billing-lead"].entries[0].url == "${BILLING_LEAD_URL}"
    assert [rule.name for rule in version.rules] == ["complaints", "mail"]


def test_holidays_are_expanded_once_into_the_version():
    version = policy(DOCUMENTED)
    days = version.holidays["boston"]
    assert date(2026, 12, 24) in days
    assert date(2026, 7, 3) not in days
    assert date(2026, 4, 20) in days, "Patriots' Day is Massachusetts' own"
    again = PolicyVersion.model_validate_json(version.model_dump_json())
    assert again.holidays == version.holidays
    assert again.tzdata == version.tzdata != ""


@pytest.mark.parametrize(
    ("written", "instead", "place", "reason"),
    [
        ("within: 4h", "within: 4 days", "policies[0].targets.first_response.within", "not a length"),
        ("calendar: boston\n", "calendar: bosten\n", "policies[1].calendar", "no calendar called 'bosten'"),
        ("page: business_hours", "pages: now", "policies[0].pages", "no key that is known"),
        ("country: US", "country: XX", "calendars.boston.holidays", "no such public holidays"),
        ("mon-fri", "mon-fry", "calendars.boston.hours", "not a weekday"),
        ("[agent-7]", "[agent-8]", "escalations.billing[2].notify", "no receiver or person called 'agent-8'"),
        ("default: billing", "default: sales", "policies[0].escalation", "no escalation called 'sales'"),
        ("receiver: follow-the-sun", "receiver: moon", "teams.billing.receiver", "no receiver called 'moon'"),
        ("update: {every", "update: {within", "policies[0].targets.update", "update says every"),
        ("{channel: email}", "{chanel: email}", "policies[1].match.chanel", "'chanel' is no field"),
        ("Europe/Berlin", "Europe/Bärlin", "calendars.berlin.timezone", "not a known time zone"),
        ("name: mail", "name: complaints", "policies[1].name", "two policies"),
        ("page: business_hours", "page: now\n    page: list", "policies[0].page", "given twice"),
        ("{within: 1h}", "{within: 1h, pause_on: [customer]}", "policies[0].targets.escalated", "may pause"),
        ('"09:00-12:30"', '"09:00-13:30"', "calendars.boston.hours", "overlaps"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place_and_reason(written, instead, place, reason):
    text = DOCUMENTED.replace(written, instead, 1)
    with pytest.raises(PolicyRefused) as refused:
        policy(text)
    fault = refused.value.faults[0]
    assert fault.path == place
    assert reason in fault.reason
    line = text.splitlines()[fault.line - 1]
    assert place.split(".")[-1].partition("[")[0] in line or fault.path.endswith("]")


def test_broken_yaml_is_refused_with_line_and_column():
    with pytest.raises(PolicyRefused, match="line 3, column"):
        policy("policies:\n  - name: [a\n  - b: {")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("policies: &again [*again]", "line 1, column 11: policies"),
        ("policies: " + "[" * 3000, "nested too deep"),
        ("policies: []\nteams: {a\x00: {}}", r"line 2, column 10: the file: the character '\\x00' is not allowed"),
        (
            DOCUMENTED.replace("add: [2026-12-24]", "add: [2026-02-30]"),
            "line 3, column 137: .*'2026-02-30': day is out",
        ),
        (DOCUMENTED.replace("reopen_floor: 20%", "reopen_floor: 5.5"), r"reopen_floor: .*less than or equal to 1"),
        (DOCUMENTED.replace("within: 4h", "within: 99999999999h"), "within: '99999999999h' is longer than ten years"),
        (DOCUMENTED.replace("within: 4h", "within: 9999 business days"), "within: .* is longer than ten years"),
        (DOCUMENTED.replace("after: 0m", "after: 99999999999d"), "after: '99999999999d' is longer than ten years"),
        (
            DOCUMENTED.replace("within: 4h", 'by: end of next business day, cutoff: "15:00Z"'),
            "cutoff: '15:00Z' names a zone",
        ),
    ],
)
def test_what_no_calendar_can_hold_and_no_reader_can_follow_is_refused_like_any_other_fault(text: str, reason: str):
    with pytest.raises(PolicyRefused, match=reason):
        policy(text)


def test_aliases_upon_aliases_are_looked_at_once_each():
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 30)]
    with pytest.raises(PolicyRefused, match="a29: is no key"):
        policy("\n".join(laughs))


def test_a_calendar_that_never_opens_is_refused():
    with pytest.raises(PolicyRefused, match="does not open again"):
        policy("calendars: {never: {timezone: UTC, hours: {}}}")


ENDING = """
calendars: {fair: {timezone: UTC, hours: {}, overrides: {2026-03-04: ["09:00-17:00"]}}}
policies:
  - {name: fair, calendar: fair, targets: {first_response: {within: 4h}, resolution: {by: end of same business day}}}
"""


def test_a_calendar_that_runs_out_before_a_target_is_refused():
    with pytest.raises(PolicyRefused, match="does not go on opening, as first_response of 'fair' needs") as refused:
        policy(ENDING)
    assert {fault.path for fault in refused.value.faults} == {"calendars.fair"}


def test_a_contact_whose_calendar_has_run_out_has_no_deadline_and_says_why():
    version = PolicyVersion(number=1, effective_from=at("00:00"), source=ENDING)
    played = Desk(SlaDomain(PolicyBook([version])))
    played.take(received("Thu 09:00"))
    played.take(responded("Thu 10:00"))
    played.look("+20 09:00")
    assert played.told() == []
    view = detail(played.contact, played.domain.book, at("+20 09:00"))
    assert view["targets"] == []
    assert [(one["target"], one["why"]) for one in view["without_deadline"]] == [
        ("resolution", "its calendar never opens again")
    ]
    assert quote({"channel": "email"}, at("Thu 09:00"), played.domain.book).deadlines == ()


def test_an_alert_of_a_calendar_that_has_run_out_rings_at_once():
    text = ENDING.replace("targets:", "escalation: e, targets:")
    text += 'escalations: {e: [{after: 0m, notify: [lead]}]}\nreceivers: {lead: {url: "json://lead"}}\n'
    version = PolicyVersion(number=1, effective_from=at("00:00"), source=text)
    played = Desk(SlaDomain(PolicyBook([version])))
    played.take(received("Wed 10:00"))
    played.look("+20 09:00")
    assert {when(one.due) for one in played.notifications} == {"Wed 14:00", "Wed 17:00"}


@pytest.mark.parametrize("field", ["email", "phone", "name", "title"])
def test_who_a_customer_is_can_not_be_asked_for(field: str):
    with pytest.raises(PolicyRefused, match=f"'{field}' says who a customer is"):
        policy(targets("first_response: {within: 1h}", match=f"{{{field}: x}}"))


def test_one_customer_can_be_meant():
    under = targets("first_response: {within: 1h}", match="{customer_id: K-1}")
    assert play([received("09:00")], under=under).contact.policy == "only"
    assert play([received("09:00", customer_id="K-2")], under=under).contact.policy is None
    assert quote({"customer_id": "K-1"}, at("09:00"), book(under)).policy == "only"
    assert quote({"channel": "email"}, at("09:00"), book(under)).policy is None


def test_a_policy_behind_one_that_matches_every_contact_is_cautioned_about():
    both = "policies: [{name: all, calendar: office}, {name: late, match: {tier: gold}, calendar: office}]"
    [caution] = policy(OFFICE + both).cautions
    assert (caution.path, caution.reason) == (
        "policies[1]",
        "'late' never applies: 'all' above it matches every contact",
    )


def test_the_first_version_reaches_back_for_ever_and_others_count_from_their_instant():
    versions = book(targets("first_response: {within: 1h}"), targets("first_response: {within: 2h}"))
    assert versions.in_force(at("-900 00:00")).number == 1
    assert versions.in_force(at("23:59")).number == 1
    assert versions.in_force(at("Tue 00:00")).number == 2
    with pytest.raises(ValueError, match="before an earlier one"):
        PolicyBook([policy(number=2, since="Mon 00:00"), policy(number=1, since="Tue 00:00")])


@pytest.mark.parametrize("yes", ["true", "True", "TRUE"])
def test_the_first_policy_that_matches_applies(yes: str):
    version = policy(DOCUMENTED.replace("attributes.vip: true", f"attributes.vip: {yes}"))
    vip = {"kind": "complaint", "tier": "gold", "attributes.vip": True, "channel": "email"}
    assert getattr(version.match(vip), "name", None) == "complaints"
    assert getattr(version.match({**vip, "attributes.vip": False}), "name", None) == "mail"
    assert version.match({"channel": "phone"}) is None


def test_a_quote_says_policy_and_deadlines_before_anything_happens():
    quoted = quote({"channel": "email", "kind": "complaint", "tier": "gold", "attributes.vip": True, "region": "eu"},
        at("09:00"), book(DOCUMENTED))  # fmt: skip
    assert (quoted.policy, quoted.calendar) == ("complaints", "berlin")
    assert {d.target: when(d.due_at) for d in quoted.deadlines}["first_response"] == "13:00"
    with pytest.raises(ValidationError):
        quote({"channel": "pigeon"}, at("09:00"), book(OFFICE))


def test_lengths_are_read_as_they_are_written():
    assert read_seconds("1h30m") == 5400
    assert read_length("3 business days").days == 3
    assert read_length("30s").seconds == 30
    assert read_warn("30m before").used(3600) == 1800
    assert read_warn("75%").used(3600) == 2700
    for wrong in ("4", "h", "-4h", "4 h before", "100%", "0 business days", 4, None):
        with pytest.raises(ValueError, match="is n"):
            read_length(wrong)
        with pytest.raises(ValueError, match="is n"):
            read_warn(wrong)


def test_receivers_may_be_products_and_the_auditor_must_know_whom_it_tells():
    known = policy("receivers: {lead: {url: 'pagerduty:key'}, am: {url: 'alertmanager:http://am:9093'}}\nauditor: lead")
    assert known.file.auditor == ["lead"]
    with pytest.raises(PolicyRefused, match="there is no receiver or person called 'leed'"):
        policy("receivers: {lead: {url: 'pagerduty:key'}}\nauditor: [leed]")
