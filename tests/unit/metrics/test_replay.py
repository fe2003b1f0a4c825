"""Laws of a recompute: the journal played in any order and in any pages gives what folding gave, and tells nothing."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.loyalty import Loyalty
from metrics.domain.notes import LONGEST_LOG

from tests.support.metrics import MONDAY, NOW, Memory, at, event, received, responded
from tests.support.metrics_erasing import Forgetting, erased
from tests.support.metrics_erasing import history as erasable
from tests.support.replay import Played, compared, journal
from tests.unit.metrics.test_laws import figures, histories

RULES = Loyalty({"EUR": 1_000_000}, ((100, "silver"), (1000, "gold")), 365 * 86_400_000, "rules")


@settings(deadline=None, max_examples=40)
@given(history=histories(), data=st.data())
def test_the_journal_in_any_order_and_pages_gives_what_folding_gave(history, data):
    live = Memory(partitions=3).feed(*history)
    entries = data.draw(st.permutations(journal(live)))
    new = Played(live)
    while entries:
        many = data.draw(st.integers(1, len(entries)))
        new.play(entries[:many])
        entries = entries[many:]

    assert new.rows == live.rows
    assert figures(new, facts=True) == figures(live, facts=True)
    assert compared(live, new).is_equal


@given(history=histories())
def test_a_recompute_writes_no_journal_and_counts_nothing_as_taken_in(history):
    new = Played(Memory().feed(*history)).play_all()

    assert not new.kept[JournalEntry]
    assert not new.balance


def test_of_an_endless_contact_the_same_is_left_out():
    live = Memory().feed(received(at("09:00")))
    for number in range(LONGEST_LOG + 100):
        live.feed(responded(at("10:00") + timedelta(minutes=number), agent_id="ann", handle_seconds=30))
    late = responded(at("09:30"), agent_id="bob")
    live.feed(late)
    assert live.entry(late).fate == "too_late"

    assert compared(live, Played(live).play_all()).is_equal


def test_what_is_somebodys_and_what_is_nobodys_may_be_of_one_instant():
    of_ann, of_nobody = (
        event("quality.reviewed", at("10:00"), contact_id="C-1", score=score, out_of=10, agent_id=agent)
        for score, agent in ((8, "ann"), (3, None))
    )
    live = Memory().feed(received(at("09:00")), of_ann, of_nobody)
    new = Played(live).play(journal(live)[::-1])

    assert compared(live, new).is_equal
    assert not compared(live, Played(Memory().feed(received(at("09:00")), of_ann)).play_all()).is_equal


def bought(amount: str, minute: int = 0, *, backfill: bool = False):
    when = NOW - timedelta(days=3) + timedelta(minutes=minute)
    return event("purchase.made", when, purchase_id=f"P-{minute}", amount=amount, currency="EUR", backfill=backfill)


def test_what_customers_were_told_of_their_tier_is_taken_over_and_not_told_anew():
    live = Memory(loyalty=RULES).feed(bought("50"), bought("60", 1))
    [told] = live.told
    live.feed(told)
    new = Played(live).play_all()

    assert not new.told
    assert new.kept[CustomerFact] == live.kept[CustomerFact]
    assert new.kept[CustomerFact]["K-1"].wake_at is not None


def test_what_falls_due_while_the_journal_is_played_is_taken_over_once_it_is_played_again():
    live = Memory(loyalty=RULES).feed(bought("50", backfill=True), bought("60", 1, backfill=True))
    new = Played(live).play_all()
    live.look(NOW)
    assert live.told
    assert new.kept[CustomerFact] != live.kept[CustomerFact]

    live.feed(*live.told)
    new.play(journal(live)[-1:])
    assert new.kept[CustomerFact] == live.kept[CustomerFact]


def test_a_contact_whose_fact_was_made_by_an_older_version_is_named_with_what_it_lacks():
    live = Memory().feed(received(at("09:00")), received(at("10:00"), "C-2"), responded(at("11:00"), "C-2"))
    old = Memory().feed(received(at("09:00")), received(at("10:00"), "C-2"), responded(at("11:00"), "C-2"))
    fact = old.fact("C-2")
    old.kept[ContactFact]["C-2"] = fact.but(marks=tuple(m for m in fact.marks if m.measure != "in_language"))

    said = compared(old, Played(live).play_all()).shown()
    assert not said["equal"]
    assert said["contacts"] == {"facts": 2, "differ": 1, "first": ["C-2"]}
    assert said["figures"]["in_language"] == {"unknown": {"old": 0, "new": 1}}
    assert said["figures"]["contacts"] == {"contacts": {"old": 2, "new": 2}}


def test_what_came_after_the_last_that_was_played_makes_no_difference():
    live = Memory().feed(received(at("09:00")))
    new = Played(live).play_all()
    live.feed(responded(at("10:00"), agent_id="ann"))

    assert not compared(live, new).is_equal
    moving = compared(live, new, moving=["C-1"])
    assert (moving.moving, moving.contacts.differ, moving.figures.are_equal) == (1, 0, True)


def test_customers_differ_where_what_is_told_of_them_does():
    live = Memory().feed(event("customer.updated", MONDAY, owner_id="ann"))
    old = Memory().feed(event("customer.updated", MONDAY, owner_id="bob"))

    assert compared(old, Played(live).play_all()).shown()["customers"] == {"facts": 1, "differ": 1, "first": ["K-1"]}


def test_an_erased_customer_of_whom_nothing_but_contacts_was_known_makes_no_difference():
    live = Forgetting().feed(received(at("09:00")), erased(at("12:00"))).forget()

    assert compared(live, Played(live).play_all()).is_equal


def test_of_an_erased_customer_the_figures_are_made_anew_without_the_id():
    live = Forgetting().feed(*erasable(), erased(at("12:00", day=1))).forget()
    new = Played(live).play_all()

    assert new.rows == live.rows
    assert figures(new, facts=True) == figures(live, facts=True)
    assert not [name for kind in (ContactFact, CustomerFact) for name in new.kept[kind] if "K-1" in name]
