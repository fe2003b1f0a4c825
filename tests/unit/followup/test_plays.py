"""The plays file: the example of the design as it stands there, and errors that say where and why."""

import json
import re
from datetime import time, timedelta
from pathlib import Path

import pytest
from followup.domain.durations import Cap, Delay, Hours
from followup.domain.plays_file import WrongPlays, parse_plays
from followup.playbook import outlets_of, read_file, understood
from followup.smtp import Server
from followup.texts import Gateway
from rapport.runtime.settings import Misconfigured

DESIGN = Path(__file__).resolve().parents[3] / "../shared/design/followup.md"


@pytest.mark.skipif(not DESIGN.exists(), reason="the design is not here")
def test_the_file_of_the_design_is_understood():
    example = re.search(r"```yaml\n(.*?)```", DESIGN.read_text("utf-8"), re.DOTALL)
    assert example is not None
    plays = parse_plays(example[1])
    assert [play.name for play in plays.plays] == ["after-resolution", "welcome", "tell-them-when", "silent"]
    survey, call = plays.plays[0].steps
    assert (survey.after, survey.survey, survey.purpose) == (Delay(timedelta(days=1)), "csat", "survey")
    assert (call.do, call.by) == ("check_in", "owner")
    assert plays.plays[1].steps[1].at == time(10)
    assert plays.plays[2].steps[0].purpose == "service"
    assert plays.plays[1].steps[0].purpose == "marketing"
    assert (plays.budget.max, plays.budget.gap) == (Cap(2, timedelta(days=30)), timedelta(days=3))
    assert plays.quiet.hours == Hours(time(20), time(9))
    assert plays.consent.presumed("survey", "us")
    assert not plays.consent.presumed("survey", "eu")
    assert plays.senders["default"].from_ == "care@example.org"


def test_what_is_understood_reads_back_the_same():
    plays = parse_plays(read_file(None))
    assert parse_plays(json.dumps(plays.document())) == plays


