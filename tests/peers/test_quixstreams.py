"""Beside Quix Streams, the fastest stream processor in Python with exactly-once: the same fold of the same events."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from devkit.bench import folding, processor
from rapport.contracts import topics
from rapport.runtime.clock import SystemClock
from rapport.runtime.kafka import ensure_topics
from rapport.runtime.publisher import Publisher
from rapport.runtime.settings import Settings
from rich.console import Console

HERE = Path(__file__).parent
VERSION = "quixstreams==3.28.1"


async def output(*command: str) -> str:
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@pytest.fixture(scope="session")
async def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has Quix Streams."""
    folder = tmp_path_factory.mktemp("quix")
    await output(sys.executable, "-m", "venv", str(folder))
    await output(str(folder / "bin" / "pip"), "install", "--quiet", VERSION)
    return str(folder / "bin" / "python")


async def test_how_fast_the_same_fold_is_there_and_here(stack, unique, python, tmp_path, capsys):
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=stack.kafka,
        MONGODB_URI=stack.mongodb,
        topic_prefix=f"{unique('quix')}-",
        partitions=folding.PARTITIONS,
    )
    await ensure_topics(settings)
    publisher = Publisher(stack.kafka, client_id="quix", topic_prefix=settings.topic_prefix)
    records = folding.events(SystemClock().now())
    await publisher.publish(records)
    topic, told = (settings.topic_prefix + name for name in (topics.CONTACT_EVENTS, topics.FOLLOWUP_EVENTS))
    group, count = f"{settings.topic_prefix}fold", str(len(records))
    said = await output(python, str(HERE / "quix" / "fold.py"), stack.kafka, topic, told, group, count, str(tmp_path))
    theirs = json.loads(said.splitlines()[-1])
    [ours, _] = await processor.measured(processor.TRIVIAL, settings, publisher, len(records), theirs["rate"])
    await publisher.stop()
    with capsys.disabled():
        Console().print(
            f"\n{len(records):,} events folded: ours {ours.rate:,.0f}/s ({ours.memory_mb:.0f} MB), Quix Streams "
            f"{theirs['rate']:,.0f}/s ({theirs['memory_mb']:.0f} MB), {ours.rate / theirs['rate']:.2f} times"
        )
    assert theirs["rate"] > 0
