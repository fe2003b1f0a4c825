"""What is waited for while Kafka or MongoDB is away, and what is raised at once."""

from datetime import timedelta

import pytest
from aiokafka.errors import KafkaConnectionError
from pymongo.errors import AutoReconnect, OperationFailure
from rapport.runtime.patience import Patience
from rapport.runtime.publisher import NotAcknowledged
from structlog.testing import capture_logs

from tests.support.clock import EPOCH, ManualClock


class Failing:
    """Raises these, one at each try, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


async def test_an_attempt_is_made_again_while_either_is_away_and_its_answer_handed_on() -> None:
    attempt = Failing(AutoReconnect(), NotAcknowledged("not in time"), KafkaConnectionError())

    assert await Patience("test", ManualClock())("work", attempt) == "done"
    assert attempt.tries == 4


async def test_what_can_never_succeed_is_raised_at_once() -> None:
    clock, attempt = ManualClock(), Failing(OperationFailure("unknown operator", 2))

    with pytest.raises(OperationFailure):
        await Patience("test", clock)("work", attempt)
    assert (attempt.tries, clock.now()) == (1, EPOCH)


async def test_the_waits_grow_but_never_past_five_seconds() -> None:
    clock = ManualClock()

    await Patience("test", clock)("work", Failing(*[AutoReconnect() for _ in range(200)]))

    assert timedelta(seconds=300) < clock.now() - EPOCH < timedelta(seconds=200 * 5)


async def test_the_log_says_once_a_minute_what_is_waited_for_and_when_it_goes_on() -> None:
    clock = ManualClock()
    away = "refused, Timeout: 3.0s, Topology Description: <all that the driver knows>"

    with capture_logs() as logs:
        await Patience("test", clock)("work", Failing(*[AutoReconnect(away) for _ in range(200)]))

    *waiting, going_on = logs
    assert {line["error"] for line in waiting} == {"refused, Timeout: 3.0s"}
    minutes = (clock.now() - EPOCH) / timedelta(minutes=1)
    assert 1 < len(waiting) <= minutes + 1
    assert (going_on["event"], going_on["tries"]) == ("going on", 200)


async def test_piece_after_piece_is_done_at_once_and_it_rests_where_there_is_none() -> None:
    clock, found, looked = ManualClock(), [True, True, False, True, False], []

    async def piece() -> bool:
        looked.append((clock.now() - EPOCH).total_seconds())
        return found.pop(0)

    with pytest.raises(IndexError):
        await Patience("test", clock).piece_by_piece("work", piece, rest=5)
    assert looked == [0, 0, 0, 5, 5, 10]
