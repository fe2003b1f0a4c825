"""Erased customers: nothing says who they were, and every figure is as it was."""

import json
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.erasing import Erasure
from metrics.domain.loyalty import Loyalty
from metrics.domain.wordless import wordless
from pydantic import BaseModel
from rapport.contracts import EVENT_DATA, decode
from rapport.contracts.fields import Text, Url

from tests.support.metrics import NOW, Memory, answered, at, event, opened, received, responded, verdict
from tests.support.metrics_erasing import WORDS, Forgetting, erased, history
from tests.unit.metrics.test_laws import figures as figures_of_facts
from tests.unit.metrics.test_laws import figures_of_histories, histories

LATER = at("12:00", day=2)
RULES = Loyalty({"EUR": 1}, ((100, "silver"),), 365 * 86_400_000, "r")


def figures(memory: Memory) -> list[Any]:
    return [*figures_of_facts(memory, facts=True), *figures_of_histories(memory)]


def named(when: Any, name: str) -> Any:
    """The erasure as intake lets it in."""
    return erased(when).model_copy(update={"erasedas": name})


def told_after(contact: str, customer_id: str) -> list[Any]:
    """What services tell of them afterwards, under that name."""
    when, who = at("13:00", day=5), {"customer_id": customer_id}
    step: dict[str, Any] = {"play": "p", "step": 0, "do": "check_in", "purpose": "service", "followup_id": "f-1", **who}
    over = {"source": "/rapport/followup", "sequence": 3, "reason": "erased", **step}
    breach: dict[str, Any] = {"id": f"{contact}/resolution/1/breached/0", "target": "resolution", **who}
    return [
        verdict("breached", when, when, contact, **breach),
        event("followup.cancelled", when, **over),
        event("followup.cancelled", when, contact_id=contact, **{**over, "followup_id": "f-3"}),
    ]


def assert_forgotten(memory: Forgetting, *names: str) -> None:
    found = [one for one in (*names, *WORDS) if one in memory.texts]
    assert found == []


def test_nothing_that_is_held_says_who_it_was_or_what_they_said():
    memory = Forgetting(loyalty=RULES).feed(*history(), *history("K-2", "C-2")[:2])
    memory.feed(*memory.told)
    assert all(word in memory.texts for word in WORDS)
    memory.feed(*(one for one in [erased(LATER, id="K-1 wants it"), erased(LATER, "K-2")])).forget()
    assert_forgotten(memory, "K-1", "K-2", "anonymous:77")


def test_the_figures_are_as_they_were_and_folding_the_journal_gives_them_again():
    events = history()
    before = Memory().feed(*events)
    memory = Forgetting().feed(*events, erased(LATER)).forget()
    assert (memory.rows, figures(memory)) == (before.rows, figures(before))
    again = memory.refolded()
    assert (again.rows, figures(again)) == (before.rows, figures(before))


def test_an_entry_is_still_the_event_that_it_was_and_a_repeat_of_it_is_one():
    events = history()
    memory = Forgetting().feed(*events, erased(LATER)).forget()
    taken = len(memory.kept[JournalEntry])
    memory.feed(*events)
    assert len(memory.kept[JournalEntry]) == taken
    entry = memory.entry(events[1])
    assert (entry.source, entry.event_id, entry.contact_id, entry.duplicates, entry.differing) == (
        *("/crm", events[1].id, "C-1"),
        *(1, 0),
    )
    assert entry.customer_id == memory.entry(events[0]).customer_id == memory.fact().customer_id == "erased:1"
    assert_forgotten(memory, "K-1", "anonymous:77")


@pytest.mark.parametrize("finished", [False, True])
def test_what_comes_late_is_kept_under_the_new_name_and_counted_as_ever(finished):
    """Whether the rewriting has begun or is over when it comes."""
    events = history()
    before = Memory().feed(*events)
    for count in range(len(events)):
        memory = Forgetting().feed(*events[:count], erased(LATER))
        if finished:
            memory.forget()
        memory.feed(*events[count:]).forget()
        assert_forgotten(memory, "K-1")
        assert figures(memory) == figures(before)
        assert memory.rows == memory.refolded().rows == before.rows


def test_what_services_go_on_telling_of_them_is_theirs_whenever_it_is_dated():
    after = at("13:00", day=5)
    told = [
        verdict("breached", after, after, target="resolution"),
        event(
            "followup.cancelled",
            after,
            source="/rapport/followup",
            followup_id="f-2",
            play="p",
            step=0,
            do="survey",
            purpose="service",
            reason="erased",
        ),
    ]
    memory = Forgetting().feed(*history(), erased(LATER), told[0]).forget().feed(told[1])
    assert_forgotten(memory, "K-1")
    assert {memory.entry(one).customer_id for one in told} == {"erased:1"}


