"""`rapport demo`: the platform with a company's traffic, to watch or to hold to account."""

import math
import random
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from devkit.commands.signals import until_stopped
from devkit.demo.reconcile import Facts, table
from devkit.demo.running import Killer, demo, look, settle
from devkit.screen import Screen

_RATE, _RATE_TO_WATCH = 10.0, 2.0


def run_demo(
    *,
    seconds: Annotated[float | None, typer.Option(min=2, help="end after so much traffic, with a balance")] = None,
    kill: Annotated[
        bool, typer.Option("--kill", help="kill −9 services, Kafka and MongoDB at random moments meanwhile")
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.1, help="contacts that begin per second")] = None,
    seed: Annotated[int, typer.Option(help="the same seed, the same traffic")] = 1,
) -> None:
    """Run everything with synthetic traffic and targets short enough to watch."""
    status = 0
    rate = rate or (_RATE if seconds else _RATE_TO_WATCH)
    with until_stopped(), demo(seconds, seed=seed, rate=rate) as facts:
        killer = Killer(facts.platform, random.Random(seed)) if kill else None
        _watch(facts, killer)
        status = _balance(facts, killer)
    raise typer.Exit(status)


def _watch(facts: Facts, killer: Killer | None) -> None:
    """Show the screen until all has been sent."""
    console = Console()
    with Screen(facts.platform) as screen:
        if not console.is_terminal:
            console.print(screen.draw())
            while look(facts, killer):
                pass
            return
        with Live(screen.draw(), console=console, auto_refresh=False) as live:
            drawn = -math.inf
            while look(facts, killer):
                if time.monotonic() - drawn > 1:
                    live.update(screen.draw(), refresh=True)
                    drawn = time.monotonic()


def _balance(facts: Facts, killer: Killer | None) -> int:
    facts.emitters.finish()
    if killer:
        killer.rest()
    lines = settle(facts)
    facts.respondents.finish()
    console = Console(width=max(110, Console().width))
    console.print(table(lines))
    sent = facts.emitters.sent
    console.print(f"{facts.emitters.done} sent, {sent.again} batches again; {facts.pager.repeats} pages came twice")
    if killer:
        console.print(f"killed with kill −9: {', '.join(killer.killed) or 'nobody, it was over too soon'}")
    good = all(line.balances for line in lines)
    console.print("[green]It balances.[/]" if good else "[bold red]It does not balance.[/]")
    return 0 if good else 1
