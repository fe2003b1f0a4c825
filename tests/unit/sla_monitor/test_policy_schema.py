"""The policy file's JSON Schema and its reader say the same; what is misspelt is met with a suggestion."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from rapport.rule_file import keys_at
from sla_monitor.domain.policy import PolicyFile
from sla_monitor.domain.policy_book import PolicyRefused
from sla_monitor.domain.policy_file import read_policy
from sla_monitor.domain.policy_schema import policy_schema

from tests.support.json_schema import wrong
from tests.support.sla import OFFICE, policy, targets
from tests.unit.sla_monitor.test_policy import DOCUMENTED

SCHEMA = policy_schema()
DESIGN = Path(__file__).resolve().parents[4] / "shared" / "design" / "sla.md"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "policy.md"
SHIPPED = files("sla_monitor").joinpath("policy.yaml").read_text("utf-8")


def as_json(text: str) -> Any:
    """A YAML text as an editor sees it: dates and times of day are text."""
    loader = yaml.BaseLoader(text)
    return _typed(loader.get_single_data())


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"-?\d+", value) else value


def example(path: Path) -> str:
    found = re.search(r"```yaml\n(calendars:.*?)```", path.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("text", [DOCUMENTED, SHIPPED, example(DOCS), OFFICE, targets("update: {every: 2h}")])
def test_what_the_reader_takes_the_schema_takes(text: str):
    read_policy(text)
    assert wrong(as_json(text), SCHEMA) == []


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("within: 4h", "within: 4 days"),
        ("within: 4h", "witin: 4h"),
        ("page: business_hours", "page: later"),
        ("page: business_hours", "pages: now"),
        ("mon-fri", "mon-fry"),
        ("{channel: email}", "{chanel: email}"),
        ("{channel: email}", "{channel: e-mail}"),
        ("warn: [75%, 30m before]", "warn: [75]"),
        ("reopen_floor: 20%", "reopen_floor: 120%"),
        ("cutoff: 15:00", "cutoff: noon"),
        ("end of next business day", "end of the week"),
        ("pause_on: [customer]", "pause_on: [costumer]"),
        ("after: 15m", "after: soon"),
        ("notify: [agent-7]", "notify: []"),
        ("by: [team, policy]", "by: [teem]"),
        ("count: 3", "count: 0"),
        ("same: topic", "same: topics"),
        ("negative_outcome: [declined]", "negative_outcome: [refused]"),
        ("name: mail", "name: ''"),
        ("timezone: Europe/Berlin, ", ""),
        ("2026-12-31: [", "31.12.2026: ["),
        ("drop: [2026-07-03]", "drop: [third of July]"),
        ("by: region", "by: regoin"),
        ("people: {agent-7: {name", "people: {agent-7: {nick"),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(written: str, instead: str):
    text = DOCUMENTED.replace(written, instead, 1)
    assert text != DOCUMENTED
    assert wrong(as_json(text), SCHEMA) != []
    with pytest.raises(PolicyRefused):
        read_policy(text)


def test_every_key_that_is_read_is_described_for_editors():
    models = [PolicyFile]
    for model in models:
        models += [m for m in _models_in(model) if m not in models]
    assert len(models) > 15
    for model in models:
        known = SCHEMA if model is PolicyFile else SCHEMA["$defs"][model.__name__]
        keys = {key for one in (known, *known.get("anyOf", ())) for key in one.get("properties", ())}
        assert keys == set(model.model_fields) or model.__name__ == "Receiver"


def _models_in(model: type[Any]) -> list[type[Any]]:
    found: list[type[Any]] = []
    pending = [field.annotation for field in model.model_fields.values()]
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            found.append(one)
        pending += getattr(one, "__args__", ())
    return found


SPANS = st.one_of(
    st.builds("{}{}".format, st.integers(0, 500), st.sampled_from("smhdw")),
    st.builds("{} business days".format, st.integers(0, 20)),
    st.builds("{}h {}m".format, st.integers(0, 9), st.integers(0, 59)),
    st.sampled_from(["4", "h", "1.5h", "-4h", "4 h", "1 business day", "4h before", "75%", "100%", "0%", "12.5%", ""]),
)
PLACES = ("within", "warn", "reopen_within", "reopen_floor")


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(PLACES), length=SPANS)
def test_schema_and_reader_agree_on_every_way_to_write_a_length(place: str, length: str):
    written = dict.fromkeys(PLACES, "")
    written |= {"within": "4h", "warn": "75%", "reopen_within": "7d", "reopen_floor": "10%", place: length}
    document = {
        "calendars": {"office": {"timezone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}},
        "policies": [
            {
                "name": "only",
                "calendar": "office",
                "targets": {"resolution": {"within": written["within"]}},
                "warn": [written["warn"]],
                "reopen_within": written["reopen_within"],
                "reopen_floor": written["reopen_floor"],
            }
        ],
    }
    try:
        read_policy(yaml.safe_dump(document))
    except PolicyRefused:
        taken = False
    else:
        taken = True
    assert (wrong(document, SCHEMA) == []) == taken


@pytest.mark.parametrize(
    ("written", "instead", "suggestion"),
    [
        ("page: business_hours", "pages: now", "did you mean 'page'?"),
        ("targets:\n", "target:\n", "did you mean 'targets'?"),
        ("first_response", "first_respnse", "did you mean 'first_response'?"),
        ("within: 4h", "witin: 4h", "did you mean 'within'?"),
        ("calendar: boston\n", "calendar: bosten\n", "did you mean 'boston'?"),
        ("{channel: email}", "{chanel: email}", "did you mean 'channel'?"),
        ("{channel: email}", "{channel: e-mail}", "did you mean 'email'?"),
        ("kind: complaint", "kind: complain", "did you mean 'complaint'?"),
        ("page: business_hours", "page: busines_hours", "did you mean 'business_hours'?"),
        ("Europe/Berlin", "Europe/Berlim", "did you mean 'Europe/Berlin'?"),
        ("[billing-lead]", "[biling-lead]", "did you mean 'billing-lead'?"),
        ("receiver: follow-the-sun", "receiver: follow-the-sum", "did you mean 'follow-the-sun'?"),
        ("timezone: Europe", "timezon: Europe", "did you mean 'timezone'?"),
        ("default: billing}", "default: biling}", "did you mean 'billing'?"),
        ("calendar: sydney", "calendar: sidney", "did you mean 'sydney'?"),
        ("policies:\n", "policy:\n", "did you mean 'policies'?"),
    ],
)
def test_a_misspelt_word_is_met_with_a_suggestion(written: str, instead: str, suggestion: str):
    with pytest.raises(PolicyRefused, match=re.escape(suggestion)):
        policy(DOCUMENTED.replace(written, instead, 1))


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_text():
    text = """\
