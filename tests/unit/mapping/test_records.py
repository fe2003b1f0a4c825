import time
from datetime import UTC, datetime

import pytest
from pydantic_core import to_json
from rapport.mapping import HookMapping, WrongMapping, parse_hook, read_payload
from rapport.mapping.record import Record
from rapport.mapping.values import plain

NOW = datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)
PAYLOAD = {
    "ticket": {"id": 4711, "open": True, "ratio": 2.0, "half": 0.5, "none": None, "tags": [], "a.b": "dotted"},
    "parts": [{"id": "p1", "who": ""}, {"id": "p2", "who": "lee"}],
    "column with blanks": " x ",
}


def text(path: str) -> str:
    return Record(PAYLOAD, {"year": "2026"}).text(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ticket.id", "4711"),
        ("ticket.open", "true"),
        ("ticket.ratio", "2"),
        ("ticket.half", "0.5"),
        ("ticket.none", ""),
        ("ticket.tags", ""),
        ("ticket.nowhere.deeper", ""),
        ("parts.0.id", "p1"),
        ("parts.-1.id", "p2"),
        ("parts.5.id", ""),
        ("parts.*.who", "lee"),
        ("ticket.none|parts.0.who|parts.1.who", "lee"),
        ("column with blanks", "x"),
        ("year", "2026"),
    ],
)
def test_a_path_leads_to_one_value(path, found):
    assert text(path) == found


@pytest.mark.parametrize(
    ("value", "is_blank"), [(0, True), ("0", True), (" 0 ", True), (10, False), (False, False), (0.5, False)]
)
def test_what_stands_for_nothing_does_so_as_number_and_as_text(value, is_blank):
    assert (Record({"owner": value}, {}, blanks=frozenset({"0"})).value("owner") is None) is is_blank


def test_a_structure_is_no_single_value():
    with pytest.raises(ValueError, match="ticket is no single value"):
        text("ticket")


def test_a_template_reaches_no_attribute_of_anything():
    with pytest.raises(WrongMapping, match="column or a path"):
        hook("{ticket!r}")
    assert Record(PAYLOAD, {}).filled("{ticket.__class__}") is None


@pytest.mark.parametrize(("others", "faults"), [("ignored", 0), ("refused", 1)])
def test_what_no_rule_is_for_is_ignored_or_refused_as_the_mapping_says(others, faults):
    mapping = hook(when={"event": "confirmed"}).model_copy(update={"others": others})
    slip = read_payload(b'[{"event": "confirmd"}, {"event": "confirmed"}]', mapping, NOW)
    assert (len(slip.events), len(slip.faults)) == (1, faults)
    assert all(fault == "event: says nothing that the mapping has a rule for" for fault in slip.faults)


def hook(name: str = "{@hash}", **rule: object) -> HookMapping:
    written = {"about": "x", "source": "/x", "time": "at|@arrival", "data": {"customer_id": "K", "contact_id": "C"}}
    return parse_hook(to_json({**written, "events": [{"type": "contact.confirmed", "id": name, **rule}]}).decode(), "x")


def test_without_an_id_the_hash_of_source_and_body_is_the_identity():
    mapping = hook()
    ids = {read_payload(body, mapping, NOW).events[0]["id"] for body in (b'{"a":1}', b'{"a":1}', b'{"a":2}')}
    other = read_payload(b'{"a":1}', mapping.model_copy(update={"source": "/y"}), NOW).events[0]["id"]
    assert len(ids) == 2
    assert other not in ids


def test_two_events_of_one_payload_never_share_an_id():
    mapping = hook()
    doubled = mapping.model_copy(update={"events": [*mapping.events, *mapping.events]})
    first, second = read_payload(b"{}", doubled, NOW).events
    assert second["id"] == f"{first['id']}:1"


def test_what_says_no_time_is_dated_by_its_arrival_only_where_the_mapping_says_so():
    assert read_payload(b"{}", hook(), NOW).events[0]["time"] == "2026-03-02T09:00:30Z"
    reading = read_payload(b"{}", hook(time="at"), NOW)
    assert (reading.events, reading.faults) == ([], ["contact.confirmed: at says no time"])