ON, STEP = "{type: contact.resolved}", "{after: 1d, do: check_in}"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("plays: [", "", "expected the node content"),
        ("- a", "", "must be a mapping"),
        (f"plays: [{{name: a, on: {{type: contact.sung}}, steps: [{STEP}]}}]", "plays[0].on.type", "no type of event"),
        (f"plays: [{{name: a, on: {ON}, steps: []}}]", "plays[0].steps", "at least one"),
        (f"plays: [{{name: a, on: {ON}, steps: [{{after: soon, do: check_in}}]}}]", "plays[0].steps[0].after", "3d"),
        (f"plays: [{{name: a, on: {ON}, steps: [{{after: 1d, do: message}}]}}]", "plays[0].steps[0]", "a template"),
        (
            f"plays: [{{name: a, on: {ON}, steps: [{{after: 1d, do: sing}}]}}]",
            "plays[0].steps[0].do",
            "none of survey, check_in",
        ),
        (f"plays: [{{name: a, on: {ON}, steps: [{STEP}], cancel: []}}]", "plays[0].cancel", "did you mean 'cancel_on'"),
        (f"plays: [{{name: a, on: {ON}, steps: [{STEP}], cancel_on: [x]}}]", "plays[0].cancel_on", "'x'"),
        (f"plays: [{{name: a, on: {{silent: {{}}}}, steps: [{STEP}]}}]", "plays[0].on.silent", "quiet_for"),
        ("budget: {max: often}", "budget.max", "2 per 30d"),
        ("budget: {max: 0 per 30d}", "budget.max", "room for nothing"),
        ("budget: {per: {nps: 0 per 1d}}", "budget.per.nps", "room for nothing"),
        ("quiet: {hours: 20-9}", "quiet.hours", "09:00"),
        ("quiet: {days: [mon, tue, wed, thu, fri, sat, sun]}", "quiet.days", "at least one day"),
        ("timezone: Mars/Base", "timezone", "IANA"),
        ("regions: {us: {timezone: America/New_York, hours: {monday: []}}}", "regions.us", "mon-fri"),
        ("regions: {us: {timezone: America/New_York, hours: {mon: []}}}", "regions.us", "at least one hour"),
        (
            f"plays: [{{name: a, on: {{silent: {{quiet_for: 9d, risk: often}}}}, steps: [{STEP}]}}]",
            "plays[0].on.silent.risk",
            "neither true nor false",
        ),
        ("timezone: UTC\ntimezone: UTC", "timezone", "given twice"),
        (
            f"plays: [{{name: a, on: {ON}, steps: [{STEP}]}}, {{name: a, on: {ON}, steps: [{STEP}]}}]",
            "plays[1].name",
            "two",
        ),
        ('senders: {care: {url: "smtp://x"}}', "senders.care", "needs `from`"),
        ('senders: {sms: {from: "a@example.org", url: "json://x/{phone}"}}', "senders.sms.from", "writes texts"),
        ('senders: {default: {from: "care", url: "smtp://x"}}', "senders.default.from", "e-mail address"),
        (
            'senders: {default: {from: "Rossi, Care <care@example.org>", url: "smtp://x"}}',
            "senders.default.from",
            "with a comma or an @ stands in quotes",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_reason(text, place, reason):
    with pytest.raises(WrongPlays) as caught:
        parse_plays(text)
    [fault] = caught.value.faults
    assert fault.path == place
    assert reason in fault.reason


@pytest.mark.parametrize(
    ("on", "path", "reason"),
    [
        ("{type: contact.resolved, match: {outcom: solved}}", "match.outcom", "did you mean 'outcome'?"),
        ("{type: contact.resolved, match: {outcome: [solved, slved]}}", "match.outcome", "did you mean 'solved'?"),
        ("{type: risk.raised, match: {cause: lowscore}}", "match.cause", "did you mean 'low_score'?"),
        ("{type: contact.received, match: {outcome: solved}}", "match.outcome", "no field of contact.received"),
        ("{type: contact.received, match: {first: true}}", "match.first", "no field of contact.received"),
        ("{type: contact.received, match: {attribute.vip: true}}", "match.attribute.vip", "attributes.… are free"),
        ("{type: consent.changed, match: {attributes.vip: true}}", "match.attributes.vip", "nor of its customer"),
        ("{silent: {quiet_for: 90d}, match: {outcome: solved}}", "match.outcome", "no field of the customer"),
        ("{type: purchase.made, match: {first: yes}}", "match.first", "first is never 'yes'; it is one of true, false"),
        ("{type: contact.responded, match: {automated: 1}}", "match.automated", "is one of true, false"),
    ],
)
def test_a_match_that_nothing_can_fit_is_refused_where_it_stands(on, path, reason):
    text = f"plays:\n  - name: a\n    on: {on}\n    steps: [{STEP}]"
    with pytest.raises(WrongPlays) as caught:
        parse_plays(text)
    [fault] = caught.value.faults
    column = text.splitlines()[2].index(path.partition(".")[2] + ":") + 1
    assert (fault.line, fault.column, fault.path) == (3, column, f"plays[0].on.{path}")
    assert reason in fault.reason


@pytest.mark.parametrize(
    "on",
    [
        "{type: contact.resolved, match: {outcome: [solved, null], tier: gold, attributes.order.country: de}}",
        "{type: purchase.made, match: {first: true, currency: EUR, language: de}}",
        "{type: risk.raised, match: {lifecycle: active}}",
        "{type: sla.breached, match: {target: first_response, priority: urgent, answered_by: ada}}",
        "{type: survey.answered, match: {survey: nps, score: [9, 10]}}",
        "{silent: {resolved_unconfirmed: 10d}, match: {outcome: solved, channel: email}}",
        "{silent: {quiet_for: 90d}, match: {tier: gold}}",
    ],
)
def test_a_match_asks_what_is_known_of_the_event_its_contact_and_its_customer(on):
    assert parse_plays(f"plays: [{{name: a, on: {on}, steps: [{STEP}]}}]").plays


@pytest.mark.parametrize(
    ("written", "value"),
    [("True", True), ("FALSE", False), ("2026-12-24", "2026-12-24"), ("[2026-12-24, 7]", ["2026-12-24", 7])],
)
def test_a_match_takes_yaml_of_another_hand_at_its_word(written, value):
    plays = parse_plays(
        f"plays: [{{name: a, on: {{type: contact.resolved, match: {{attributes.x: {written}}}}}, steps: [{STEP}]}}]"
    )
    assert plays.plays[0].on.match == {"attributes.x": value}


def test_yes_and_no_may_be_asked_for_as_texts():
    assert parse_plays(
        f"plays: [{{name: a, on: {{type: purchase.made, match: {{first: 'true'}}}}, steps: [{STEP}]}}]"
    ).plays


def test_a_wrong_file_ends_the_start_with_one_line(tmp_path):
    path = tmp_path / "plays.yaml"
    path.write_text("timezone: Mars")
    with pytest.raises(Misconfigured, match=r"plays file .*plays.yaml: line 1, column 1: timezone: 'Mars'") as caught:
        understood(read_file(path), path)
    assert "\n" not in str(caught.value)
    with pytest.raises(Misconfigured, match="No such file"):
        read_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("step", "path", "reason"),
    [
        ("do: survey, via: smoke", "via", "none of email, sms, chat"),
        ("do: survey, via: chat", "via", "no sender is called 'chat'"),
        ("do: survey, sender: sms", "sender", "ask for them by via: sms"),
        ("do: survey, sender: car", "sender", "did you mean 'care'?"),
        ("do: check_in, via: sms", "", "a person calls"),
    ],
)
def test_a_step_is_sent_by_a_sender_that_there_is(step, path, reason):
    senders = '{care: {from: "a@example.org", url: "smtp://x"}, sms: {url: "json://x/{phone}"}}'
    with pytest.raises(WrongPlays) as caught:
        parse_plays(f"plays: [{{name: a, on: {ON}, steps: [{{after: 1d, {step}}}]}}]\nsenders: {senders}")
    [fault] = caught.value.faults
    assert fault.path == f"plays[0].steps[0].{path}".rstrip(".")
    assert reason in fault.reason


