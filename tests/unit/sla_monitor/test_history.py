"""A contact's history as people read it."""

from sla_monitor.domain.history import in_short


def line(at: str, what: str, event: str = "alert.notified", why: str = "resolution #1, step 3") -> dict[str, str]:
    return {"at": at, "event": event, "what": what, "why": why}


def test_what_the_last_step_says_again_and_again_is_one_line_that_says_how_often_and_until_when():
    rung = [line(f"1{hour}:00", "breach told to manager") for hour in range(4)]
    other = line("10:30", "breach told to lead", why="first response #1, step 2")
    assert in_short([rung[0], other, *rung[1:]]) == [
        line("10:00", "breach told to manager, 4 times until 13:00"),
        other,
    ]


def test_what_happened_twice_stands_there_twice():
    twice = [line("10:00", "", "contact.responded", ""), line("11:00", "", "contact.responded", "")]
    assert in_short(twice) == twice
