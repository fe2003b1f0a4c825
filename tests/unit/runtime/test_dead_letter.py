"""When a share of failures is no longer the senders' fault."""

import pytest
from rapport.runtime.dead_letter import REASON, FailureShare, TooManyDeadLetters, dead_letter

from tests.support.clock import EPOCH
from tests.support.replica import Log


def test_a_few_failures_among_few_records_are_nothing():
    share = FailureShare(0.5)
    share.check(taken=99, refused=99)
    share.note(taken=99, refused=99)


def test_past_the_share_nothing_more_is_taken_in():
    share = FailureShare(0.5)
    share.note(taken=99, refused=50)
    share.check(taken=1, refused=0)
    with pytest.raises(TooManyDeadLetters, match="51 of the last 100"):
        share.check(taken=1, refused=1)


def test_what_is_long_past_no_longer_counts():
    share = FailureShare(0.5)
    share.note(taken=600, refused=600)
    share.note(taken=1000, refused=0)
    share.check(taken=500, refused=500)
    with pytest.raises(TooManyDeadLetters, match="501 of the last 1000"):
        share.check(taken=501, refused=501)


def test_a_check_counts_nothing():
    share = FailureShare(0.5)
    for _ in range(50):
        share.check(taken=50, refused=50)


def test_a_dead_letter_keeps_the_record_and_cuts_only_an_endless_reason():
    record = Log().append(3, b"value", key=b"key", headers=[("mine", b"1"), (REASON, b"forged")])
    letter = dead_letter(record, service="toy", pointer="/data", reason="x" * 100_000, now=EPOCH)
    assert (letter.key, letter.value) == (b"key", b"value")
    headers = list(letter.headers)
    assert ("mine", b"1") in headers
    assert [len(value) for name, value in headers if name == REASON] == [2000]
