"""Law: nothing vanishes. Where a position has passed, the effect is stored or the record is, whole, a dead letter."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from rapport.contracts import topics
from rapport.decision import Decision, Unreadable
from rapport.runtime.dead_letter import OFFSET, PARTITION, REASON, SERVICE, TOPIC, TooManyDeadLetters
from rapport.runtime.processor import WrongCluster

from tests.support.clock import ManualClock
from tests.support.replica import PARTITIONS, Log, Record, Site, all_of, received
from tests.support.tally import Tally, TallyDomain, told

GOOD, RUBBISH, EMPTY, BOOM, HUGE, UNTOUCHABLE, UNSPEAKABLE = (
    "good",
    "rubbish",
    "empty",
    "boom",
    "huge",
    "untouchable",
    "unspeakable",
)
TAKEN = "taken"
REASONS = {
    RUBBISH: "",
    EMPTY: "the record has no value",
    BOOM: "ValueError: this domain does not like it",
    HUGE: "the store refuses it: ",
    UNTOUCHABLE: "RuntimeError: can't say what it touches",
    UNSPEAKABLE: "ValueError: the followup.scheduled that follows from it has",
}


class DifficultDomain(TallyDomain):
    """The toy domain, with more that can go wrong."""

    def touches(self, event):
        if event.subject == UNTOUCHABLE:
            raise RuntimeError("can't say what it touches")
        return super().touches(event)

    def on_event(self, event, partition, states, now):
        decision = super().on_event(event, partition, states, now)
        if event.subject == UNSPEAKABLE:
            long = told(decision.states[0], "x", now)
            data = long.event.data.model_copy(update={"play": "x" * 1_100_000})
            long.event.__dict__["data"] = data
            return Decision(decision.states, (*decision.events, long), decision.counts)
        if event.subject == TAKEN:
            return Decision((*decision.states, decision.states[0].but(id=TAKEN)), decision.events, decision.counts)
        return decision


@pytest.fixture
async def sites(stack, unique):
    made = []

    async def new() -> Site:
        made.append(Site(stack.mongodb, unique("tally"), ManualClock()))
        await made[-1].prepare()
        return made[-1]

    yield new
    for site in made:
        await site.close()


@pytest.fixture
async def site(sites):
    return await sites()


def a_record(log: Log, kind: str, partition: int, number: int) -> Record:
    name = str(number)
    value = {RUBBISH: b'{"specversion":"1.0","id":', EMPTY: None}.get(
        kind, received(f"k{partition}", name, subject=None if kind == GOOD else kind)
    )
    return log.append(partition, value, key=name.encode(), headers=[("n", name.encode()), ("odd", b"\xff\x00")])


kinds = st.sampled_from([GOOD] * 9 + [RUBBISH, EMPTY, BOOM, HUGE, UNTOUCHABLE, UNSPEAKABLE])


async def test_a_record_whose_state_has_an_id_that_another_has_is_a_dead_letter_and_holds_up_no_other(site):
    await site.store.collection(Tally.collection).insert_one({"_id": TAKEN})
    log = Log()
    records = [log.append(0, received("k", str(n), subject=subject)) for n, subject in enumerate((None, TAKEN, None))]
    await site.replica(domain=DifficultDomain(), dead_letter_share=1.0).process(records)
    assert (await site.positions())[0] == {topics.CONTACT_EVENTS: 3}
    assert len((await site.tally("k")).seen) == 2
    [letter] = site.published.dead
    assert letter.value == records[1].value
    assert dict(letter.headers)[REASON].startswith(b"the store refuses it: an id is taken: ")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    mix=st.lists(st.tuples(kinds, st.integers(0, PARTITIONS - 1)), min_size=1, max_size=40),
    at_once=st.integers(1, 25),
)
async def test_every_record_is_in_the_states_or_whole_in_the_dead_letters(sites, mix, at_once):
    site = await sites()
    log = Log()
    records = [a_record(log, kind, partition, number) for number, (kind, partition) in enumerate(mix)]
    await all_of(records, site.replica(domain=DifficultDomain(), dead_letter_share=1.0).process, at_once=at_once)

    bad = {record: kind for record, (kind, _) in zip(records, mix, strict=True) if kind != GOOD}
    letters = {letter.key: letter for letter in site.published.dead}
    assert len(site.published.dead) == len(letters) == len(bad)
    for record, kind in bad.items():
        letter = letters[record.key]
        assert (letter.value, letter.headers[:2]) == (record.value, record.headers)
        said = dict(letter.headers[2:])
        assert said[REASON].decode().startswith(REASONS[kind])
        assert (said[TOPIC].decode(), int(said[PARTITION]), int(said[OFFSET])) == (
            record.topic,
            record.partition,
            record.offset,
        )
        assert said[SERVICE] == b"tally"
    for partition in range(PARTITIONS):
        good = [kind for kind, p in mix if p == partition and kind == GOOD]
        tally = await site.tally(f"k{partition}")
        assert len(tally.seen if tally else ()) == len(good)
        assert [step for _, step in site.published.told_about(f"k{partition}")] == list(range(1, len(good) + 1))
    assert await site.counted() == len(mix) - len(bad)
    at = await site.positions()
    assert {p: offsets[log.topic] for p, offsets in at.items() if offsets} == log.ends


async def test_a_bad_deploy_stops_before_it_drains_the_topic_into_the_dead_letters(site):
    log = Log()
    replica = site.replica()
    good = [log.append(0, received("k1", str(n))) for n in range(60)]
    await replica.process(good)
    refused = [log.append(0, received("k1", f"bad-{n}", subject="boom")) for n in range(200)]
    with pytest.raises(TooManyDeadLetters, match="200 of the last 260"):
        await replica.process(refused)
    assert site.published.dead == []
    assert (await site.positions())[0] == {topics.CONTACT_EVENTS: 60}


async def test_what_another_release_has_stored_stops_this_one_and_loses_nothing(site):
    log = Log()
    await site.replica().process([log.append(0, received("k1", "1"))])
    stored = (await site.tally("k1")).stored().replace("{", '{"since_next_release":1,', 1)
    await site.database[Tally.collection].update_one({"_id": "k1"}, {"$set": {"s": stored}})
    with pytest.raises(Unreadable, match=r"^what tallies hold can't be read, another release .*since_next_release"):
        await site.replica().process([log.append(0, received("k1", "2"))])
    assert site.published.dead == []
    assert (await site.database[Tally.collection].find_one({"_id": "k1"}))["s"] == stored
    assert (await site.positions())[0] == {topics.CONTACT_EVENTS: 1}


async def test_a_record_decided_again_after_conflicts_counts_once_in_the_share_of_failures(site):
    log = Log()
    replica = site.replica()
    commit = replica._store.commit
    conflicts = 100

    async def often_overtaken(change) -> None:
        nonlocal conflicts
        conflicts -= 1
        if conflicts > 0:
            await site.store._rows.update_one({"_id": 0}, {"$inc": {"seq": 1}})
        await commit(change)

    replica._store.commit = often_overtaken
    await replica.process([log.append(0, b"rubbish")])
    assert len(site.published.dead) == 1


async def test_other_content_at_the_place_of_the_last_record_is_another_cluster(site):
    log = Log()
    await site.replica().process([log.append(0, received("k1", "1"))])
    with pytest.raises(WrongCluster, match="contact-events/0 holds another record at offset 0"):
        await site.replica().process([Log().append(0, received("k1", "other"))])


async def test_the_last_record_read_again_is_no_news(site):
    log = Log()
    record = log.append(0, received("k1", "1"))
    await site.replica().process([record])
    await site.replica().process([record])
    tally = await site.store.get(Tally, "k1")
    assert tally is not None
    assert len(tally.seen) == 1
    assert len(site.published.records) == 1
