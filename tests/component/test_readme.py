"""The README's curl lines, as they are written there, against what `make up` starts."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from devkit.platform import Platform

from tests.support.rapport import eventually

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^```sh\n(curl .+?)^```", README, re.DOTALL | re.MULTILINE) + re.findall(
    r"`(curl [^`]+)`", README
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")]


@pytest.fixture(scope="module")
def shown() -> Iterator[dict[str, str]]:
    """The variables that the README names, as the screen shows their values."""
    with Platform.start(ephemeral=True, services=("intake", "sla_monitor")) as platform:
        keys, addresses = platform.keys, platform.addresses
        yield {
            "INTAKE": addresses.intake,
            "SLA_MONITOR": addresses.sla_monitor,
            "KEY": keys.emit,
            "ACT_KEY": keys.act,
        }


def said(command: str, shown: dict[str, str]) -> str:
    """What a shell prints for this line; a variable that nobody has set is an error."""
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", **shown}
    run = subprocess.run(
        ["sh", "-euc", command], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return run.stdout


def test_the_first_event_is_taken_twice_and_shown_with_its_deadlines(shown: dict[str, str]):
    sending, looking = COMMANDS
    for _ in range(2):
        answer = said(sending, shown)
        assert answer.startswith("HTTP/1.1 202 "), answer
        assert '"accepted":1' in answer
    assert eventually(lambda: '"contact_id":"4711"' in said(looking, shown).replace(" ", ""))
