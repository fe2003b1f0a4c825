"""`rapport bench`: how fast the parts are."""

import importlib
import os
import pkgutil
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rapport.runtime.mongo import MongoError
from rich.console import Console

import devkit.bench
from devkit.bench.report import render
from devkit.compiled import continue_compiled
from devkit.errors import CommandFailed
from devkit.stack import local_stack

_NO_BENCH = {"cores", "folding", "hardship", "plain", "report", "servers", "wire"}
_KNOWN = sorted({module.name for module in pkgutil.iter_modules(devkit.bench.__path__)} - _NO_BENCH)
_WITHOUT_STACK = {"board", "business_time", "sla"}


def bench(
    name: Annotated[str | None, typer.Argument(help=f"one of {', '.join(_KNOWN)}; else all")] = None,
    *,
    interpreted: Annotated[bool, typer.Option("--interpreted", help="not what images have compiled")] = False,
) -> None:
    """
    Measure, beside something everybody can judge; Kafka and MongoDB are those of the environment, else local.

    What decides is compiled as in images, where there is a C compiler.
    """
    if name is not None and name not in _KNOWN:
        raise CommandFailed(f"there is no bench {name!r}: {', '.join(_KNOWN)}")
    if not interpreted:
        continue_compiled()
    chosen = [name] if name else _KNOWN
    given = "KAFKA_BOOTSTRAP_SERVERS" in os.environ and "MONGODB_URI" in os.environ
    needs_stack = not given and not _WITHOUT_STACK.issuperset(chosen)
    with local_stack(ephemeral=True) if needs_stack else nullcontext() as stack:
        if stack is not None:
            os.environ.update(KAFKA_BOOTSTRAP_SERVERS=stack.kafka, MONGODB_URI=stack.mongodb)
        _run(chosen)


def _run(names: Iterable[str]) -> None:
    for name in names:
        Console(stderr=True).rule(name)
        try:
            render(importlib.import_module(f"devkit.bench.{name}").run())
        except (KafkaError, *MongoError) as error:
            raise CommandFailed(f"{name}: Kafka or MongoDB is away: {error}") from None
