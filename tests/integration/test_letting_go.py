"""What is settled is let go at once; what only a search for cycles would find holds everything up when that comes."""

import gc
from collections.abc import Callable
from pathlib import Path

from faststream.message import StreamMessage

from tests.support.metrics import at, received
from tests.support.metrics_service import running_metrics
from tests.support.stack import Addresses

SUBSCRIPTIONS = 2
"""Each may hold the message that it got last."""


async def test_settled_messages_are_gone_without_a_search_for_cycles(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    async with running_metrics(tmp_path, stack.kafka, stack.mongodb, unique("letting-go")) as metrics:
        gc.collect()
        gc.disable()
        try:
            for number in range(SUBSCRIPTIONS + 3):
                await metrics.feed(received(at("09:00"), f"C-{number}"))
            held = [one for one in gc.get_objects() if issubclass(type(one), StreamMessage)]
        finally:
            gc.enable()
    assert len(held) <= SUBSCRIPTIONS
