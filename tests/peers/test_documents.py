"""What others' tools make of our documents: Spectral, the AsyncAPI parser, schemathesis against a running intake."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from followup.app import create_app as followup
from followup.settings import FollowupSettings
from intake.app import create_app as intake
from intake.settings import IntakeSettings
from metrics.app import create_app as metrics
from metrics.settings import MetricsSettings
from rapport.runtime.service import Service
from sla_monitor.app import create_app as sla_monitor
from sla_monitor.settings import SlaSettings

from tests.support.intake import RealIntake, real_intake
from tests.support.stack import Addresses

HERE = Path(__file__).parent / "documents"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rapport" / "peers"
SCHEMATHESIS = "schemathesis==4.32.5"
CHECKS_NOT_MADE = "positive_data_acceptance,ignored_auth"
"""What a schema can't say (a time in the future, the same member twice) is refused; and the key is a header of ours."""


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"no {name} on this machine")


def output(*command: str | Path, cwd: Path) -> str:
    """What a command prints; fails with all that it says."""
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout[-6000:]}\n{run.stderr[-2000:]}"
    return run.stdout


@pytest.fixture(scope="module")
def linters() -> Path:
    """A folder in which both linters are installed."""
    npm = tool("npm")
    folder = CACHE / "documents"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text()
    installed = folder / "installed.json"
    if not installed.exists() or installed.read_text() != wanted:
        shutil.copy(HERE / "package.json", folder)
        output(npm, "install", "--silent", "--no-audit", "--no-fund", cwd=folder)
        installed.write_text(wanted)
    for file in ("spectral.yaml", "parse.mjs"):
        shutil.copy(HERE / file, folder)
    return folder


@pytest.fixture(scope="module")
def schemathesis() -> Path:
    """Its command, from an environment of its own."""
    folder = CACHE / SCHEMATHESIS
    command = folder / "bin" / "schemathesis"
    if not command.exists():
        output(sys.executable, "-m", "venv", folder, cwd=HERE)
        output(folder / "bin" / "pip", "install", "--quiet", SCHEMATHESIS, cwd=HERE)
    return command


def services() -> Iterator[Service]:
    yield intake(IntakeSettings())
    yield sla_monitor(SlaSettings())
    yield followup(FollowupSettings())
    yield metrics(MetricsSettings())


@pytest.fixture
async def documents(tmp_path: Path) -> list[Path]:
    """The documents of all services as files: OpenAPI first, then AsyncAPI."""
    kinds: tuple[list[Path], list[Path]] = ([], [])
    for service in services():
        for paths, name, document in zip(kinds, ("openapi", "asyncapi"), _written(service), strict=True):
            path = tmp_path / f"{service.name}.{name}.json"
            path.write_text(json.dumps(document))
            paths.append(path)
        service.client.close()
    return [*kinds[0], *kinds[1]]


def _written(service: Service) -> tuple[object, object]:
    return service.http.openapi(), service._asyncapi()


async def test_spectral_finds_nothing_in_any_document(documents: list[Path], linters: Path):
    command: list[str | Path] = [tool("npx"), "spectral", "lint", "--fail-severity", "hint", *documents]
    command += ["--ruleset", "spectral.yaml"]
    assert "No results" in await asyncio.to_thread(output, *command, cwd=linters)


async def test_the_asyncapi_parser_reads_every_message_and_finds_nothing(documents: list[Path], linters: Path):
    paths = [path for path in documents if "asyncapi" in path.name]
    said = json.loads(await asyncio.to_thread(output, tool("node"), "parse.mjs", *paths, cwd=linters))
    assert [one["wrong"] for one in said] == [[]] * 4
    assert all(one["messages"] > 20 for one in said)


@pytest.fixture
async def running(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, unique("schema")) as found:
        yield found


async def test_schemathesis_finds_nothing_against_a_running_intake(
    running: RealIntake, schemathesis: Path, tmp_path: Path
):
    shutil.copy(HERE / "schemathesis.toml", tmp_path)
    command: list[str | Path] = [
        schemathesis,
        "run",
        f"{str(running.http.base_url).rstrip('/')}/openapi.json",
        "--no-color",
    ]
    command += ["--header", "Authorization: Bearer all-key", "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", "20", "--checks", "all", "--exclude-checks", CHECKS_NOT_MADE, "--warnings", "off"]
    command += ["--exclude-path-regex", "^/(login|logout|metrics)", "--continue-on-failure"]
    assert "No issues found" in await asyncio.to_thread(output, *command, cwd=tmp_path)
