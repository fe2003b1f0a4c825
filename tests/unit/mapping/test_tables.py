"""Rows to events: stories, conditions, rows that make no sense."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapport.mapping import Odd, TableMapping, UnreadableTable, WrongMapping, parse_table, read_table

CALLS = """
about: calls
source: /pbx
blank: ["-"]
time: at
data: {contact_id: "{call}", customer_id: ["K-{customer}", "anonymous:{call}"]}
events:
  - {type: contact.received, id: "{call}", data: {channel: {from: line, map: {a: phone}, default: other}}}
"""
STORY = """
about: an incident log
source: /log
story: {by: case, order: [at, change], carry: [agent]}
known: {state: [new, work, wait, done]}
blank: ["?"]
time: at
data: {contact_id: "{case}", customer_id: "anonymous:{case}"}
events:
  - {type: contact.received, id: "{case}", first: true, data: {channel: phone}}
  - {type: contact.assigned, id: "{case}:{at}:{change}:a", changed: [agent], data: {agent_id: "{agent}"}}
  - {type: contact.reopened, id: "{case}:{at}:{change}:o", was: {state: done}, when: {state: {not: done}}}
  - {type: contact.resumed, id: "{case}:{at}:{change}:g", was: {state: wait}, when: {state: [new, work]}}
  - type: contact.waiting
    id: "{case}:{at}:{change}:w"
    when: {state: wait}
    was: {state: {not: wait}}
    data: {"on": customer}
  - {type: contact.resolved, id: "{case}:{at}:{change}:r", when: {state: done}, was: {state: {not: done}}}
