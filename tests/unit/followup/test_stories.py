"""What a customer hears from us, told day by day; all in virtual time."""

from typing import Any

import pytest

from tests.support.followup import (
    PLAYS,
    Story,
    at,
    consent,
    event,
    profile,
    received,
    reopened,
    resolved,
    said,
    story,
)

CALL = "{after: 1d, do: check_in}"
HELPED = (profile(), received("0 08:00"), resolved("0 10:00", agent_id="agent-7"))


def test_a_solved_contact_is_followed_by_a_survey_and_a_call():
    assert story(*HELPED, until="20 00:00") == [
        ("followup.scheduled", "0 10:00"),
        ("followup.scheduled", "0 10:00"),
        ("followup.sent", "1 10:00"),
        ("survey.sent", "1 10:00"),
        ("followup.owed", "14 10:00"),
    ]


def test_the_call_is_owed_by_who_answered():
    told = Story().play(HELPED, "20 00:00")
    (owed,) = told.of("followup.owed")
    assert (owed.owner, owed.due_at, owed.contact_id) == ("agent-7", at("14 10:00"), "C-1")


def test_an_outcome_that_no_play_asks_for_is_followed_by_nothing():
    assert story(profile(), received("0 08:00"), resolved("0 10:00", outcome="declined"), until="20 00:00") == []


@pytest.mark.parametrize(
    ("wanted", "attributes", "starts"),
    [
        ("attributes.vip: 'true'", {"vip": True}, True),
        ("attributes.vip: true", {"vip": "true"}, True),
        ("attributes.vip: true", {"vip": 1}, False),
        ("attributes.level: '3'", {"level": 3.0}, True),
        ("attributes.order.country: [de, at]", {"order": {"country": "at"}}, True),
        ("attributes.order.country: [de, at]", {"order": {"country": "fr"}}, False),
        ("attributes.tags: urgent", {"tags": ["late", "urgent"]}, True),
        ("attributes.tags: urgent", {"tags": []}, False),
        ("attributes.tags: urgent", {"order": {"tags": "urgent"}}, False),
    ],
)
def test_a_play_matches_as_a_policy_does(wanted, attributes, starts):
    plays = f"plays: [{{name: call, on: {{type: contact.resolved, match: {{{wanted}}}}}, steps: [{CALL}]}}]"
    told = Story(plays).play((received("0 08:00", attributes=attributes), resolved("0 10:00")), "1 00:00")
    assert bool(told.of("followup.scheduled")) is starts


def test_a_reopened_contact_takes_everything_back():
    assert story(*HELPED, reopened("0 16:00"), until="20 00:00")[2:] == [
        ("followup.cancelled", "0 16:00"),
        ("followup.cancelled", "0 16:00"),
    ]


def test_a_message_on_a_resolved_contact_opens_it_again():
    lines = story(*HELPED, received("0 16:00", subject="still broken"), until="20 00:00")
    assert [kind for kind, _ in lines].count("followup.cancelled") == 2


def test_a_reopening_withdraws_the_survey_that_has_gone_out():
    told = Story().play((*HELPED, reopened("2 10:00")), "3 00:00")
    (survey,) = [one for one in told.customer().followups.values() if one.do == "survey"]
    assert (survey.status, survey.withdrawn) == ("sent", True)


def test_each_resolution_has_its_own_follow_up_within_the_cap_of_the_survey():
    told = Story().play((*HELPED, reopened("2 10:00"), resolved("2 15:00")), "30 00:00")
    assert len(told.of("survey.sent")) == 1
    assert [(one.reason, said(one.until)) for one in told.of("followup.suppressed")] == [("per_survey", "31 10:00")]


def test_a_second_word_of_the_same_resolution_asks_no_second_time():
    again = resolved("0 12:00", id="from-another-system")
    assert story(*HELPED, again, until="20 00:00") == story(*HELPED, until="20 00:00")


@pytest.mark.parametrize(
    ("circumstance", "reason"),
    [
        (consent("0 11:00", "survey", granted=False), "no_consent"),
        (profile("0 11:00", audience="staff"), "staff"),
        (profile("0 11:00", audience="test"), "test"),
        (event("message.bounced", at("0 11:00"), address="Ada@example.org", permanent=True), "bounced"),
        (event("message.complained", at("0 11:00"), address="ada@example.org"), "complained"),
        (received("0 11:00", "C-2"), "contact_open"),
        (profile("0 11:00", email=None), "no_address"),
    ],
)
def test_whoever_must_not_be_asked_is_not_and_the_reason_is_told(circumstance, reason):
    told = Story().play((*HELPED, circumstance), "10 00:00")
    assert told.of("survey.sent") == []
    assert [(one.reason, one.until) for one in told.of("followup.suppressed")] == [(reason, None)]


