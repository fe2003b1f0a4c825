"""A clock of ours that jumps: what was said stays said, once, dated by its deadline."""

from tests.support.sla import Desk, at, play, received, responded, targets

UNDER = targets(
    "first_response: {within: 4h}",
    warn="[80%]",
    page="now",
    escalation="up",
    rest=(
        "escalations: {up: [{after: 0m, notify: [desk]}, {after: 1h, notify: [lead]}]}\n"
        "receivers: {desk: {url: 'json://desk'}, lead: {url: 'json://lead'}}\n"
    ),
)
STORY = [("sla.warned", "12:12"), ("sla.breached", "13:00")]


def wake(played: Desk, now: str) -> None:
    """A sweep at that instant, whether or not anything is due."""
    played.carry_out(played.domain.on_clock(played.contact, played.states(), at(now)))


def rung(played: Desk) -> list[tuple[str, bool]]:
    return [(one.receiver, one.late) for one in played.notifications if one.kind == "breach"]


def test_a_clock_that_jumps_back_takes_nothing_back_and_says_nothing_twice():
    played = play([received("09:00")], under=UNDER, looks=["13:30"])
    said, alert = played.told(), played.alert()
    for back in ("10:00", "09:00", "-1 09:00", "13:29"):
        wake(played, back)
    wake(played, "13:31")
    assert played.told() == said == STORY
    assert (played.alert(), rung(played)) == (alert, [("desk", True)])


def test_an_event_that_is_taken_in_while_the_clock_is_behind_is_judged_by_its_own_time():
    played = play([received("09:00")], under=UNDER, looks=["13:30"])
    played.take(responded("13:40"), now="10:00")
    assert played.told() == STORY
    assert played.alert().state == "cleared"


def test_a_clock_that_jumps_ahead_rings_once_marked_late_and_not_again_when_it_comes_back():
    played = play([received("09:00")], under=UNDER, looks=["+3 09:00"])
    assert played.told() == STORY
    assert rung(played) == [("desk", True), ("lead", True)]
    for later in ("13:01", "14:00", "+1 09:00", "+3 09:01"):
        wake(played, later)
    assert played.told() == STORY
    assert len(rung(played)) == 2
