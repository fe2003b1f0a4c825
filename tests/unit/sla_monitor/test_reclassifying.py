"""What becomes of deadlines when a contact, its customer or the policy turns out to be another than it was."""

from tests.support.sla import (
    OFFICE,
    at,
    customer,
    deadlines,
    desk,
    due,
    play,
    policy,
    received,
    reclassified,
    responded,
    story,
    targets,
    tier_changed,
)

FIRST = targets("first_response: {within: 4h}")
TWO = (
    OFFICE
    + """
policies:
  - {name: urgent, match: {priority: urgent}, calendar: office, targets: {first_response: {within: 1h}}}
  - {name: gold, match: {tier: [gold, platinum]}, calendar: office, targets: {first_response: {within: 2h}}}
  - {name: rest, calendar: office, targets: {first_response: {within: 6h}}}
"""
)


def test_a_reclassified_contact_is_matched_again_and_counted_from_its_start():
    played = play([received("09:00"), reclassified("09:30", priority="urgent")], under=TWO)
    assert due(played, "first_response/1") == "10:00"
    assert played.contact.policy == "urgent"


def test_what_a_contact_is_said_to_be_before_its_first_message_holds_where_the_message_says_nothing_else():
    played = play([reclassified("08:59", priority="urgent"), received("09:00")], under=TWO)
    assert due(played, "first_response/1") == "10:00"
    assert played.contact.priority == "urgent"
    played = play([reclassified("08:59", priority="urgent"), received("09:00", priority="low")], under=TWO)
    assert (played.contact.policy, played.contact.priority) == ("rest", "low")


def test_a_deadline_that_would_lie_in_the_past_becomes_the_instant_of_the_change_listed_but_not_paged():
    played = play([received("09:00"), reclassified("12:00", priority="urgent")], under=TWO, looks=["12:01"])
    assert played.told() == [("sla.breached", "12:00")]
    assert not played.alert().paged
    assert played.alert().next_step_at is None


def test_a_breach_announced_before_a_reclassification_stands():
    events = [received("09:00", priority="urgent"), reclassified("11:00", priority="low")]
    assert story(*events, under=TWO, looks=["17:00"]) == [("sla.breached", "10:00")]


def test_a_better_tier_before_the_first_answer_counts_at_once_and_after_it_no_more():
    for change in (tier_changed, lambda time, tier: customer(time, tier=tier)):
        assert due(play([received("09:00"), change("09:30", "gold")], under=TWO), "first_response/1") == "11:00"
        played = play([received("09:00"), responded("09:15"), change("09:30", "gold")], under=TWO)
        assert played.contact.policy == "rest"


def test_a_tier_told_late_counts_from_when_it_held():
    played = play([received("09:00")], under=TWO, looks=["11:30"])
    played.take(customer("08:00", tier="gold"), now="12:00")
    played.look("12:00")
    assert due(played, "first_response/1") == "11:00"
    assert played.told() == [("sla.breached", "11:00")]


def test_of_two_tiers_told_in_the_wrong_order_each_counts_in_its_time():
    played = desk(TWO)
    played.take(customer("09:30", tier="basic"))
    played.take(customer("08:00", tier="gold"))
    played.take(received("09:00"))
    assert played.contact.policy == "rest"
    assert [d.due_at for e in played.events for d in deadlines(e)] == [at("15:00")]


def test_a_tier_known_before_the_contact_counts_and_one_told_by_hand_wins():
    played = play([customer("08:00", tier="basic"), tier_changed("08:10", "gold"), received("09:00")], under=TWO)
    assert played.contact.policy == "rest"
    played = play([tier_changed("08:10", "gold"), received("09:00")], under=TWO)
    assert played.contact.policy == "gold"


def test_news_of_the_customer_that_no_policy_asks_about_leaves_a_contact_under_its_version():
    tighter = targets("first_response: {within: 1h}")
    played = play([received("15:00")], under=[FIRST, tighter], looks=["Tue 10:00"])
    played.take(tier_changed("Tue 10:10", "gold"))
    played.take(customer("Tue 10:20", audience="partner"))
    assert played.contact.policy_version == 1


def test_an_earned_tier_that_one_told_by_hand_hides_moves_nothing():
    played = play([customer("08:00", tier="gold"), received("15:00")], under=[TWO, TWO.replace("2h", "1h")])
    played.take(tier_changed("Tue 09:10", "gold"))
    played.take(tier_changed("Tue 09:20", "platinum"))
    assert (played.contact.policy, played.contact.policy_version) == ("gold", 1)


def test_a_changed_file_applies_to_contacts_opened_after_it_and_to_those_reclassified():
    tighter = targets("first_response: {within: 1h}")
    played = play([received("15:00")], under=[FIRST, tighter], looks=["Tue 10:00"])
    assert played.contact.policy_version == 1
    played.take(reclassified("Tue 10:30", topic="bill"))
    assert played.contact.policy_version == 2
    assert played.contact.told["first_response/1"].due == int(policy().effective_from.timestamp() + 34.5 * 3600) * 1000
