"""`rapport torture`: whether promises are kept while processes are killed."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from devkit.errors import CommandFailed
from devkit.torture.intake import Outcome
from devkit.torture.intake import torture as torture_intake

torture = typer.Typer(no_args_is_help=True, help="Kill processes under load, and see whether promises are kept.")


@torture.callback()
def _torture() -> None:
    """On a stack of its own, which is thrown away."""


@torture.command()
def intake(
    kills: Annotated[int, typer.Option(min=1, help="how often something is killed")] = 100,
    clients: Annotated[int, typer.Option(min=1, max=64, help="how many send at the same time")] = 4,
    seed: Annotated[int, typer.Option(help="another seed, another order of kills")] = 0,
) -> None:
    """Whether each event answered 2xx is in Kafka, in order, and nothing that was refused."""
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("killing", total=kills)
        outcome = torture_intake(
            kills, clients=clients, seed=seed, killed=lambda count: progress.update(task, completed=count)
        )
    _show(outcome)
    if outcome.found.faults:
        raise CommandFailed("promises were broken: " + "; ".join(outcome.found.faults))


def _show(outcome: Outcome) -> None:
    found = outcome.found
    table = Table("what", "how many")
    table.columns[1].justify = "right"
    for name, count in sorted(outcome.kills.items()):
        table.add_row(f"kills of {name}", f"{count:,}")
    for kind, count in sorted(outcome.answers.items()):
        table.add_row(f"answers {kind}", f"{count:,}")
    table.add_row("events answered 2xx", f"{found.taken:,}")
    table.add_row("records in contact-events", f"{found.records:,}")
    table.add_row("of these repeats", f"{found.repeats:,}")
    table.add_row("dead letters", f"{found.letters:,}")
    table.add_row("faults", f"{len(found.faults):,}")
    Console().print(table)
