"""Who hears that a conflict is near, once and while it is true, and what they are told."""

from typing import Any

import pytest
from rapport.contracts import Data, Event
from rapport.decision import States
from sla_monitor.domain.erasing import forget_risk
from sla_monitor.domain.log import to_millis
from sla_monitor.domain.policy_checks import cautions
from sla_monitor.domain.risk import Notice, RiskState, Said, standing
from sla_monitor.domain.risk_message import AtRisk
from sla_monitor.domain.risk_notices import Decide, due, ended, heard, looked_at, not_told, told, told_to_be_over

from tests.support.risk import ALL, CALLS, OWNED, Watch, call, scored, under, watch
from tests.support.sla import at, customer, merged, policy, targets


def waiting(played: Watch) -> list[tuple[str, tuple[str, ...]]]:
    return [(notice.cause, notice.waiting) for notice in played.risk().notices]


def places(*events: Event[Data], notify: str = "[owner, team, lead]") -> tuple[str, ...]:
    [(_, found)] = waiting(watch(*events, under=under(notify)))
    return found


def test_the_owner_their_team_and_whoever_the_policy_names_are_to_hear_of_it():
    assert places(*OWNED) == ("ada#0", "desk#0", "lead#1")


def test_where_nobody_has_the_contact_the_customers_own_agent_is_to_hear_of_it():
    assert places(customer("08:00", owner_id="eve"), *CALLS, notify="owner") == ("eve#0",)


def test_a_low_score_is_told_to_whoever_had_the_contact_that_was_asked_about():
    assert places(call("09:00", 1, agent_id="ada"), scored("12:00", 1), notify="owner") == ("ada#0",)


@pytest.mark.parametrize("notify", ["[]", "owner", "team"])
def test_nobody_waits_where_the_policy_names_nobody_who_can_be_reached(notify: str):
    nobodys = [call(f"+{day} 09:00", day + 1, agent_id="bob") for day in (0, 1, 2)]
    played = watch(*nobodys, under=under(notify))
    assert [event.type for event in played.events].count("risk.raised") == 1
    assert waiting(played) == []
    assert played.risk().index() == {"at_risk": True}


def test_what_stands_is_told_once():
    assert len(waiting(watch(*CALLS, call("+3 09:00", 4, team="billing"), under=ALL))) == 1


def test_history_is_told_to_nobody():
    old = [event.model_copy(update={"backfill": True}) for event in CALLS]
    assert waiting(watch(*old, under=ALL)) == []
    late = Watch(watch(*CALLS[:2], under=ALL).domain)
    for event in CALLS:
        late.take(event, "+3 09:01")
    assert waiting(late) == []


def test_a_deadline_that_is_missed_tells_when_the_sweep_finds_it():
    one, other = call("09:00", 1, None, team="billing"), call("09:30", 2, "delivery", team="billing")
    played = watch(one, other, under=ALL, looks="+0 15:00")
    assert waiting(played) == [("breaches", ("desk#0", "lead#1"))]


# --- while it is true ---------------------------------------------------------------------------


RULES = policy(ALL).file.risk


def after(state: RiskState, decide: Decide, now: str = "+2 09:05") -> RiskState:
    found = decide(state, States(), at(now)).states
    return next(iter(found), state)


def said(place: str, **known: Any) -> Said:
    return Said(place, "c-3", "c-3", "3 contacts", **known)


def settled(state: RiskState, notice: Notice, place: str) -> RiskState:
    return after(state, told(notice.key, said(place), RULES))


def causes(state: RiskState, now: str) -> list[Any]:
    return standing(state, RULES, at(now))


def test_each_place_is_settled_for_itself_and_who_has_heard_is_known():
    state = watch(*OWNED, under=ALL).risk()
    [notice] = state.notices
    state = settled(state, notice, "ada#0")
    assert state.index()["waits"]
    state = settled(after(state, not_told(notice.key, ["desk#0"], RULES)), notice, "lead#1")
    assert "waits" not in state.index()
    [cause] = causes(state, "+2 10:00")
    assert heard(state, cause) == ["ada", "lead"]
    assert RiskState.restored(state.stored()) == state


