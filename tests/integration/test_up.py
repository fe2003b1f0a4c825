"""`rapport up`: everything on this machine, and nothing of it afterwards."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.rapport import Up, eventually, rapport, rapport_up

KEYS = {"intake", "sla_monitor", "followup", "metrics", "kafka", "mongodb", "keys"}


def send(up: Up, contact: str) -> subprocess.CompletedProcess[str]:
    fields = [f"contact_id={contact}", "customer_id=K-5", "channel=email", "subject=Invoice wrong"]
    where = ["--url", up.said["intake"], "--key", up.said["keys"]["emit"]]
    return rapport("emit", "contact.received", *fields, "--id", "e-1", *where)


def ask(up: Up, service: str, path: str, **parameters: str) -> Any:
    return up.get(service, path, **parameters)


@pytest.mark.slow
def test_an_event_sent_to_it_is_seen_by_all_services_and_sigterm_leaves_nothing_behind():
    with rapport_up(environment={"RAPPORT_SMTP_URL": "smtp://127.0.0.1:1"}) as up:
        assert set(up.said) == KEYS
        assert set(up.said["keys"]) == {"emit", "watch", "act", "admin"}
        sent = send(up, "C-7")
        assert (sent.returncode, sent.stdout) == (0, "taken    /cli e-1\n")
        assert eventually(lambda: ask(up, "sla_monitor", "/v1/contacts/C-7")["status"] == "open")
        assert up.process_of("sla_monitor").environ()["RAPPORT_INTAKE_URL"] == up.said["intake"]
        assert up.process_of("followup").environ()["RAPPORT_SMTP_URL"] == "smtp://127.0.0.1:1"
        assert eventually(lambda: ask(up, "metrics", "/v1/events", source="/cli", id="e-1")["fate"] == "folded")
        where = ["--url", up.said["metrics"], "--key", up.said["keys"]["watch"]]
        assert json.loads(rapport("fate", "/cli", "e-1", *where).stdout)["contact_id"] == "C-7"
        folders = {
            Path(arguments[-1]).parent for one in up.family if (arguments := one.cmdline())[-1].endswith(".properties")
        }
        assert all(folder.exists() for folder in folders)

        up.process.send_signal(signal.SIGTERM)
        said, complained = up.process.communicate(timeout=60)
        assert (up.process.returncode, said) == (0, ""), complained
        assert up.left() == []
        assert not any(folder.exists() for folder in folders)


@pytest.mark.slow
def test_a_service_that_dies_ends_it_with_its_last_words_and_nothing_is_left():
    with rapport_up() as up:
        up.process_of("metrics").kill()
        _, complained = up.process.communicate(timeout=60)
        assert up.process.returncode == 1
        assert "metrics ended with code" in complained
        assert '"service": "metrics"' in complained
        assert up.left() == []


def test_a_policy_that_can_not_be_read_is_told_with_its_place_and_nothing_runs(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("policies: [{name: a, calendar: nowhere}]\n")
    checked = rapport("policy", "check", str(policy))
    assert checked.returncode == 1
    assert "line 1" in checked.stderr
    assert "nowhere" in checked.stderr


def test_a_command_without_a_platform_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = rapport("fate", "/crm", "1")
    assert asked.returncode == 1
    assert asked.stderr.startswith("rapport: no platform runs here (`rapport up`)")
