from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from intake.domain import Bucket

from tests.support.intake import NOW


def at(seconds: float):
    return NOW + timedelta(seconds=seconds)


def test_a_second_of_sending_is_free_and_then_the_key_waits():
    bucket = Bucket.full(10, NOW)
    bucket.take(10, NOW)
    assert 0 < bucket.wait(NOW) <= 0.1
    assert bucket.wait(at(0.1)) == 0


def test_a_fraction_of_an_event_is_none_however_slowly_the_key_may_send():
    for rate in (0.1, 1, 5):
        bucket = Bucket.full(rate, NOW)
        bucket.take(max(1, int(rate)), NOW)
        assert bucket.left(at(0.9 / rate)) == 0
        assert bucket.wait(at(0.9 / rate)) > 0
        assert bucket.wait(at(1 / rate)) == 0


def test_a_batch_larger_than_the_rate_goes_through_and_is_paid_for_afterwards():
    bucket = Bucket.full(10, NOW)
    assert bucket.wait(NOW) == 0
    bucket.take(500, NOW)
    assert bucket.wait(at(48.9)) > 0
    assert bucket.wait(at(49.2)) == 0


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3000)), max_size=60), st.floats(0.5, 100))
def test_in_the_long_run_no_key_gets_more_than_its_rate(tries: list[tuple[int, int]], rate: float):
    bucket, now, taken, largest = Bucket.full(rate, NOW), NOW, 0, 0
    for count, pause in tries:
        now += timedelta(milliseconds=pause)
        if bucket.wait(now) == 0:
            bucket.take(count, now)
            taken += count
            largest = max(largest, count)
    assert taken <= (now - NOW).total_seconds() * rate + max(rate, 1) + largest + 1e-6


def test_a_clock_set_back_gives_nothing_away():
    bucket = Bucket.full(10, NOW)
    bucket.take(10, NOW)
    assert bucket.wait(at(-60)) > 0
