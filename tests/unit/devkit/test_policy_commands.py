"""`rapport policy` on files alone: check, schema, backtest."""

import csv
import gzip
import json
from io import StringIO
from pathlib import Path

import pytest
from devkit.cli import app
from devkit.errors import CommandFailed
from devkit.policy.tables import preview_table
from rapport.contracts import encode
from rich.console import Console
from sla_monitor.domain.policy_schema import policy_schema
from typer.testing import CliRunner

from tests.support.sla import OFFICE, play, received, resolved, responded, targets

FOUR = targets("first_response: {within: 4h}, resolution: {within: 8h}")
TWO = targets("first_response: {within: 2h}, resolution: {within: 8h}")
STORY = [received("09:00"), responded("12:00"), resolved("15:00")]
DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "boston311" / "boston311_2011Q3.csv.gz"


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def journal(folder: Path, *, told: bool) -> str:
    """An export: events as they came, ours among them, one of them as the journal keeps it."""
    events = [*STORY, *(play(STORY, under=FOUR, looks=["+1 09:00"]).events if told else [])]
    first, *rest = [encode(event).decode() for event in events]
    path = folder / "journal.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join([json.dumps({"fate": "folded", "text": first}), *rest, ""]).encode()))
    return str(path)


def run(*arguments: str, fails: bool = False) -> str:
    result = CliRunner().invoke(app, ["policy", *arguments])
    if fails:
        assert isinstance(result.exception, CommandFailed), result.output
        return str(result.exception)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_a_sound_file_is_called_sound(tmp_path: Path):
    assert "is sound: 1 policies, 3 calendars" in run("check", written(tmp_path, "p.yaml", FOUR))


def test_every_fault_is_one_line_with_its_place(tmp_path: Path):
    text = FOUR.replace("within: 4h", "witin: 4h").replace("calendar: office", "calendar: ofice")
    path = written(tmp_path, "p.yaml", text)
    lines = run("check", path, fails=True).splitlines()
    assert [line.partition(", column")[0] for line in lines] == [f"{path}: line 8", f"{path}: line 9"]
    assert "did you mean 'within'?" in lines[0]
    assert "did you mean 'office'?" in lines[1]


def test_a_file_that_says_nothing_is_no_policy(tmp_path: Path):
    for text in ("", "# soon", "---\n...\n", "null"):
        assert "the file: says nothing" in run("check", written(tmp_path, "p.yaml", text), fails=True)
    assert "is sound: 0 policies" in run("check", written(tmp_path, "p.yaml", "policies: []"))


def test_loose_ends_are_told_and_refuse_only_when_asked_to(tmp_path: Path):
    path = written(tmp_path, "p.yaml", OFFICE + "escalations: {climb: [{after: 0m, notify: [the-moon]}]}\n")
    assert "there is no receiver or person called 'the-moon'" in run("check", path)
    assert "1 loose ends" in run("check", path, "--strict", fails=True)


def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "p.yaml" in run("check", str(path), fails=True)


def test_the_schema_is_printed_as_editors_read_it():
    assert json.loads(run("schema")) == policy_schema()


def test_history_is_compared_with_another_policy_run_by_run(tmp_path: Path):
    out = tmp_path / "runs.csv"
    said = run(
        *("backtest", written(tmp_path, "new.yaml", TWO), journal(tmp_path, told=False)),
        *("--against", written(tmp_path, "old.yaml", FOUR), "--out", str(out)),
    )
    assert "3 events of 1 contacts until 2026-03-02 15:00 UTC" in said
    assert "100.0% → 50.0%" in said
    with out.open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["contact_id"], row["target"], row["outcome"]) == ("c-1", "first_response", "met → breached")
    assert (row["due_before"], row["due_after"]) == ("2026-03-02T13:00:00Z", "2026-03-02T11:00:00Z")


def test_history_is_compared_with_what_was_told_at_the_time(tmp_path: Path):
    out = tmp_path / "runs.ndjson"
    new, export = written(tmp_path, "new.yaml", TWO), journal(tmp_path, told=True)
    assert "2 runs written" in run("backtest", new, export, "--out", str(out), "--all")
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {row["target"]: row["outcome"] for row in rows} == {"first_response": "met → breached", "resolution": "same"}


def test_nothing_to_compare_with_is_said_so(tmp_path: Path):
    new, export = written(tmp_path, "new.yaml", TWO), journal(tmp_path, told=False)
    assert "give a policy to compare --against" in run("backtest", new, export, fails=True)


@pytest.mark.parametrize("line", ["{", '{"specversion": "1.0", "type": "contact.received"}', "7"])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: str):
    export = written(tmp_path, "e.ndjson", encode(STORY[0]).decode() + "\n" + line + "\n")
    assert "e.ndjson, line 2" in run("backtest", written(tmp_path, "p.yaml", TWO), export, fails=True)


def test_a_file_of_another_system_needs_its_mapping(tmp_path: Path):
    other = written(tmp_path, "tickets.csv", "id\n1\n")
    assert "name its --mapping" in run("backtest", written(tmp_path, "p.yaml", TWO), other, fails=True)


@pytest.mark.skipif(not DATA.exists(), reason="the data is not here")
def test_boston_s_summer_plays_through_a_changed_policy(tmp_path: Path):
    text = """calendars: {hall: {timezone: America/New_York, hours: {mon-fri: ["09:00-17:00"]}}}
policies: [{name: all, calendar: hall, targets: {resolution: {within: 3 business days}}}]
"""
    old, new = written(tmp_path, "old.yaml", text), written(tmp_path, "new.yaml", text.replace("3 b", "1 b"))
    out = tmp_path / "runs.csv"
    said = run(
        *("backtest", new, str(DATA), "--mapping", "boston311", "--rows", "300"),
        *("--against", old, "--out", str(out), "--all"),
    )
    assert "300 contacts" in said
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["target"] for row in rows} == {"promise", "resolution"}
    assert all(row["outcome"] == "same" for row in rows if row["target"] == "promise"), "no policy makes a promise"
    assert {row["outcome"] for row in rows} >= {"same", "moved", "met → breached"}
    assert "breached → met" not in {row["outcome"] for row in rows}, "a shorter time saves nobody"


def test_the_words_of_others_are_drawn_as_they_stand_and_whole():
    change = {
        "contact_id": "[/x]\x1b[2J",
        "team": "[red]",
        "target": "first_response",
        "kind": "moves",
        "due_before": "2026-03-02T13:00:00Z",
        "due_after": "2026-03-02T12:00:00Z",
        "policy": "[/]",
        "becomes": None,
    }
    console = Console(width=80, record=True, file=StringIO())
    console.print(preview_table({"changes": [change]}))
    drawn = "".join(console.export_text().split()).replace("│", "")
    for whole in ("[/x]", "[red]", "13:00:00Z", "12:00:00Z", "[/]→none"):
        assert whole in drawn
    assert "\x1b" not in drawn
