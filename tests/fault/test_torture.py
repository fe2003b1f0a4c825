"""`rapport torture` in short: promises are kept while processes are killed, and it notices where they are not."""

from devkit.torture.finding import Found, Ledger
from devkit.torture.intake import torture
from devkit.torture.senders import Told


def judged(told: Told, *records: tuple[str, str], letters: tuple[str, ...] = ()) -> Found:
    ledger = Ledger(told)
    for name, key in records:
        ledger.record(name, key.encode())
    return ledger.close(set(letters))


def test_every_2xx_is_kept_while_intake_and_the_broker_are_killed():
    outcome = torture(4, clients=3, seed=3)
    assert not outcome.found.faults
    assert outcome.found.taken > 0
    assert sum(outcome.kills.values()) == 4


def test_what_is_there_once_or_more_and_in_order_is_no_fault():
    told = Told(taken={"k": 2}, refused={"bad/k/1"})
    found = judged(told, ("k/1", "k"), ("k/2", "k"), ("k/1", "k"), ("k/2", "k"), ("k/3", "k"), letters=("bad/k/1",))
    assert not found.faults
    assert (found.records, found.repeats) == (5, 2)


def test_an_event_that_was_promised_and_is_not_there_is_a_fault():
    assert judged(Told(taken={"k": 2}), ("k/1", "k")).faults == ["k/2 was answered 2xx; the last one there is k/1"]


def test_an_event_before_its_elder_is_a_fault():
    assert judged(Told(taken={"k": 2}), ("k/2", "k"), ("k/1", "k")).faults == ["k/2 is there before k/1"]


def test_a_refused_event_that_is_there_is_a_fault():
    assert judged(Told(), ("bad/k/1", "k")).faults == ["bad/k/1 violates the contract and is there"]


def test_an_event_with_another_key_is_a_fault():
    assert judged(Told(taken={"k": 1}), ("k/1", "other")).faults == ["k/1 has the key b'other'"]


def test_a_refused_event_that_was_not_kept_is_a_fault():
    assert judged(Told(refused={"bad/k/1"})).faults == ["1 refused events are no dead letters, bad/k/1 among them"]
    assert judged(Told(), letters=("k/1",)).faults == ["1 dead letters satisfy the contract, k/1 among them"]