"""
LOG = [
    "7,1,2026-03-02T09:00,new,?",
    "7,2,2026-03-02T09:10,work,lee",
    "8,1,2026-03-02T09:11,done,kim",
    "7,3,2026-03-02T09:12,wait,?",
    "7,4,2026-03-02T09:12,work,lee",
    "7,5,2026-03-02T09:20,done,lee",
    "7,6,2026-03-02T09:30,work,kim",
    "8,2,2026-03-02T09:31,done,kim",
]
TOLD = [
    ("7", "received"), ("7", "assigned"), ("8", "received"), ("8", "resolved"), ("7", "waiting"), ("7", "resumed"),
    ("7", "resolved"), ("7", "assigned"), ("7", "reopened"),
]  # fmt: skip


def calls(*rows: str, mapping: str = CALLS, header: str = "call,customer,line,at", **limits: int):
    lines = "".join(f"{line}\n" for line in (header, *rows)).splitlines(keepends=True)
    return read_table(lines, parse_table(mapping, "calls"), **limits)


def story(*rows: str):
    return calls(*rows, mapping=STORY, header="case,change,at,state,agent")


def told(table) -> list[tuple[str, str]]:
    return [(one.event["data"]["contact_id"], one.event["type"].removeprefix("contact.")) for one in table.made]


def test_what_changes_from_row_to_row_of_a_story_is_what_happened():
    assert told(story(*LOG)) == TOLD


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50)
def test_a_story_is_told_in_its_own_order_whatever_the_order_of_the_file(seed):
    rows = random.Random(seed).sample(LOG, len(LOG))
    table = story(*rows)
    assert sorted(told(table)) == sorted(TOLD)
    for case in ("7", "8"):
        in_order = [one for one in table.made if one.event["data"]["contact_id"] == case]
        assert [kind for name, kind in told(table) if name == case] == [kind for name, kind in TOLD if name == case]
        assert [(one.at, one.sequence) for one in in_order] == sorted((one.at, one.sequence) for one in in_order)


def test_numbers_follow_each_other_as_numbers_and_no_number_is_too_long():
    rows = [f"7,{change},2026-03-02T09:00,{state},lee" for change, state in (("10", "done"), ("9", "wait"))]
    assert told(story(*rows, f"8,{'9' * 9000},2026-03-02T09:01,new,lee"))[1:3] == [("7", "waiting"), ("7", "resolved")]


def test_a_cell_without_news_keeps_what_the_story_said_last():
    rows = ["7,1,2026-03-02T09:00,new,lee", "7,2,2026-03-02T09:10,work,?", "7,3,2026-03-02T09:20,work,lee"]
    assert told(story(*rows)) == [("7", "received")]


def test_a_refused_row_does_not_tear_its_story():
    rows = ["7,1,2026-03-02T09:00,new,lee", "7,2,2026-03-02T09:10,-100,kim", "7,3,2026-03-02T09:20,done,lee"]
    table = story(*rows)
    assert told(table) == [("7", "received"), ("7", "resolved")]
    assert table.odd == [Odd(3, "state: '-100' is none of new, work, wait, done")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7,1,a", "has 3 cells, the header has 4"),
        ("7,1,a,2026-03-02,x", "has 5 cells, the header has 4"),
        ("7,1,a,soon", "at: 'soon' is no time"),
        (f"{'7' * 201},1,a,2026-03-02", "contact.received: contact_id: String should have at most 200 characters"),
        ("7,\udcff,a,2026-03-02", "customer: is not written in utf-8"),
        (",1,a,2026-03-02", "contact.received: the id needs a column that is blank"),
    ],
)
def test_a_row_that_makes_no_sense_is_named_and_the_others_go(row, reason):
    table = calls("1,1,a,2026-03-02", row, "", "2,1,a,2026-03-02")
    assert [one.event["id"] for one in table.made] == ["1", "2"]
    assert table.odd == [Odd(3, reason)]
    assert table.rows == 3


def test_a_row_that_lacks_what_it_needs_is_named_rather_than_left_out():
    rows = ("1,1,a,2026-03-02", "2,1,a,", "3,1,a,-")
    silent, named = calls(*rows), calls(*rows, mapping=CALLS.replace("time:", "needs: [at]\ntime:"))
    assert (len(silent.made), silent.odd) == (1, [])
    assert (len(named.made), named.odd) == (1, [Odd(3, "at: is blank"), Odd(4, "at: is blank")])


def test_a_line_is_that_of_the_file_even_after_a_cell_with_line_breaks():
    table = calls('"1\n1",1,a,2026-03-02', "2,1,a,soon")
    assert [one.line for one in table.odd] == [4]


def test_only_the_first_rows_count_when_asked_for_and_so_do_their_faults():
    rows = ("1,1,a,2026-03-02", "2,1,a,soon", "3,1,a,2026-03-02", "4,1,a,soon")
    table = calls(*rows, rows=3)
    assert (len(table.made), table.odd, table.rows) == (2, [Odd(3, "at: 'soon' is no time")], 3)


def test_the_first_value_that_is_there_is_taken():
    first, second = calls("1,5,a,2026-03-02", "2,-,b,2026-03-02").made
    assert (first.event["data"]["customer_id"], first.event["data"]["channel"]) == ("K-5", "phone")
    assert (second.event["data"]["customer_id"], second.event["data"]["channel"]) == ("anonymous:2", "other")


def test_several_ways_to_write_a_time_are_tried_one_after_the_other():
    mapping = CALLS.replace("time: at", "time: at\ntime_format: ['%d.%m.%Y %H:%M', '%d.%m.%Y']")
    table = calls("1,1,a,02.03.2026 09:00", "2,1,a,03.03.2026", "3,1,a,2026-03-03", mapping=mapping)
    assert [one.event["time"] for one in table.made] == ["2026-03-02T09:00:00Z", "2026-03-03T00:00:00Z"]
    assert [one.line for one in table.odd] == [4]


def test_a_constant_is_used_like_a_column_and_may_be_given_anew():
    mapping = parse_table(CALLS.replace("source:", "with: {customer: X}\nsource:"), "calls")
    lines = ["call,line,at\n", "1,a,2026-03-02\n"]
    assert read_table(lines, mapping).made[0].event["data"]["customer_id"] == "K-X"
    again = mapping.with_constants({"customer": "Y"})
    assert isinstance(again, TableMapping)
    assert read_table(lines, again).made[0].event["data"]["customer_id"] == "K-Y"
    with pytest.raises(WrongMapping, match=r"has no constant colour \(it has customer\)"):
        mapping.with_constants({"colour": "red"})


def test_a_file_without_a_column_or_with_a_broken_quote_is_refused_as_a_whole():
    with pytest.raises(UnreadableTable, match="has no column line"):
        calls("1,1,2026-03-02", header="call,customer,at")
    with pytest.raises(UnreadableTable, match="field larger than field limit"):
        calls(f'"{"x" * 200_000}",1,a,2026-03-02')


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("story: {by: case, order: [at, change], carry: [agent]}\n", "", "looks at the row before"),
        ('id: "{case}", first', 'id: "{case!r}", first', "column or a path, and nothing else"),
        ('id: "{case}", first', 'id: "{case:>9}", first', "column or a path, and nothing else"),
        ('id: "{case}", first', 'id: "{case", first', "expected '}'"),
        ("time: at\n", "", "needs a time"),
        ('id: "{case}", first', "first", "needs an id"),
        ("known:", "knwon:", "Extra inputs are not permitted"),
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused(old, new, reason):
    with pytest.raises(WrongMapping, match=reason):
        parse_table(STORY.replace(old, new, 1), "log")


@given(cells=st.lists(st.lists(st.text(max_size=8), min_size=4, max_size=4), max_size=8))
@settings(max_examples=100)
def test_whatever_stands_in_the_cells_every_row_is_taken_or_named(cells):
    quoted = [",".join('"' + cell.replace('"', '""').replace("\0", "") + '"' for cell in row) for row in cells]
    table = calls(*quoted)
    lines = {one.line for one in table.odd}
    blank = sum(not row[3].replace("\0", "").strip() or row[3].strip() == "-" for row in cells)
    assert len(table.made) + len(lines) <= table.rows <= len(table.made) + len(table.odd) + blank