def test_a_contact_that_is_named_after_them_gets_its_name_by_what_changes_nothing_of_it_too():
    memory = Forgetting().feed(received(at("09:00"), "K-1/7"), erased(LATER))
    about: dict[str, Any] = {"network": "x", "text": WORDS[7], "contact_id": "K-1/7"}
    memory.feed(event("mention.posted", at("12:00", day=3), **about))
    [fact] = memory.kept[ContactFact]
    assert "K-1" not in fact
    memory.forget()
    assert_forgotten(memory, "K-1")


def test_whoever_has_the_id_afterwards_is_somebody_else():
    memory = Forgetting().feed(*history(), erased(LATER)).forget()
    new = event("customer.updated", at("13:00", day=2), name="Bob", tier="bronze")
    first = received(at("13:00", day=3), "C-9")
    memory.feed(new, first, opened(at("13:00", day=3), {"first_response": at("14:00", day=3)}, "C-9"))
    assert (memory.fact("C-9").customer_id, memory.fact("C-9").profile.tier) == ("K-1", "bronze")
    assert (memory.fact().customer_id, memory.fact().profile.tier) == ("erased:1", "gold")
    memory.feed(event("customer.updated", at("12:00"), tier="lead"), erased(at("13:00", day=4))).forget()
    assert (memory.fact("C-9").customer_id, memory.fact().customer_id) == ("erased:2", "erased:1")
    assert "Bob" not in memory.texts
    memory.feed(received(at("13:00", day=1), "C-8"), received(at("13:01", day=3), "C-7"))
    assert (memory.fact("C-8").customer_id, memory.fact("C-7").customer_id) == ("erased:1", "erased:2")


def test_a_contact_of_which_only_later_news_had_come_is_theirs_once_its_message_from_before_comes():
    first, answer = received(at("09:00", day=2), "C-8"), responded(at("13:30", day=2), "C-8")
    gold = event("customer.updated", at("08:00"), tier="gold")
    bronze = event("customer.updated", at("13:00", day=2), tier="bronze")
    memory = Forgetting().feed(gold, erased(LATER), bronze, answer).forget()
    assert memory.fact("C-8").customer_id == "K-1"
    memory.feed(first).forget()
    in_order = Forgetting().feed(gold, first, erased(LATER), bronze, answer).forget()
    assert (figures(memory), memory.rows) == (figures(in_order), in_order.rows)
    assert {memory.entry(one).customer_id for one in (first, answer)} == {"erased:1"}


def test_what_was_said_of_somebody_new_before_the_word_of_the_erasure_came_stays_theirs():
    later = at("13:00", day=3)
    memory = Forgetting().feed(*history(), event("customer.updated", later, tier="bronze", name="Bob"))
    memory.feed(received(later, "C-9"), erased(LATER)).forget()
    assert memory.fact("C-9").customer_id == "K-1"
    assert (memory.fact().customer_id, memory.fact().profile.tier) == ("erased:1", "gold")
    assert memory.kept[CustomerFact].keys() == {"K-1", "erased:1"}
    assert "Bob" in memory.texts
    assert_forgotten(memory)


def test_asked_for_again_it_is_the_same_erasure():
    memory = Forgetting().feed(*history(), erased(LATER)).forget().feed(erased(at("13:00", day=4)), erased(at("13:00")))
    memory.forget().feed(received(at("13:00", day=3), "C-9"))
    assert memory.fact("C-9").customer_id == "erased:1"
    assert len(memory.kept[Erasure]) == 1


def test_names_made_of_the_customers_id_are_replaced_by_others_wherever_they_stand():
    events = history(contact="call/K-1/3")
    memory = Forgetting().feed(*events[:10], erased(LATER)).forget().feed(*events[10:])
    late = responded(at("08:50"), "call/K-1/3", customer_id="anonymous:77")
    memory.feed(late, verdict("breached", at("10:00", day=9), at("09:00"), "call/K-1/3", target="resolution"))
    assert_forgotten(memory, "K-1")
    told = {e.contact_id for e in memory.kept[JournalEntry].values() if isinstance(e, JournalEntry)}
    assert told == {*memory.kept[ContactFact], None}
    assert memory.entry(late).customer_id == "erased:1"


def test_a_contact_that_turned_out_to_be_anothers_stays_theirs():
    memory = Forgetting().feed(*history()[:2], received(at("09:00"), "C-1", customer_id="K-9"), erased(LATER)).forget()
    assert memory.fact().customer_id == "K-9"
    assert memory.refolded().fact().customer_id == "K-9"
    assert "K-1" not in memory.texts


