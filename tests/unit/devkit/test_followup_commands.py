"""`rapport followup preview`: what is printed, written and answered."""

import json
from pathlib import Path

from devkit.cli import app
from devkit.errors import CommandFailed
from typer.testing import CliRunner

PLAYS = """
plays:
  - name: welcome
    on: {type: purchase.delivered}
    steps: [{after: 1h, do: message, template: TEMPLATE}]
"""


def written(folder: Path, template: str = "welcome") -> str:
    path = folder / "plays.yaml"
    path.write_text(PLAYS.replace("TEMPLATE", template), "utf-8")
    return str(path)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["followup", "preview", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_what_customers_would_read_is_printed_with_what_falls_back(tmp_path: Path):
    said = run(written(tmp_path))
    assert "━━ welcome.de ━━ message, purpose marketing ━━ welcome, step 1" in said
    assert "danke für Ihre Bestellung" in said
    assert said.endswith("5 messages of 1 templates, 3 of them fall back; nothing is missing\n")


def test_other_programs_get_all_of_it_as_json(tmp_path: Path):
    found = json.loads(run(written(tmp_path), "--json"))
    assert [one["language"] for one in found] == ["ar", "de", "en", "es", "fr"]
    assert (found[0]["wanted"], found[0]["file"]) == ("welcome.ar.txt", "welcome.en.txt")


def test_files_are_written_for_a_browser(tmp_path: Path):
    out = tmp_path / "out"
    run(written(tmp_path), "--out", str(out))
    assert (out / "welcome.de.txt").read_text("utf-8").startswith("Subject: Willkommen")
    assert 'lang="de"' in (out / "welcome.de.html").read_text("utf-8")
    assert '<a href="welcome.de.html">' in (out / "index.html").read_text("utf-8")


def test_what_is_missing_is_said_once_and_fails(tmp_path: Path):
    result = CliRunner().invoke(app, ["followup", "preview", written(tmp_path, "welcom")])
    assert isinstance(result.exception, CommandFailed)
    assert "no template is called 'welcom'; did you mean 'welcome'? (welcom.en)" in str(result.exception)


def test_a_wrong_plays_file_is_refused_with_its_place(tmp_path: Path):
    result = CliRunner().invoke(app, ["followup", "preview", written(tmp_path, "?")])
    assert isinstance(result.exception, CommandFailed)
    assert "line 5, column" in str(result.exception)
