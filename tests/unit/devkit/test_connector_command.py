import json
from pathlib import Path

import pytest
from devkit.cli import app
from devkit.errors import CommandFailed
from typer.testing import CliRunner

SAMPLES = Path(__file__).parents[1] / "intake/connectors"


def run(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(app, ["connector", *arguments], input=stdin)


def sample(tmp_path: Path, name: str, place: int = 0, **changes: object) -> str:
    body = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))[place]["body"] | changes
    path = tmp_path / "payload.json"
    path.write_text(json.dumps(body), "utf-8")
    return str(path)


def test_the_events_are_shown_and_the_fields_that_went_unused(tmp_path):
    ran = run("test", "zendesk", sample(tmp_path, "zendesk"))
    assert ran.exit_code == 0, ran.output
    shown, _, unused = ran.stdout.rpartition("unused: ")
    assert json.loads(shown)["data"]["contact_id"] == "zendesk:5158"
    assert "detail.description" in unused
    assert "detail.subject" not in unused


def test_a_payload_may_come_on_stdin_and_headers_and_constants_be_given(tmp_path):
    body = Path(sample(tmp_path, "zammad", -1)).read_text("utf-8")
    options = ("--header", "X-Zammad-Trigger: again reopened", "--set", "system=zammad-eu")
    ran = run("test", "zammad", "-", *options, stdin=body)
    assert ran.exit_code == 0, ran.output
    assert "contact.reopened" in ran.stdout
    assert "zammad-eu:81" in ran.stdout


def test_what_intake_would_refuse_is_said_with_status_1(tmp_path):
    ran = run("test", "json", sample(tmp_path, "json", channel="pigeon"))
    assert ran.exit_code == 1
    assert "refused  contact.received  /data/channel" in ran.stderr


def test_what_can_not_be_made_is_said_with_status_1(tmp_path):
    ran = run("test", "json", sample(tmp_path, "json", at="soon"))
    assert ran.exit_code == 1
    assert "not made  contact.received: at|time: 'soon' is no time" in ran.stderr


def test_a_kind_without_a_rule_is_said_to_become_nothing(tmp_path):
    ran = run("test", "intercom", sample(tmp_path, "intercom", -1))
    assert ran.exit_code == 0
    assert "no event" in ran.stdout


def test_the_list_names_every_connector_and_show_gives_its_file(tmp_path):
    assert {"zendesk", "freshdesk", "json"} <= {line.split()[0] for line in run("list").stdout.splitlines()}
    own = tmp_path / "own.yaml"
    own.write_text(run("show", "json").stdout, "utf-8")
    assert run("test", str(own), sample(tmp_path, "json")).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("test", "zendesc", "x.json"), "there is no connector 'zendesc'"),
        (("test", "zendesk", "none.json"), "none.json can't be read"),
        (("test", "zendesk", "-"), "-: "),
        (("test", "zendesk", "-", "--set", "colour=red"), "has no constant colour"),
        (("test", "zendesk", "-", "--header", "x"), "is no NAME:VALUE"),
        (("show", "zendesc"), "there is no connector"),
    ],
)
def test_what_can_not_be_meant_is_one_line(arguments, reason):
    ran = run(*arguments, stdin="{")
    assert isinstance(ran.exception, CommandFailed)
    assert reason in str(ran.exception)