@pytest.mark.parametrize("channel", ["sms", "phone", "chat"])
def test_what_is_said_of_another_channel_neither_opens_nor_closes_mail(channel):
    withdrawn = consent("0 11:00", "survey", granted=False, channel=channel)
    assert len(Story().play((*HELPED, withdrawn), "10 00:00").of("survey.sent")) == 1
    refused = consent("0 01:00", "survey", granted=False)
    granted = consent("0 11:00", "survey", granted=True, channel=channel)
    assert Story().play((*HELPED, refused, granted), "10 00:00").of("survey.sent") == []


@pytest.mark.parametrize(("channel", "calls"), [("phone", 0), (None, 0), ("email", 0), ("sms", 1)])
def test_whoever_wants_no_calls_or_chose_so_on_our_page_gets_none(channel, calls):
    refused = consent("0 11:00", "check_in", granted=False, channel=channel, id=f"by {channel}")
    assert len(Story().play((*HELPED, refused), "20 00:00").of("followup.owed")) == calls
    wanted = consent("0 12:00", "check_in", granted=True, channel="phone")
    assert len(Story().play((*HELPED, refused, wanted), "20 00:00").of("followup.owed")) == 1


@pytest.mark.parametrize("more", [{}, {"permanent": False}])
def test_a_mail_that_came_back_once_may_arrive_next_time(more):
    bounced = event("message.bounced", at("0 11:00"), address="ada@example.org", **more)
    assert len(Story().play((*HELPED, bounced), "10 00:00").of("survey.sent")) == 1


def test_no_consent_before_the_customer_says_so_means_no():
    plays = PLAYS.replace("survey: true", "survey: false")
    assert Story(plays).play(HELPED, "10 00:00").of("followup.suppressed")[0].reason == "no_consent"


def test_a_region_may_presume_consent():
    plays = PLAYS.replace(
        "survey: true, marketing: true, service: true}", "survey: false}, regions: {us: {survey: true}}"
    )
    told = Story(plays).play((*HELPED, profile("0 01:00", region="us")), "10 00:00")
    assert len(told.of("survey.sent")) == 1


def test_history_starts_nothing():
    past = (profile(), received("0 08:00", backfill=True), resolved("0 10:00", backfill=True))
    assert story(*past, until="20 00:00") == []


def test_what_we_caused_ourselves_starts_nothing():
    ours = (profile(), received("0 08:00", causationid="fu-1"), resolved("0 10:00", causationid="fu-1"))
    assert story(*ours, until="20 00:00") == []


def test_what_closes_a_contact_because_of_us_closes_it_for_others_too():
    ours = (received("0 06:00", "C-2"), resolved("0 07:00", "C-2", causationid="fu-1"))
    told = Story().play((*HELPED, *ours), "2 00:00")
    assert len(told.of("survey.sent")) == 1
    assert {one.contact_id for one in told.customer().followups.values()} == {"C-1"}


def test_what_opens_a_contact_again_because_of_us_withdraws_its_survey():
    told = Story().play((*HELPED, reopened("2 10:00", causationid="fu-1")), "3 00:00")
    assert [one.withdrawn for one in told.customer().followups.values() if one.do == "survey"] == [True]


def test_the_answer_to_a_survey_calls_off_what_waits_for_it_and_only_that():
    reminder = "{after: 3d, do: message, template: thanks}"
    plays = f"""
plays: [{{name: ask, on: {{type: contact.resolved}}, steps: [{reminder}], cancel_on: [survey.answered]}}]
consent: {{default: {{marketing: true}}}}
senders: {{default: {{from: "care@example.org", url: "smtp://localhost"}}}}
"""
    both = (*HELPED, received("0 08:00", "C-2"), resolved("0 10:00", "C-2"))
    answer = event(
        "survey.answered", at("1 12:00"), survey_id="S-1", survey="csat", score=5, contact_id="C-1", causationid="S-1"
    )
    told = Story(plays).play((*both, answer), "5 00:00")
    assert [one.contact_id for one in told.of("followup.cancelled")] == ["C-1"]
    assert [one.contact_id for one in told.of("followup.sent")] == ["C-2"]


@pytest.mark.parametrize("outcome", ["spam", "duplicate"])
def test_spam_and_duplicates_are_never_open_again(outcome):
    closed = (received("0 06:00", "C-2"), resolved("0 07:00", "C-2", outcome=outcome), reopened("0 09:00", "C-2"))
    assert len(Story().play((*HELPED, *closed), "2 00:00").of("survey.sent")) == 1


def test_the_order_of_arrival_does_not_matter():
    told = Story().take_in(*reversed(HELPED)).until("20 00:00")
    assert sorted(told.lines) == sorted(story(*HELPED, until="20 00:00"))


