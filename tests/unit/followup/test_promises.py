"""By when a customer is told to hear from us: what stands when they are told."""

import pytest
from followup.domain.draft import Rules
from followup.domain.plays_file import parse_plays
from followup.domain.rule_book import RuleBook
from followup.wording import Wording
from rapport.contracts import Data, Event

from tests.support.followup import Story, at, event, profile, received

PLAYS = """
plays: [{name: when, on: {type: sla.opened}, steps: [{after: 0m, do: message, template: received, purpose: service}]}]
quiet: {hours: "20:00-09:00"}
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


def told(kind: str, when: str, **due: str) -> Event[Data]:
    runs = [{"target": name, "cycle": 1, "started_at": at("0 22:00"), "due_at": at(one)} for name, one in due.items()]
    more = {"cause": "contact.reclassified"} if kind == "sla.rescheduled" else {}
    return event(kind, at(when), contact_id="C-1", deadlines=runs, **more)


def promised(*events: Event[Data]) -> list[object]:
    """What the message of a night says, which goes out in the morning."""
    story = Story(PLAYS).play((profile(), received("0 22:00"), *events), "0 23:30")
    assert story.of("followup.deferred")
    story.until("1 15:00")
    assert len(story.of("followup.sent")) == 1
    return [one.promised_at for one in story.customer().followups.values()]


OPENED = told("sla.opened", "0 22:00", first_response="1 17:00", resolution="5 17:00")


def test_a_message_says_the_deadline_that_stands_when_it_goes_out():
    assert promised(OPENED) == [at("1 17:00")]
    assert promised(OPENED, told("sla.rescheduled", "0 23:00", first_response="1 10:00")) == [at("1 10:00")]


def test_a_deadline_of_something_else_is_no_promise_of_an_answer():
    assert promised(OPENED, told("sla.rescheduled", "0 23:00", update="1 12:00")) == [at("1 17:00")]


SOON = told("sla.opened", "0 22:00", first_response="1 02:00")


def test_nobody_is_told_in_the_morning_that_they_will_hear_from_us_in_the_night():
    story = Story(PLAYS).play((profile(), received("0 22:00"), SOON), "1 15:00")
    assert story.of("followup.sent") == []
    assert [one.reason for one in story.of("followup.suppressed")] == ["too_late"]


WRITTEN = {
    "received.en.txt": (b"Received\nWe have got it.", True),
    "received.de.txt": (b"Erhalten\nBis {{ promised }}.", False),
    "received.en.short.txt": (b"{% include 'until.txt' %}", False),
    "received.en.html": (b"{% extends 'layout.html' %}{% block text %}{{ promised }}{% endblock %}", False),
    "received.fr.txt": (b"{% if %}", False),
    "received.es.txt": (b"Recibido ma\xf1ana", False),
}


@pytest.mark.parametrize("file", WRITTEN)
def test_a_message_that_says_no_time_is_sent_whenever_it_may(tmp_path, file):
    text, goes = WRITTEN[file]
    for name in ("de", "en"):
        for end in ("txt", "short.txt", "html"):
            (tmp_path / f"received.{name}.{end}").write_text("Nothing")
    (tmp_path / "until.txt").write_text("until {{ promised }}")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / file).write_bytes(text)
    story = Story(PLAYS)
    rules = Rules(parse_plays(PLAYS), timeless=Wording(tmp_path, "en").without("promised"))
    story.domain.book, story.rules = RuleBook.of(rules), rules
    story.play((profile(), received("0 22:00"), SOON), "1 15:00")
    assert [len(story.of("followup.sent")), len(story.of("followup.suppressed"))] == ([1, 0] if goes else [0, 1])