def test_headers_can_be_looked_at_but_for_those_that_hold_secrets():
    mapping = hook(when={"@x-kind": "a", "@authorization": "blank", "@cookie": "blank"})
    headers = {"X-Kind": "a", "Authorization": "Bearer secret", "Cookie": "secret"}
    assert len(read_payload(b"{}", mapping, NOW, headers).events) == 1


def test_a_payload_can_not_pass_for_what_the_mapping_is_given():
    body = b'{"@arrival": "2020-01-01T00:00:00Z", "@hash": "mine"}'
    (event,) = read_payload(body, hook(), NOW).events
    assert event["time"] == "2026-03-02T09:00:30Z"
    assert event["id"] != "mine"


@pytest.mark.parametrize(
    ("at", "time"),
    [
        (1772442030, "2026-03-02T09:00:30Z"),
        (1772442030.25, "2026-03-02T09:00:30.250Z"),
        (1772442030250, "2026-03-02T09:00:30.250Z"),
        ("1772442030", "2026-03-02T09:00:30Z"),
        ("2026-03-02T09:00:30.123456789Z", "2026-03-02T09:00:30.123Z"),
        ("2026-03-02 09:00:30 UTC", "2026-03-02T09:00:30Z"),
        ("2026-03-02T10:00:30+01:00", "2026-03-02T09:00:30Z"),
    ],
)
def test_the_ways_in_which_products_write_an_instant(at, time):
    assert read_payload(to_json({"at": at}), hook(), NOW).events[0]["time"] == time


@pytest.mark.parametrize(
    "at", [True, {"a": 1}, [1], 1e300, -1e300, "99999999999999999999", "0001-01-01T00:00:00+01:00"]
)
def test_what_is_no_instant_is_a_fault_and_no_crash(at):
    assert read_payload(to_json({"at": at}), hook(), NOW).faults


@pytest.mark.parametrize(
    ("condition", "cell", "holds"),
    [
        ("a", "a", True),
        ("a", "A", False),
        (["a", "b"], "b", True),
        ("present", "", False),
        ("blank", "", True),
        (["a", "blank"], "", True),
        ({"like": "a*c"}, "abc", True),
        ({"matches": "^b+$"}, "bb", True),
        ({"matches": "^b+$"}, "bba", False),
        ({"not": ["a", "blank"]}, "", False),
        ({"not": {"like": "a*"}}, "b", True),
    ],
)
def test_conditions(condition, cell, holds):
    assert bool(read_payload(to_json({"c": cell}), hook(when={"c": condition}), NOW).events) is holds


def test_html_becomes_the_words_that_a_reader_sees():
    html = "<style>p {}</style><p>A&amp;B</p><div>two  <b>words</b></div><script>x()</script>"
    assert plain(html) == "A&B\ntwo words"
    assert plain("1 < 2 & no html") == "1 < 2 & no html"
    assert plain("ä<br/>b<!-- c > d -->e<SCRIPT>f</Script >g") == "ä\nbeg"


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<![", "</", "<script>", '<a b="', "&lt;"])
def test_broken_markup_is_read_in_one_pass(piece):
    started = time.process_time()
    plain(piece * 100_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("about: x\nsource: /x\nevents: [{type: contact.confirmed}]", "needs a time"),
        ("about: x\nsource: /x\ntime: a\nevents: [{type: contact.confirmed, first: true}]", "no row before"),
        (
            "about: x\nsource: /x\ntime: a\nevents: [{type: contact.confirmed, when: {a: {matches: '('}}}]",
            "events.0.when",
        ),
        (
            "about: x\nsource: /x\ntime: a\nsignature: {header: X, digest: md5}\nevents: [{type: contact.confirmed}]",
            "signature.digest",
        ),
        (
            "about: x\nsource: /x\ntime: a\nevents: [{type: contact.confirmed}]\n"  # noqa: ISC004 - one text
            "signature: {header: X, digest: sha1, signed: '{timestamp}{body}'}",
            "name its header",
        ),
    ],
)
def test_a_mapping_of_a_hook_that_can_not_be_meant_is_refused(written, reason):
    with pytest.raises(WrongMapping, match=reason):
        parse_hook(written, "x")