def test_a_late_word_of_a_reopening_between_two_resolutions_gives_each_its_due():
    late = Story().take_in(*HELPED, resolved("0 14:00", id="second")).take_in(reopened("0 12:00"))
    assert sorted(one.status for one in late.customer().followups.values()) == [
        "cancelled",
        "cancelled",
        "planned",
        "planned",
    ]


def test_nobody_is_disturbed_at_night():
    told = Story().play((profile(), received("0 20:00"), resolved("0 22:00")), "3 00:00")
    (deferred,) = told.of("followup.deferred")
    assert deferred.reason == "quiet_hours"
    assert at("2 08:00") <= deferred.until <= at("2 12:00")
    assert [said(one.time) for one in told.told if one.type == "survey.sent"] == [said(deferred.until)]


def test_night_is_where_the_customer_is():
    lines = story(*HELPED, profile("0 01:00", timezone="Pacific/Auckland"), until="3 00:00")
    assert ("followup.deferred", "1 10:00") in lines


def test_fridays_resolution_is_asked_about_on_monday():
    told = Story().play((profile(), received("4 08:00"), resolved("4 10:00")), "9 00:00")
    (deferred,) = told.of("followup.deferred")
    assert deferred.reason == "quiet_day"
    assert at("7 08:00") <= deferred.until <= at("7 12:00")


def test_from_good_friday_to_easter_monday_nobody_is_asked_in_germany():
    told = Story().play((profile(), received("31 08:00"), resolved("31 10:00")), "40 00:00")
    (deferred,) = told.of("followup.deferred")
    assert deferred.reason == "holiday"
    assert at("36 07:00") <= deferred.until <= at("36 11:00")  # Tuesday from nine in summer time on


@pytest.mark.parametrize("zone", ["America/New_York", "US/Eastern"])
def test_a_holiday_is_kept_under_every_name_of_the_zone(zone):
    told = Story().play((profile(timezone=zone), resolved("122 15:00")), "130 00:00")  # 2 July
    (deferred,) = told.of("followup.deferred")
    assert deferred.reason == "holiday"  # the 4th is a Saturday, kept on Friday


def test_releases_are_spread_and_not_all_at_nine():
    customers = [f"K-{number}" for number in range(50)]
    told = Story()
    for name in customers:
        told.take_in(
            event("customer.updated", at("0 00:00"), customer=name, email=f"{name}@example.org"),
            event("contact.resolved", at("0 22:00"), customer=name, contact_id=f"C-{name}", outcome="solved"),
        )
    instants = [one.until for one in told.until("3 00:00").of("followup.deferred")]
    assert len(set(instants)) == 50
    assert max(instants) - min(instants) > at("0 03:00") - at("0 00:00")


def test_consent_is_looked_at_again_when_a_deferral_ends():
    told = Story().play(
        (profile(), received("0 20:00"), resolved("0 22:00"), consent("2 07:00", "survey", granted=False)), "4 00:00"
    )
    assert [one.reason for one in told.of("followup.suppressed")] == ["no_consent"]
    assert told.sends == []


TWO = """
plays:
  - {name: newsletter, on: {type: purchase.made}, steps: [{after: 1d, do: message, template: welcome}], priority: 1}
  - name: recovery
    on: {type: risk.raised}
    steps: [{after: 1d, do: message, template: welcome, purpose: marketing}]
    priority: 9
budget: {max: 1 per 30d, gap: 3d, exempt: [service]}
consent: {default: {survey: true, marketing: true, service: true}}
"""


def bought(when: str):
    return event("purchase.made", at(when), purchase_id="P-1", amount="10.00", currency="EUR")


def risk(when: str):
    return event("risk.raised", at(when), cause="low_score", source="/rapport/sla-monitor", causationid="fu-1")


def test_the_more_important_gets_the_scarce_slot_even_when_it_comes_later():
    told = Story(TWO).play((profile(), bought("0 10:00"), risk("0 12:00")), "40 00:00")
    assert [one.play for one in told.of("followup.sent")] == ["recovery"]
    assert [(one.play, one.reason) for one in told.of("followup.suppressed")] == [("newsletter", "budget")]


def test_what_only_comes_too_close_is_put_off():
    plays = TWO.replace("max: 1 per", "max: 5 per")
    told = Story(plays).play((profile(), bought("0 10:00"), risk("0 12:00")), "40 00:00")
    assert [(one.play, one.reason, said(one.until)) for one in told.of("followup.deferred")] == [
        ("newsletter", "gap", "4 12:00")
    ]
    assert len(told.sends) == 2


def test_what_the_customer_asked_for_needs_no_slot():
    plays = TWO.replace("purpose: marketing", "purpose: service")
    told = Story(plays).play((profile(), bought("0 10:00"), risk("0 12:00")), "40 00:00")
    assert sorted(one.play for one in told.of("followup.sent")) == ["newsletter", "recovery"]


