import gzip
from pathlib import Path

import pytest
from devkit.errors import CommandFailed
from devkit.mapping import find_mapping, table_of
from rapport.mapping import WrongMapping, parse_table

MAPPING = """
about: calls
source: /pbx
timezone: Europe/Berlin
events:
  - type: contact.received
    id: "{call}"
    time: began
    data:
      contact_id: "{call}"
      customer_id: "anonymous:{number}"
      channel: {from: line, map: {hotline: phone, bot: chat}, default: other}
      subject: "{topic} on {line}"
      promised_by: {from: due, as: instant}
  - type: contact.abandoned
    id: "{call}:gone"
    time: ended
    when: {answered: ["no", never]}
    data:
      contact_id: "{call}"
      customer_id: "anonymous:{number}"
      waited_seconds: {from: waited, as: number}
"""
HEADER = "call,number,line,topic,began,ended,answered,waited,due\n"


def made(tmp_path: Path, *lines: str, mapping: str = MAPPING):
    file = tmp_path / "calls.csv"
    file.write_text(HEADER + "".join(f"{line}\n" for line in lines), "utf-8")
    return [one.event for one in table_of(file, parse_table(mapping, "calls")).made]


def test_a_row_becomes_the_events_whose_conditions_hold(tmp_path):
    received, abandoned = made(tmp_path, "7,0301,bot,bill,2026-03-02 09:00:00,2026-03-02 09:01:00,never,60,")
    assert (received["type"], received["time"]) == ("contact.received", "2026-03-02T08:00:00Z")
    assert received["data"] == {
        "contact_id": "7", "customer_id": "anonymous:0301", "channel": "chat", "subject": "bill on bot",
    }  # fmt: skip
    assert (abandoned["id"], abandoned["data"]["waited_seconds"]) == ("7:gone", 60.0)


def test_what_does_not_meet_the_condition_and_what_has_no_time_is_left_out(tmp_path):
    rows = ("7,1,bot,x,2026-03-02 09:00:00,2026-03-02 09:01:00,yes,,", "8,1,bot,x,2026-03-02 09:00:00,,no,,")
    assert [event["type"] for event in made(tmp_path, *rows)] == ["contact.received"] * 2


def test_a_template_with_a_blank_column_is_absent_as_a_whole(tmp_path):
    (event,) = made(tmp_path, "7,1,bot,,2026-03-02 09:00:00,,yes,,")
    assert "subject" not in event["data"]


def test_a_value_that_the_map_lacks_becomes_the_default(tmp_path):
    (event,) = made(tmp_path, "7,1,fax,x,2026-03-02 09:00:00,,yes,,")
    assert event["data"]["channel"] == "other"


def test_events_come_in_order_of_time_and_keep_the_files_order_within_an_instant(tmp_path):
    rows = [f"{call},1,bot,x,2026-03-02 {at}:00,,yes,," for call, at in ((1, "10:00"), (2, "09:00"), (3, "09:00"))]
    assert [(event["id"], event["sequence"]) for event in made(tmp_path, *rows)] == [("2", "2"), ("3", "4"), ("1", "0")]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),  # occurs twice: the first, still summer time
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),  # does not occur: the offset before the gap
        ("2026-03-02T09:00:00-05:00", "2026-03-02T14:00:00Z"),
    ],
)
def test_local_times_mean_one_instant_only(tmp_path, local, utc):
    (event,) = made(tmp_path, f"7,1,bot,x,{local},,yes,,")
    assert event["time"] == utc


def test_a_cell_that_makes_no_sense_is_named_with_its_line(tmp_path):
    file = tmp_path / "calls.csv"
    rows = ("7,1,bot,x,2026-03-02 09:00:00,,yes,,", "8,1,bot,x,2026-03-02 09:00:00,,yes,,soon")
    file.write_text(HEADER + "".join(f"{row}\n" for row in rows), "utf-8")
    table = table_of(file, parse_table(MAPPING, "calls"))
    assert [one.event["id"] for one in table.made] == ["7"]
    assert [(one.line, one.reason) for one in table.odd] == [(3, "due: 'soon' is no time")]


def test_a_file_in_which_no_row_makes_sense_is_refused_with_the_first_reason(tmp_path):
    with pytest.raises(CommandFailed, match=r"not one event comes out of it \(line 2: began: 'early' is no time\)"):
        made(tmp_path, "7,1,bot,x,early,,yes,,")


def test_a_file_without_a_column_that_is_needed_is_refused(tmp_path):
    with pytest.raises(CommandFailed, match="has no column elsewhere"):
        made(tmp_path, "7,1,bot,x,2026-03-02 09:00:00,,yes,,", mapping=MAPPING.replace("{topic}", "{elsewhere}"))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("contact.abandoned", "contact.vanished", "events.1.type.*is no type of event"),
        ("Europe/Berlin", "Europe/Bonn", "is no time zone"),
        ("{call}:gone", "{call}", "the same id"),
        ("about: calls", "abuot: calls", "about: Field required|abuot"),
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused_before_anything_is_sent(old, new, reason):
    with pytest.raises(WrongMapping, match=reason):
        parse_table(MAPPING.replace(old, new), "calls")


def test_packed_files_are_read_and_only_as_many_rows_as_asked_for(tmp_path):
    file = tmp_path / "calls.csv.gz"
    rows = [f"{call},1,bot,x,2026-03-02 09:00:00,,yes,,\n" for call in range(5)]
    file.write_bytes(gzip.compress((HEADER + "".join(rows)).encode()))
    assert len(table_of(file, parse_table(MAPPING, "calls"), rows=3).made) == 3


def test_every_shipped_mapping_is_sound():
    assert find_mapping("boston311").source == "/boston311"


def test_an_unknown_mapping_says_which_there_are():
    with pytest.raises(CommandFailed, match="boston311"):
        find_mapping("atlantis311")


def test_a_mapping_that_is_no_text_or_endlessly_nested_is_told_in_one_line(tmp_path):
    for content, reason in ((b"\xff\xfe", "can't be read"), (b"[" * 5000, "nested too deep")):
        path = tmp_path / "odd.yaml"
        path.write_bytes(content)
        with pytest.raises(CommandFailed, match=reason):
            find_mapping(str(path))
