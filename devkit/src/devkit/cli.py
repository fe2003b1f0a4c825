"""The `rapport` command."""

import sys

import typer

from devkit.commands import ask
from devkit.commands.bench import bench
from devkit.commands.connector import connector
from devkit.commands.dead_letters import dead_letters
from devkit.commands.demo import run_demo
from devkit.commands.emit import emit
from devkit.commands.followup import followup
from devkit.commands.policy import policy
from devkit.commands.recompute import recompute
from devkit.commands.replay import replay
from devkit.commands.torture import torture
from devkit.commands.up import up
from devkit.errors import CommandFailed
from devkit.stack import StackError

app = typer.Typer(
    name="rapport",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (up, emit, replay, ask.fate, ask.watch, recompute, bench):
    app.command()(command)
app.command("demo")(run_demo)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(connector, name="connector")
app.add_typer(policy, name="policy")
app.add_typer(followup, name="followup")
app.add_typer(torture, name="torture")


@app.callback()
def _rapport() -> None:
    """Every contact between a company and its customers is an event."""


def main() -> None:
    """Run the command; what a person can act upon is one line on stderr and status 1."""
    try:
        app()
    except (CommandFailed, StackError, OSError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        print(f"rapport: {said}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None
