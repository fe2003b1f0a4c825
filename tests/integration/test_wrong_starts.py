"""What is wrong with settings or files ends the start of any service with one readable line and status 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SERVICES = ("intake", "sla_monitor", "followup", "metrics")


def start(service: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m` that service until it ends; nobody listens where it would look for Kafka and MongoDB."""
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "MONGODB_URI": "mongodb://127.0.0.1:9", "RAPPORT_PORT": "0"}
    return subprocess.run(
        [sys.executable, "-m", service],
        env={**os.environ, **nowhere, "RAPPORT_LOG_LEVEL": "ERROR", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:nine", "'kafka:nine' is not host:port"),
        ("MONGODB_URI", "mongo://ann:hush@there", "URI must begin with 'mongodb://'"),
    ],
)
@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_setting_ends_the_start(service: str, variable: str, value: str, reason: str):
    ended = start(service, **{variable: value})
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert variable in line
    assert reason in line
    assert "hush" not in line


@pytest.mark.parametrize(
    ("service", "variable", "text", "reason"),
    [
        ("followup", "RAPPORT_PLAYS", "plays:\n  - name: thanks\n    on: {type: contact.resolvd}\n", "contact.resolvd"),
        ("intake", "RAPPORT_HOOKS", "hooks:\n  help: {conector: zendesk}\n", "hooks.help.conector"),
        ("intake", "RAPPORT_KEYS_FILE", "keys:\n  - name: crm\n    sha256: short\n", "sha256"),
    ],
)
def test_a_wrong_file_ends_the_start(tmp_path: Path, service: str, variable: str, text: str, reason: str):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, "utf-8")
    ended = start(service, **{variable: str(path)})
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert reason in line


def test_a_port_that_somebody_has_ends_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start("metrics", RAPPORT_PORT=str(port))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        f"cannot start: HTTP can't listen on 127.0.0.1:{port}: is the port taken, or not ours?"
    )