def test_of_those_that_are_over_and_done_with_the_newest_are_remembered():
    state = watch(*OWNED, under=ALL).risk()
    [notice] = state.notices
    many = [notice._replace(millis=number, waiting=("ada#0",)) for number in range(30)]
    state = state.but(notices=tuple(many))
    for one in many[:-1]:
        state = settled(state, one, "ada#0")
    assert len(state.notices) == 30
    for one in many[:-1]:
        state = after(state, told_to_be_over(one.key, "ada#0", RULES))
    assert [one.millis for one in state.notices] == list(range(9, 30))


def test_what_has_cleared_is_not_told_any_more():
    state = watch(*OWNED, under=ALL).risk()
    [(_, cause)] = due(state, causes(state, "+2 10:00"))
    assert cause is not None
    assert list(due(state, causes(state, "+9 10:00"))) == [(state.notices[0], None)]


def test_what_had_cleared_before_anybody_heard_is_told_once_it_stands_again():
    played = watch(*OWNED, merged("+2 09:01", contact_id="c-3"), under=ALL)
    state = played.risk()
    assert causes(state, "+2 09:05") == []
    state = after(state, not_told(state.notices[0].key, state.notices[0].waiting, RULES))
    played.kept[RiskState, "K-1"] = state
    played.take(call("+2 08:59", 4, team="billing"), "+2 09:10")
    assert waiting(played) == [("repeat_contacts", ("desk#0", "lead#1"))]
    assert [event.type for event in played.events].count("risk.raised") == 1
    played.take(call("+2 09:20", 5, team="billing"))
    assert len(waiting(played)) == 1


# --- when it is over ----------------------------------------------------------------------------


def heard_by_all(*events: Event[Data], under: str = ALL) -> Watch:
    played = watch(*(events or OWNED), under=under)
    state = played.risk()
    for place in state.notices[0].waiting:
        state = settled(state, state.notices[0], place)
    played.kept[RiskState, "K-1"] = state
    return played


def hear_of_the_end(state: RiskState, now: str) -> list[str]:
    return [one.place for _, one in ended(state, at(now))]


EVERYBODY = ["ada#0", "desk#0", "lead#1"]


def test_whoever_was_told_and_nobody_else_hears_that_it_is_over_when_its_time_has_passed():
    state = heard_by_all().risk()
    assert state.index() == {"at_risk": True, "ends_at": at("+7 09:00")}
    assert hear_of_the_end(state, "+7 09:00") == []
    assert hear_of_the_end(state, "+7 09:01") == EVERYBODY
    state = after(state, told_to_be_over(state.notices[0].key, "desk#0", RULES), "+7 09:02")
    assert hear_of_the_end(state, "+7 09:03") == ["ada#0", "lead#1"]
    nobody = watch(*OWNED, under=ALL).risk()
    assert hear_of_the_end(nobody, "+8 09:00") == []


def test_more_of_the_same_puts_the_end_off():
    played = heard_by_all()
    played.take(call("+5 09:00", 4, team="billing"))
    assert hear_of_the_end(played.risk(), "+7 09:01") == []
    assert hear_of_the_end(played.risk(), "+8 09:01") == EVERYBODY


def test_what_goes_on_for_longer_than_its_signals_are_remembered_is_raised_once_and_has_not_ended():
    def hour(number: int) -> str:
        return f"+{number // 24} {number % 24:02}:30"

    for more in (lambda n: call(hour(n), n, team="billing"), lambda n: scored(hour(n), 1, survey_id=f"s-{n}")):
        played = heard_by_all(*(more(n) for n in range(3)))
        told = len(played.risk().told)
        for number in range(3, 140):
            played.take(more(number))
        assert len(played.risk().told) == told
        assert [notice.waiting for notice in played.risk().notices] == [()] * told
        assert hear_of_the_end(played.risk(), hour(140)) == []
        assert RiskState.restored(played.risk().stored()) == played.risk()


def test_what_late_news_parts_in_two_is_raised_twice_as_it_would_have_been_in_order():
    bad, good, again = scored("12:00", 1), scored("12:30", 5), scored("13:00", 2)
    for order in ([bad, good, again], [bad, again, good]):
        assert len(watch(call("09:00", 1), *order).risk().told) == 2