def test_a_sender_of_texts_says_where_the_number_goes(monkeypatch):
    plays = parse_plays('senders: {sms: {url: "${SOME_SMS_URL}"}}')
    monkeypatch.setenv("SOME_SMS_URL", "json://gateway/send")
    with pytest.raises(Misconfigured, match=r"senders\.sms\.url: \{phone\} must stand"):
        outlets_of(plays)
    monkeypatch.setenv("SOME_SMS_URL", "carrier-pigeon://secret/{phone}")
    with pytest.raises(Misconfigured, match=r"senders\.sms\.url: apprise knows no service") as caught:
        outlets_of(plays)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("SOME_SMS_URL", "json://gateway/send/{phone}")
    gateway = outlets_of(plays)["sms"]
    assert isinstance(gateway, Gateway)
    assert gateway.to("+4930123") == "json://gateway/send/%2B4930123"


def test_a_sender_without_its_variable_is_left_out(monkeypatch):
    plays = parse_plays('senders: {default: {from: "a@example.org", url: "${SOME_SMTP_URL}"}}')
    monkeypatch.delenv("SOME_SMTP_URL", raising=False)
    assert outlets_of(plays) == {}
    monkeypatch.setenv("SOME_SMTP_URL", "smtp://mail.example.org:2525")
    assert outlets_of(plays)["default"] == Server.read("smtp://mail.example.org:2525")
    monkeypatch.setenv("SOME_SMTP_URL", "http://mail.example.org")
    with pytest.raises(Misconfigured, match=r"senders\.default\.url"):
        outlets_of(plays)
