"""By which channel a customer hears from us: what the step asks, what they prefer and allow, where they are."""

from typing import Any

import pytest
from followup.domain.addresses import address_key, phone_number
from followup.domain.reach import consents
from followup.domain.surveys import change_consent, wishes
from rapport.contracts import decode

from tests.support.followup import PLAYS, Story, at, consent, event, profile, received, resolved

TEXTED = PLAYS.replace("senders: {", 'senders: {sms: {url: "json://gateway/{phone}"}, ')
BOTH = frozenset({"default", "sms"})
PHONE = "+49 (0)170 1234-567"


def asked(*events: Any, plays: str = TEXTED, senders: frozenset[str] = BOTH, **fields: Any) -> list[str]:
    """By which channel the survey went out, or why not."""
    of_customer: dict[str, Any] = {"phone": PHONE, "preferred_channel": "sms", **fields}
    told = Story(plays, senders).take_in(profile(**of_customer), *events)
    told.take_in(received("0 08:00"), resolved("0 10:00")).until("2 00:00")
    sent = [one.channel for one in told.of("followup.sent")]
    assert sent == [one.channel for one in told.of("survey.sent")]
    return sent + [one.reason for one in told.of("followup.suppressed")]


def step(via: str) -> str:
    return TEXTED.replace("survey: csat, template: thanks", f"survey: csat, template: thanks, via: {via}")


def test_a_customer_who_prefers_texts_gets_them_where_there_is_a_sender_for_them():
    assert asked() == ["sms"]
    assert asked(senders=frozenset({"default"})) == ["email"]
    assert asked(preferred_channel="chat") == ["email"]
    assert asked(preferred_channel=None) == ["email"]


def test_who_can_not_be_reached_by_text_gets_mail():
    assert asked(phone="ask at the desk") == ["email"]
    assert asked(phone=None, email=None) == ["no_address"]
    bounced = event("message.bounced", at("0 01:00"), address="0049 170 1234567", permanent=True)
    assert asked(bounced) == ["email"]


def test_a_step_that_asks_for_a_channel_takes_no_other():
    assert asked(plays=step("sms"), preferred_channel="email") == ["sms"]
    assert asked(plays=step("email")) == ["email"]
    assert asked(plays=step("sms"), phone=None) == ["no_address"]
    assert asked(plays=step("sms"), senders=frozenset({"default"})) == ["no_sender"]
    complained = event("message.complained", at("0 01:00"), address="+491701234567")
    assert asked(complained, plays=step("sms")) == ["complained"]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ([("sms", False)], ["email"]),
        ([("phone", False)], ["sms"]),
        ([("email", False)], ["no_consent"]),
        ([("email", False), ("sms", True)], ["sms"]),
        ([("sms", False), ("email", True)], ["email"]),
        ([(None, False)], ["no_consent"]),
        ([("sms", False), (None, True)], ["sms"]),
        ([(None, True), ("sms", False)], ["email"]),
    ],
)
def test_the_newest_word_for_the_channel_counts_and_a_stop_to_mails_stops_texts(said, outcome):
    words = [
        consent(f"0 0{hour}:00", "survey", granted=granted, **({"channel": channel} if channel else {}))
        for hour, (channel, granted) in enumerate(said, start=1)
    ]
    assert asked(*words) == outcome
    assert asked(*reversed(words)) == outcome


def test_consent_to_mails_alone_opens_no_texts():
    unasked = TEXTED.replace("survey: true", "survey: false")
    assert asked(consent("0 01:00", "survey", granted=True, channel="email"), plays=unasked) == ["email"]
    assert asked(consent("0 01:00", "survey", granted=True), plays=unasked) == ["sms"]
    assert asked(consent("0 01:00", "survey", granted=True, channel="sms"), plays=unasked) == ["sms"]


def test_the_page_shows_as_wished_what_comes_by_any_channel_and_stopping_it_there_stops_texts():
    unasked = TEXTED.replace("survey: true", "survey: false")
    told = Story(unasked, BOTH).take_in(profile(phone=PHONE, preferred_channel="sms"))
    told.take_in(consent("0 01:00", "survey", granted=True, channel="sms"))
    assert wishes(told.customer(), "survey", told.rules)["survey"]
    assert not wishes(told.customer(), "survey", Story(unasked).rules)["survey"]
    decision = change_consent("K-1", 0, {"survey": False}, at("0 02:00"), "choice")
    told.take_in(*(decode(posting.event) for posting in decision.states))
    assert not wishes(told.customer(), "survey", told.rules)["survey"]
    assert not consents("survey", told.customer(), told.rules, "sms")


def test_texts_and_mails_share_one_budget():
    told = Story(TEXTED, BOTH).take_in(profile(phone=PHONE, preferred_channel="sms"))
    told.take_in(received("0 08:00"), resolved("0 10:00")).until("2 00:00")
    told.take_in(profile("2 00:00", preferred_channel="email"), received("2 08:00", "C-2"), resolved("2 10:00", "C-2"))
    told.until("4 00:00")
    assert [one.reason for one in told.of("followup.suppressed")] == ["per_survey"]


def test_numbers_are_the_same_however_they_are_written():
    written = ["+49 (0)170 1234-567", "0049 170 1234567", "+49.170.1234567", "+491701234567"]
    assert {phone_number(one) for one in written} == {"+491701234567"}
    assert [phone_number(one) for one in ("", "call me", "+12", "+49/../x", "+" + "1" * 16, "+49 170 x")] == [None] * 6
    assert {address_key(one) for one in (*written, "491701234567", "49 170 1234567")} == {"491701234567"}
    assert address_key("Ada@Example.org") == "ada@example.org"


def test_a_number_without_its_country_is_texted_to_nobody():
    assert [phone_number(one) for one in ("(555) 123-4567", "0151 12345678", "4915112345678", "+0151 123")] == [
        None
    ] * 4
    assert asked(phone="(555) 123-4567") == ["email"]
    assert asked(phone="0151 12345678", email=None) == ["no_address"]


@pytest.mark.parametrize(("word", "more"), [("bounced", {"permanent": True}), ("complained", {})])
def test_a_number_that_came_back_is_known_however_the_gateway_writes_it(word: str, more: dict[str, Any]):
    told = event(f"message.{word}", at("0 01:00"), address="491701234567", **more)
    assert asked(told) == ["email"]
    assert asked(told, plays=step("sms")) == [word]