def test_what_turns_out_never_to_have_stood_ends_when_that_is_learnt():
    played = heard_by_all()
    played.take(merged("+5 10:00", contact_id="c-3"))
    assert played.risk().index()["ends_at"] == at("+5 10:00")
    assert hear_of_the_end(played.risk(), "+5 10:01") == EVERYBODY


def test_a_better_score_ends_what_a_low_one_raised_as_of_its_own_time():
    played = heard_by_all(call("09:00", 1, agent_id="ada"), scored("12:00", 1), under=under("owner"))
    assert played.risk().index() == {"at_risk": True}
    played.take(scored("+3 12:00", 5))
    assert played.risk().index()["ends_at"] == at("+3 12:00")


def test_an_end_that_is_dated_back_is_no_older_than_the_news_of_it():
    played = heard_by_all(call("09:00", 1, agent_id="ada"), scored("12:00", 1), under=under("owner"))
    played.take(scored("13:00", 5), "+3 12:00")
    [notice] = played.risk().notices
    assert notice.ends == to_millis(at("13:00"))
    assert AtRisk.known("K-1", None, notice, notice.said[0], over=True).since == at("+3 12:00")


def test_what_stands_again_before_its_end_was_told_has_not_ended():
    played = heard_by_all()
    played.take(merged("+2 09:06", contact_id="c-3"))
    played.take(call("+2 08:59", 4, team="billing"), "+2 09:10")
    assert hear_of_the_end(played.risk(), "+2 09:20") == []
    assert waiting(played) == [("repeat_contacts", ())]


def test_what_stands_again_after_its_end_was_told_is_told_anew_and_ends_again():
    played = heard_by_all()
    played.take(merged("+2 09:06", contact_id="c-3"))
    state = played.risk()
    for place in EVERYBODY:
        state = after(state, told_to_be_over(state.notices[0].key, place, RULES))
    assert hear_of_the_end(state, "+3 09:00") == []
    played.kept[RiskState, "K-1"] = state
    played.take(call("+2 08:59", 4, team="billing"), "+2 09:10")
    assert waiting(played) == [("repeat_contacts", ("desk#0", "lead#1"))]


def test_who_perhaps_was_told_is_told_again_and_of_the_end_in_any_case():
    state = watch(*OWNED, under=ALL).risk()
    [notice] = state.notices
    state = after(state, told(notice.key, said("ada#0"), RULES, perhaps=True))
    assert state.notices[0].waiting == tuple(EVERYBODY)
    assert state.notices[0].heard == ()
    state = after(state, not_told(notice.key, EVERYBODY, RULES))
    assert hear_of_the_end(state, "+8 09:00") == ["ada#0"]


@pytest.mark.parametrize("events", [OWNED, [call("09:00", 1, team="billing", agent_id="ada"), scored("12:00", 1)]])
def test_a_policy_that_asks_for_it_no_more_ends_it(events: list[Event[Data]]):
    state = heard_by_all(*events).risk()
    other = policy(targets("first_response: {within: 4h}")).file.risk
    state = after(state, looked_at(other), "+3 09:00")
    assert hear_of_the_end(state, "+3 09:01") == EVERYBODY
    assert looked_at(other)(state, States(), at("+4 09:00")).states == ()


def test_of_somebody_erased_nothing_is_told_but_that_it_is_over_without_a_word_of_why():
    assert forget_risk(watch(*OWNED, under=ALL).risk(), "erased:1", at("+3 09:00")) == ()
    [forgotten] = forget_risk(heard_by_all().risk(), "erased:1", at("+3 09:00"))
    [notice] = forgotten.notices
    assert (forgotten.id, forgotten.known_as, notice.about, notice.said[0].why) == ("erased:1", "K-1", "", "")
    assert hear_of_the_end(forgotten, "+3 09:01") == EVERYBODY
    for place in EVERYBODY:
        forgotten = after(forgotten, told_to_be_over(notice.key, place, RULES), "+3 09:02")
    assert "K-1" not in forgotten.stored()
    assert told(("breaches", "", 0), said("ada#0"), RULES)(None, States(), at("09:00")).states == ()


def test_a_name_that_nobody_has_is_a_caution():
    says = [text for path, text in cautions(policy(under("[nobody-at-all]")).file) if path == ("risk", "notify")]
    assert says == ["there is no receiver or person called 'nobody-at-all'; nobody is reached by that name"]