calendars:
  office: {timezone: UTC, hours: {mon-fry: ["09:00-17:00"]}}
policies:
  - name: mail
    match: {chanel: email}
    calendar: ofice
  - name: rest
    calendar: office
    targets: {first_response: {within: 4 days}}
    paging: now
escalations:
  climb: [{after: 15m, notify: [team]}, {after: 5m, notify: [team]}]
"""
    with pytest.raises(PolicyRefused) as refused:
        policy(text)
    assert [(fault.line, fault.path) for fault in refused.value.faults] == [
        (2, "calendars.office.hours"),
        (5, "policies[0].match.chanel"),
        (6, "policies[0].calendar"),
        (9, "policies[1].targets.first_response.within"),
        (10, "policies[1].paging"),
        (12, "escalations.climb[1].after"),
    ]


def test_calendars_that_can_not_be_are_all_named():
    text = "calendars: {a: {timezone: Mars/Base, hours: {}}, b: {timezone: UTC, hours: {}}}"
    with pytest.raises(PolicyRefused) as refused:
        policy(text)
    assert [fault.path for fault in refused.value.faults] == ["calendars.a.timezone", "calendars.b"]


def test_names_that_nothing_carries_and_that_are_like_none_are_told_but_refuse_nothing():
    version = policy(DOCUMENTED.replace("[agent-7]", "[the-night-watch]"))
    [fault] = version.cautions
    assert fault.path == "escalations.billing[2].notify"
    assert "nobody is reached by that name" in fault.reason
    assert policy(DOCUMENTED).cautions == ()


@pytest.mark.skipif(not DESIGN.exists(), reason="the design is not here")
def test_the_design_s_own_example_applies_and_its_loose_ends_are_told():
    version = policy(example(DESIGN))
    assert [rule.name for rule in version.rules] == ["complaints", "mail"]
    assert [fault.reason.partition(";")[0] for fault in version.cautions] == [
        "there is no receiver or person called 'manager'",
        "there is no calendar called 'sydney'",
        "there is no calendar called 'berlin'",
    ]


def test_keys_are_known_wherever_the_file_may_be_written_in_short():
    assert "country" in keys_at(SCHEMA, ("calendars", "boston", "holidays"))
    assert "map" in keys_at(SCHEMA, ("policies", 0, "calendar"))
    assert "url" in keys_at(SCHEMA, ("receivers", "lead", 0))