def test_somebody_nameless_can_be_erased():
    memory = Forgetting().feed(*history(), erased(LATER, "anonymous:77")).forget()
    assert "anonymous:77" not in memory.texts
    assert memory.fact().customer_id == memory.refolded().fact().customer_id == "K-1"


def test_no_tier_is_told_of_somebody_erased():
    memory = Forgetting(loyalty=RULES).feed(*history()[:8], erased(LATER)).forget()
    memory.feed(event("purchase.made", at("07:30"), purchase_id="P-7", amount="900", currency="EUR", customer_id="K-1"))
    assert memory.look(NOW).told == []


@settings(deadline=None, max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(events=histories(), data=st.data())
def test_an_erasure_changes_no_figure_whenever_it_comes(events, data):
    """Nor does folding the journal again."""
    place = data.draw(st.integers(0, len(events)))
    who = data.draw(st.sampled_from(["K-1", "K-2"]))
    memory = Forgetting(partitions=3).feed(*events[:place], erased(at("12:00", day=9), who))
    if data.draw(st.booleans()):
        memory.forget()
    memory.feed(*events[place:]).forget()
    before = Memory().feed(*events)
    assert memory.rows == before.rows
    assert figures(memory) == figures(before)
    assert figures(memory.refolded()) == figures(before)
    assert who not in memory.texts


@settings(deadline=None, max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(events=histories(), data=st.data())
def test_with_somebody_new_under_the_id_folding_the_journal_gives_the_figures_too(events, data):
    """In whatever order it is learnt."""
    day = at("08:00", day=10)
    new = [
        received(day, "N-1"),
        responded(at("09:00", day=10), "N-1"),
        opened(day, {"first_response": at("10:00", day=10)}, "N-1"),
        event("customer.updated", day, tier="bronze"),
        answered(day, 2, "csat-new"),
    ]
    memory = Forgetting(partitions=3)
    for one in data.draw(st.permutations([*events, erased(at("12:00", day=9)), *new])):
        memory.feed(one)
    memory.forget()
    again = memory.refolded()
    assert again.rows == memory.rows
    assert figures(again) == figures(memory)
    assert memory.fact("N-1").customer_id == "K-1"


KEPT = {
    *{(f"followup.{kind}", "reason") for kind in ("deferred", "suppressed", "cancelled")},
    *{(f"sla.{kind}", "cause") for kind in ("rescheduled", "cancelled", "corrected")},
    ("alert.cleared", "cause"),
}
"""Texts that services make, none of a person's; those of events without a customer need no look."""


def test_every_field_with_a_persons_words_is_known_as_such():
    """A new field of the contract that holds words must be told to `wordless`, or be listed above."""
    for event_type, kind in EVENT_DATA.items():
        for name in _texts(kind) if "customer_id" in kind.model_fields else ():
            said = wordless({"type": event_type, "data": {name: "words"}}, "erased:1", None, str)["data"].get(name)
            assert said in (None, "erased") or (event_type, name) in KEPT, f"{event_type}: {name}"


def _texts(kind: type[BaseModel]) -> list[str]:
    words = [Text.__metadata__[0], Url.__metadata__[0]]  # type: ignore[attr-defined]
    return [
        name
        for name, field in kind.model_fields.items()
        if any(word in field.metadata or repr(word) in repr(field.annotation) for word in words)
    ]


def test_what_is_left_is_an_event_that_can_be_read():
    for one in history():
        text = one.model_dump_json(exclude_unset=True)
        left = wordless(json.loads(text), "erased:1", None, lambda name: name.replace("K-1", "x"))
        assert decode(json.dumps(left).encode()).type == one.type


def test_the_customer_is_called_what_intake_has_called_them():
    memory = Forgetting().feed(*history(), named(LATER, "erased:ours")).forget()
    assert memory.fact().customer_id == "erased:ours"
    assert memory.kept[CustomerFact].keys() == {"erased:ours"}


@pytest.mark.parametrize("contact", ["C-1", "call/K-1/3"])
def test_what_services_tell_under_the_new_name_is_theirs_whether_we_have_heard_of_the_erasure_or_not(contact):
    """Events of one customer lie in several topics, and after an erasure in two partitions: they come in no order."""
    events = history(contact=contact)
    before = Memory().feed(*events, *told_after(contact, "K-1"))
    told = told_after(contact, "erased:ours")
    for count in range(len(told) + 1):
        memory = Forgetting().feed(*events, *told[:count], named(LATER, "erased:ours")).forget()
        memory.feed(*told[count:]).forget()
        assert_forgotten(memory, "K-1")
        assert (memory.rows, figures(memory)) == (before.rows, figures(before))
        assert memory.kept[CustomerFact].keys() == {"erased:ours"}
        assert len(memory.kept[ContactFact]) == len(before.kept[ContactFact])