def test_only_the_first_delivery_welcomes():
    plays = (
        "plays: [{name: w, on: {type: purchase.delivered, match: {first: true}}, steps: [{after: 1h, do: check_in}]}]"
    )
    first = event("purchase.delivered", at("0 10:00"), purchase_id="P-1")
    second = event("purchase.delivered", at("5 10:00"), purchase_id="P-2")
    assert len(Story(plays).play((first, second), "9 00:00").of("followup.owed")) == 1


SILENT = """
plays:
  - {name: silent, on: {silent: {resolved_unconfirmed: 10d, risk: true}}, steps: [{after: 0m, do: check_in, by: team}]}
"""


def missed(when: str):
    times: dict[str, Any] = {"started_at": at(when), "due_at": at(when)}
    return event("sla.breached", at(when), contact_id="C-1", target="first_response", cycle=1, **times)


def test_a_customer_at_risk_who_never_confirms_is_called():
    breach = missed("0 09:00")
    assert story(*HELPED, breach, until="20 00:00", plays=SILENT) == [
        ("followup.scheduled", "10 10:00"),
        ("followup.owed", "10 10:00"),
    ]
    assert story(*HELPED, until="20 00:00", plays=SILENT) == []
    confirmed = event("contact.confirmed", at("1 10:00"), contact_id="C-1")
    assert story(*HELPED, breach, confirmed, until="20 00:00", plays=SILENT) == []


@pytest.mark.parametrize(
    ("risk", "sign", "called"),
    [
        ("true", "-90 10:00", True),
        ("true", "-90 09:59", False),
        ("30d", "-30 10:00", True),
        ("30d", "-31 10:00", False),
        ("30d", "9 10:00", True),
    ],
)
def test_a_sign_of_risk_counts_for_so_long_before_the_silence(risk, sign, called):
    plays = SILENT.replace("risk: true", f"risk: {risk}")
    assert bool(story(*HELPED, missed(sign), until="20 00:00", plays=plays)) is called


def test_long_quiet_is_counted_from_the_last_word():
    plays = "plays: [{name: quiet, on: {silent: {quiet_for: 90d}}, steps: [{after: 0m, do: check_in}]}]"
    lines = story(received("0 10:00"), received("5 10:00", "C-2"), until="200 00:00", plays=plays)
    assert lines == [("followup.scheduled", "95 10:00"), ("followup.owed", "95 10:00")]


@pytest.mark.parametrize(
    ("learned", "welcomes"), [("1 10:30", ["1 10:00"]), ("1 15:00", ["1 11:00"])], ids=["before it", "after it"]
)
def test_whoever_turns_out_to_have_bought_before_is_welcomed_once(learned, welcomes):
    on = "{type: purchase.delivered, match: {first: true}}"
    step = "{after: 1h, do: message, template: welcome, purpose: service}"
    told = Story(f"plays: [{{name: welcome, on: {on}, steps: [{step}]}}]")
    told.take_in(profile(), event("purchase.delivered", at("1 10:00"), purchase_id="P-2")).until(learned)
    told.take_in(event("purchase.delivered", at("1 09:00"), purchase_id="P-1")).until("3 00:00")
    assert [said(one.due_at) for one in told.of("followup.scheduled")][-1:] == welcomes
    assert len(told.sends) == 1


def test_a_late_word_of_the_first_purchase_leaves_alone_what_follows_the_others():
    plays = f"plays: [{{name: again, on: {{type: purchase.delivered, match: {{first: false}}}}, steps: [{CALL}]}}]"
    first, second, third = (
        event("purchase.delivered", at(f"0 {hour}:00"), purchase_id=hour) for hour in ("08", "09", "10")
    )
    told = Story(plays).take_in(second, third, first).until("3 00:00")
    assert [said(one.time) for one in told.told if one.type == "followup.owed"] == ["1 10:00"]


def test_sequence_rises_with_every_event_told():
    numbers = [int(one.sequence or 0) for one in Story().play((*HELPED, reopened("2 10:00")), "20 00:00").told]
    assert numbers == sorted(set(numbers))


def test_business_days_and_the_next_ten_o_clock_are_the_customers():
    on = "{type: contact.resolved}"
    steps = "[{after: 2 business days, do: check_in}, {after: 3w, at: next 10:00, do: check_in}]"
    plays = f"plays: [{{name: call, on: {on}, steps: {steps}}}]"
    berlin = profile("0 00:00", timezone="Europe/Berlin")
    scheduled = Story(plays).play((berlin, resolved("3 10:00")), "4 00:00").of("followup.scheduled")
    assert [said(one.due_at) for one in scheduled] == ["7 10:00", "25 09:00"]  # over a weekend; the next ten there is
