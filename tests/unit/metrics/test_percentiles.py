"""Percentiles out of counters are within 1 %, and intervals are those of the books."""

import math
from collections import Counter

import pytest
from ddsketch.mapping import LogarithmicMapping
from hypothesis import given
from hypothesis import strategies as st
from metrics.domain.buckets import ZERO, bucket_of, percentiles, value_of
from metrics.domain.intervals import difference, wilson

durations = st.integers(0, 40 * 365 * 86_400_000)


@given(values=st.lists(durations, min_size=1, max_size=200), share=st.floats(0, 1))
def test_a_percentile_is_within_one_percent_of_the_value_at_its_nearest_rank(values, share):
    exact = sorted(values)[max(1, math.ceil(share * len(values) - 1e-9)) - 1]
    [found] = percentiles(Counter(map(bucket_of, values)), [share])
    assert found == pytest.approx(exact, rel=0.01 + 1e-9)


@given(value=st.integers(1, 10**13))
def test_buckets_are_those_of_ddsketch(value):
    oracle = LogarithmicMapping(0.01)
    assert bucket_of(value) == pytest.approx(oracle.key(value), abs=1)  # both are right on a boundary
    assert abs(value_of(bucket_of(value)) - value) <= 0.01 * value * (1 + 1e-9)


def test_nothing_counted_has_no_percentile():
    assert percentiles({}, [0.5, 0.9]) == [None, None]
    assert percentiles({7: 0}, [0.5]) == [None]


def test_an_answer_in_the_same_instant_took_no_time():
    assert bucket_of(0) == ZERO
    assert percentiles({ZERO: 3}, [0.5]) == [0.0]


@pytest.mark.parametrize(
    ("successes", "asked", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval_is_newcombes_table(successes, asked, low, high):
    found = wilson(successes, asked)
    assert found is not None
    assert found == pytest.approx((low, high), abs=1e-4)


def test_nobody_asked_is_no_interval():
    assert wilson(0, 0) is None
    assert difference(0, 0, 0) is None


@given(up=st.integers(0, 50), down=st.integers(0, 50), neither=st.integers(0, 50))
def test_the_interval_of_a_difference_holds_the_difference(up, down, neither):
    asked = up + down + neither
    found = difference(up, down, asked)
    if found is not None:
        assert -1 <= found[0] <= (up - down) / asked <= found[1] <= 1
