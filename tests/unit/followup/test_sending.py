"""What becomes of a message: checked once more, tried again, failed; never twice unknowingly."""

from datetime import timedelta

import pytest
from followup.domain import sending
from followup.domain.state import Message

from tests.support.followup import Story, at, consent, profile, received, reopened, resolved

HELPED = (profile(), received("0 08:00"), resolved("0 10:00"))


def reserved() -> tuple[Story, Message]:
    """A survey whose slot is taken and whose message waits."""
    told = Story().take_in(*HELPED)
    told.look(at("1 10:00"), send=False)
    [message] = told.pending()
    return told, message


def fail(told: Story, message: Message, reason: str) -> None:
    told.settle(message, lambda one, customer: sending.failed(one, customer, told.rules, told.now, reason))


def put_back(told: Story, message: Message) -> Message:
    told.settle(message, lambda one, customer: sending.try_again(one, customer, told.rules, told.now, "450"))
    return told.message(message.id)


def slots(told: Story) -> list[str]:
    return [slot.followup_id for slot in told.customer().slots]


def test_the_slot_is_taken_before_anything_is_sent():
    told, message = reserved()
    assert slots(told) == [message.id]
    assert told.sends == []


def test_whoever_withdrew_consent_a_moment_ago_gets_nothing():
    told, message = reserved()
    told.take_in(consent("1 10:00", "survey", granted=False))
    assert told.take(message) is None
    assert (told.message(message.id).status, slots(told)) == ("withdrawn", [])
    assert [one.reason for one in told.of("followup.suppressed")] == ["no_consent"]


def test_a_reopening_takes_a_waiting_message_back():
    told, message = reserved()
    told.take_in(reopened("1 10:00"))
    assert told.take(message) is None
    assert (told.message(message.id).status, slots(told)) == ("withdrawn", [])


def test_a_message_that_waited_into_the_night_goes_in_the_morning():
    told, message = reserved()
    told.now = at("1 23:00")
    assert told.take(message) is None
    assert told.message(message.id).status == "withdrawn"
    told.until("3 00:00")
    [(name, instant)] = told.sends
    assert name == message.id
    assert at("2 08:00") <= instant <= at("2 12:00")


def test_what_nobody_knows_to_have_gone_out_keeps_its_slot_and_is_not_sent_again():
    told, message = reserved()
    told.take(message)
    fail(told, message, sending.UNKNOWN)
    told.until("1 20:00")
    assert (told.message(message.id).status, slots(told)) == ("failed", [message.id])
    assert [one.reason for one in told.of("followup.failed")] == ["unknown"]
    assert told.sends == []


def test_what_surely_failed_gives_its_slot_back():
    told, message = reserved()
    told.take(message)
    fail(told, message, "550 no such user")
    assert slots(told) == []


def test_nothing_more_goes_to_an_address_that_is_nobodys_until_the_customer_has_another():
    told, message = reserved()
    told.take(message)
    told.settle(
        message,
        lambda one, customer: sending.failed(one, customer, told.rules, told.now, "550 5.1.1", "Ada@example.org"),
    )
    told.play([received("1 12:00", "C-2"), resolved("1 13:00", "C-2")], "3 00:00")
    assert (told.sends, [one.reason for one in told.of("followup.suppressed")]) == ([], ["bounced"])
    told.take_in(profile("3 01:00", email="ada@example.net"))
    told.play([received("3 12:00", "C-3"), resolved("3 13:00", "C-3")], "8 00:00")
    assert len(told.sends) == 1


@pytest.mark.parametrize("reopen", [False, True])
def test_a_mail_server_that_is_away_is_tried_again_ever_more_slowly_for_a_day(reopen):
    told, message = reserved()
    waits = []
    while told.take(message):
        if reopen:
            told.take_in(reopened("1 11:00"))
        again = put_back(told, message)
        waits.append(again.next_at - told.now)
        if again.status != "pending" or len(waits) > 20:
            break
        told.now = again.next_at
    if reopen:
        assert [one.reason for one in told.of("followup.cancelled")] == ["contact.reopened", "withdrawn"]
    else:
        assert waits[:4] == [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1)]
    assert slots(told) == []


def test_no_message_is_taken_twice():
    told, message = reserved()
    assert told.take(message) is not None
    assert told.take(message) is None
