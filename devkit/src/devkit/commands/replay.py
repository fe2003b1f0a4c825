"""`rapport replay`: a file of another system, as events, into intake."""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rapport.mapping import Made, Odd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from devkit.commands.options import Key, Url
from devkit.errors import CommandFailed
from devkit.mapping import find_mapping, table_of
from devkit.sending import Sender, Sent
from devkit.stages import CONSUMERS, Stages, print_stages
from devkit.target import runs_here, url_and_key, urls_here

_TICK_SECONDS = 0.2
_EXAMPLES = 5
_ROWS_SHOWN = 20


def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or CSV in .gz")],
    *,
    mapping: Annotated[str, typer.Option("--mapping", help="a mapping file, or the name of a shipped one")],
    speed: Annotated[str, typer.Option(help="times as fast as it happened, or max")] = "max",
    shuffle: Annotated[int | None, typer.Option(help="in the random order of this seed, not in that of time")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="only so many rows of the file")] = None,
    constants: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, a constant of the mapping")] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            help="wait, and say how fast each service here was; done where a platform runs here, if not paced"
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send what a file says, in order of time; status 1 where a row makes no sense or intake refused an event."""
    factor = _factor(speed)
    if shuffle is not None and factor is not None:
        raise CommandFailed("shuffled events have no speed: use --speed max")
    table = table_of(file, find_mapping(mapping, _constants(constants or [])), rows=rows)
    made = table.made
    if shuffle is not None:
        random.Random(shuffle).shuffle(made)
    if follow is None:
        follow = factor is None and url is None and runs_here()
    stages = Stages(urls_here(CONSUMERS)) if follow else None
    started = time.monotonic()
    with Sender(*url_and_key("intake", "emit", url, key)) as sender:
        sent = _send(sender, made, factor)
    seconds = time.monotonic() - started
    if stages:
        print_stages(len(sent.taken), seconds, stages.follow())
    report(sent, seconds, table.odd)


def report(sent: Sent, seconds: float, odd: Sequence[Odd] = ()) -> None:
    """What was taken, and what was refused and why; exit with status 1 where something was."""
    print(f"taken {len(sent.taken)}, refused {len(sent.refused)}, {len(sent.taken) / seconds:,.0f} events/s")
    if sent.again:
        print(f"{sent.again} times intake was not to be had or busy, and was sent the same again")
    reasons = Counter(one.reason for one in sent.refused)
    for reason, count in reasons.most_common():
        examples = [f"{one.source} {one.id}" for one in sent.refused if one.reason == reason][:_EXAMPLES]
        print(f"  {count} refused: {reason} (such as {', '.join(examples)})")
    if odd:
        print(f"{len(odd)} rows of the file make no sense and were not sent", flush=True)
        for one in odd[:_ROWS_SHOWN]:
            print(f"  line {one.line}: {one.reason}", file=sys.stderr)
        if len(odd) > _ROWS_SHOWN:
            print(f"  … and {len(odd) - _ROWS_SHOWN} more", file=sys.stderr)
    if sent.refused or odd:
        raise typer.Exit(1)


def _constants(written: Sequence[str]) -> dict[str, str]:
    """`year=2018` as name and value."""
    pairs = [one.partition("=") for one in written]
    if wrong := [text for text, (name, equals, _) in zip(written, pairs, strict=True) if not (name and equals)]:
        raise CommandFailed(f"--set {wrong[0]!r} is no NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _factor(speed: str) -> float | None:
    """How many times faster than it happened; None for as fast as can be."""
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise CommandFailed(f"--speed {speed!r}: give a number such as 60, or max")
    return factor


def _send(sender: Sender, made: Sequence[Made], factor: float | None) -> Sent:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("replay", total=len(made))
        sent = Sent()
        for due in [made] if factor is None else _paced(made, factor):
            sent.add(sender.send([one.event for one in due], lambda count: progress.advance(bar, count)))
        return sent


def _paced(made: Sequence[Made], factor: float) -> Iterator[list[Made]]:
    """Groups of events, each yielded when its time has come."""
    first, started = made[0].at, time.monotonic()

    def tick(one: Made) -> int:
        return int((one.at - first).total_seconds() / factor / _TICK_SECONDS)

    for number, group in groupby(made, key=tick):
        time.sleep(max(0.0, started + number * _TICK_SECONDS - time.monotonic()))
        yield list(group)
