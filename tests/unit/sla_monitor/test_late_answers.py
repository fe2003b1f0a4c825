"""What was met, and turns out to have been met at another time or by another deadline, is told again."""

from rapport.contracts.sla_events import AlertCleared, SlaCorrected

from tests.support.sla import at, play, received, resolved, responded, targets

ANSWER = targets("first_response: {within: 4h}")


def corrected(played) -> SlaCorrected:
    found = played.events[-1].data
    assert isinstance(found, SlaCorrected)
    return found


def test_an_earlier_answer_that_is_heard_of_late_moves_when_it_was_met():
    played = play([received("09:00"), resolved("12:00")], under=ANSWER)
    played.take(responded("10:00"), now="12:30")
    assert played.told() == [("sla.met", "12:00"), ("sla.corrected", "10:00")]
    told = corrected(played)
    assert (told.announced, told.verdict, told.met_at, told.open_seconds) == ("met", "met", at("10:00"), 3600)
    played.take(responded("11:00"), now="12:40")
    assert len(played.told()) == 2


def test_a_met_deadline_that_turns_out_to_be_an_earlier_one_is_told():
    played = play([received("10:00", id="later"), responded("10:30")], under=ANSWER)
    played.take(received("09:00"), now="11:00")
    assert played.told() == [("sla.met", "10:30"), ("sla.corrected", "10:30")]
    told = corrected(played)
    assert (told.verdict, told.due_at, told.open_seconds) == ("met", at("13:00"), 5400)


def test_an_earlier_answer_to_what_was_missed_moves_how_long_it_took_and_rings_nobody():
    played = play([received("09:00")], under=ANSWER, looks=["13:01"])
    played.take(responded("16:00"))
    played.take(responded("15:00"), now="16:10")
    cleared = [event.data for event in played.events if isinstance(event.data, AlertCleared)]
    assert [(one.met_at, one.open_seconds) for one in cleared] == [(at("16:00"), 7 * 3600), (at("15:00"), 6 * 3600)]
    assert len({event.id for event in played.events}) == len(played.events)
    assert played.told() == [("sla.breached", "13:00")]
    assert played.alert().state == "cleared"
    assert [one.kind for one in played.notifications if one.kind == "cleared"] == []


def test_what_comes_in_order_is_told_once():
    events = [received("09:00"), responded("10:00"), responded("11:00"), resolved("12:00")]
    assert play(events, under=ANSWER).told() == [("sla.met", "10:00")]


def test_a_late_answer_tells_the_open_time_that_it_took():
    played = play([received("09:00"), responded("14:00")], under=ANSWER, looks=["13:00:00.001"])
    [cleared] = [told for told in played.events if told.type == "alert.cleared"]
    assert isinstance(cleared.data, AlertCleared)
    assert (cleared.data.met_at, cleared.data.open_seconds) == (at("14:00"), 5 * 3600)
