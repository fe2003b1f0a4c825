"""States that a decision takes away."""

from rapport.decision import Decision, Ref, States
from rapport.runtime.documents import writes_of
from rapport.runtime.mongo import DeleteOne, InsertOne, ReplaceOne

from tests.support.tally import Tally

ONE = Tally(id="C-1", partition=0, customer_id="K-1")


def loaded() -> States:
    states = States()
    states.loaded([Ref(Tally, "C-1"), Ref(Tally, "C-2")], [ONE])
    return states


def test_what_is_taken_away_is_there_no_more_and_is_deleted():
    states = loaded()
    states.apply(Decision(states=(Tally(id="C-2", partition=0, customer_id="K-1"),), gone=(Ref(Tally, "C-1"),)))
    assert states.get(Tally, "C-1") is None
    assert [state.id for state in states.of(Tally)] == ["C-2"]
    insert, delete = writes_of(states, ())[Tally.collection]
    assert isinstance(insert, InsertOne)
    assert delete == DeleteOne({"_id": "C-1"})


def test_what_comes_back_within_a_batch_is_replaced():
    states = loaded()
    states.apply(Decision(gone=(Ref(Tally, "C-1"),)))
    states.apply(Decision(states=(ONE,)))
    [write] = writes_of(states, ())[Tally.collection]
    assert isinstance(write, ReplaceOne)


def test_what_never_was_there_need_not_be_deleted():
    states = loaded()
    states.apply(Decision(states=(Tally(id="C-2", partition=0, customer_id="K-1"),)))
    states.apply(Decision(gone=(Ref(Tally, "C-2"),)))
    assert writes_of(states, ()) == {}
