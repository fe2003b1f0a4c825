"""The rules for Prometheus: promtool accepts them, each fires when it should, names what exists and has a runbook."""

import importlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import prometheus_client
import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = ROOT / "docs/prometheus/rules.yml"
_CACHED: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rapport/promtool"
PROMTOOL: Final = shutil.which("promtool") or (str(_CACHED) if _CACHED.exists() else None)
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here (make promtool fetches it)")

TELEMETRY: Final = (
    "rapport.runtime.telemetry",
    "intake.telemetry",
    "sla_monitor.telemetry",
    "followup.telemetry",
    "metrics.telemetry",
)


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\brapport_\w+", expression))


def metrics_that_exist() -> set[str]:
    """The name of every series that a service may show."""
    for module in TELEMETRY:
        importlib.import_module(module)
    names: set[str] = set()
    for family in prometheus_client.REGISTRY.collect():
        names.add(family.name)
        if family.type == "counter":
            names.add(f"{family.name}_total")
        if family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def anchors(page: str) -> set[str]:
    """What a link may point at in a page, as GitHub and others make it from headings."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")],
)
def test_prometheus_accepts_them_and_each_fires_when_it_should(command: tuple[str, ...]):
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *command], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_held_to_when_it_fires():
    text = RULES.with_name("rules_test.yml").read_text("utf-8")
    held = {
        one["alertname"]
        for case in yaml.safe_load(text)["tests"]
        for one in case["alert_rule_test"]
        if one["exp_alerts"]
    }
    assert held == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_every_rule_has_a_runbook_of_its_own(rule: dict[str, Any]):
    page, _, heading = rule["annotations"]["runbook_url"].partition("#")
    assert heading == rule["alert"].lower()
    assert heading in anchors((ROOT / page).read_text("utf-8"))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_every_rule_asks_for_what_a_service_shows(rule: dict[str, Any]):
    assert metrics_in(rule["expr"]) <= metrics_that_exist()


def test_grafana_draws_only_what_a_service_shows():
    for board in (ROOT / "docs/grafana/dashboards").glob("*.json"):
        for panel in json.loads(board.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", []):
                assert metrics_in(target["expr"]) <= metrics_that_exist(), panel["title"]


def test_the_page_for_operators_speaks_only_of_what_a_service_shows():
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    assert metrics_in(re.sub(r"rapport_\w*…", "", page)) <= metrics_that_exist()
