from datetime import timedelta

import pytest
from intake.load import Load
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from tests.support.intake import NOW

MIB = 1 << 20


def key(name: str, rate: float | None = None) -> Key:
    return Key(name=name, sha256="0" * 64, roles=("emit",), rate=rate)


def refused(load: Load, of: Key, count: int) -> bool:
    with load.share(of) as share:
        try:
            share.add(count)
        except Problem as problem:
            return problem.status == 503 and int(problem.headers["Retry-After"]) > 0
    return False


def test_no_more_is_worked_on_than_the_limit_and_what_is_answered_makes_room():
    load = Load(20 * MIB)
    with load.share(key("a")) as first, load.share(key("b")) as second, load.share(key("c")) as third:
        for share in (first, second, third):
            share.add(6 * MIB)
        assert refused(load, key("d"), 3 * MIB)
        assert not refused(load, key("d"), 2 * MIB)
    assert not refused(load, key("d"), 10 * MIB)


def test_a_key_that_floods_leaves_room_for_the_others():
    load = Load(64 * MIB)
    with load.share(key("flood")) as flood:
        flood.add(32 * MIB)
        assert refused(load, key("flood"), 1)
        for name in "abcd":
            assert not refused(load, key(name), 4 * MIB)


def test_any_key_may_have_one_large_batch_in_work_whatever_the_others_have():
    load = Load(64 * MIB)
    shares = [load.share(key(f"k{n}")) for n in range(11)]
    for share in shares:
        share.__enter__().add(5 * MIB)
    assert not refused(load, key("another"), 5 * MIB)


def told(load: Load, of: Key, seconds: float = 0) -> dict[str, str]:
    return dict(load.told(of, NOW + timedelta(seconds=seconds)))


def test_who_has_a_rate_is_told_what_is_left_of_it():
    load, crm = Load(MIB), key("crm", rate=10)
    assert told(load, crm) == {"RateLimit-Policy": '"events";q=10;w=1', "RateLimit": '"events";r=10;t=0'}
    load.count(crm, 4, NOW)
    assert told(load, crm)["RateLimit"] == '"events";r=6;t=1'
    load.count(crm, 26, NOW)
    assert told(load, crm)["RateLimit"] == '"events";r=0;t=3'
    assert told(load, crm, 3)["RateLimit"] == '"events";r=10;t=0'


def test_a_rate_below_one_a_second_is_told_as_one_in_a_longer_window():
    assert told(Load(MIB), key("slow", rate=0.25))["RateLimit-Policy"] == '"events";q=1;w=4'


def test_who_has_no_rate_is_told_nothing():
    assert told(Load(MIB), key("free")) == {}


def test_429_says_when_to_come_again_and_then_lets_in():
    load, crm = Load(MIB), key("crm", rate=10)
    load.count(crm, 45, NOW)
    with pytest.raises(Problem) as raised:
        load.check(crm, NOW)
    assert raised.value.status == 429
    assert set(raised.value.headers) == {"Retry-After", "RateLimit", "RateLimit-Policy"}
    load.check(crm, NOW + timedelta(seconds=int(raised.value.headers["Retry-After"])))


def test_one_key_over_its_rate_keeps_no_other_waiting():
    load = Load(MIB)
    load.count(key("crm", rate=1), 100, NOW)
    load.check(key("shop", rate=1), NOW)


def test_a_changed_rate_gives_nothing_back():
    load = Load(MIB)
    load.count(key("crm", rate=10), 30, NOW)
    with pytest.raises(Problem):
        load.check(key("crm", rate=20), NOW)
