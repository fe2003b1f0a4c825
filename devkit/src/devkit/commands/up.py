"""`rapport up`: everything on this machine, until told to stop."""

import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from devkit.commands.signals import until_stopped
from devkit.platform import DEFAULT_DATA, Platform
from devkit.screen import Screen

_LOOK_EVERY = 0.25
_REDRAW_EVERY = 4

Policy = Annotated[Path | None, typer.Option(help="policy file for sla-monitor", exists=True, dir_okay=False)]
Plays = Annotated[Path | None, typer.Option(help="plays file for followup", exists=True, dir_okay=False)]
Loyalty = Annotated[Path | None, typer.Option(help="loyalty file for metrics", exists=True, dir_okay=False)]


def up(
    *,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="free ports, and data that goes at the end")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one line of JSON on stdout when all is ready")] = False,
    policy: Policy = None,
    plays: Plays = None,
    loyalty: Loyalty = None,
    data: Annotated[Path, typer.Option(help="where data, keys and logs are kept")] = DEFAULT_DATA,
) -> None:
    """
    Start Kafka, MongoDB and all four services, and stop them at the end.

    Mails go to RAPPORT_SMTP_URL where that is set; else they are kept as files in the folder `mail` of the data.
    """
    mail_server = os.environ.get("RAPPORT_SMTP_URL") or None
    start = partial(Platform.start, policy=policy, plays=plays, loyalty=loyalty, mail_server=mail_server)
    with until_stopped(), start(data, ephemeral=ephemeral) as platform:
        if as_json:
            print(json.dumps(platform.addresses.as_json(platform.keys)), flush=True)
            _watch(platform)
        else:
            show(platform)


def show(platform: Platform) -> None:
    """One screen with addresses, rates and lag while the platform runs; where there is no terminal, once."""
    console = Console()
    with Screen(platform) as screen:
        if not console.is_terminal:
            console.print(screen.draw())
            _watch(platform)
            return
        with Live(screen.draw(), console=console, auto_refresh=False) as live:
            while True:
                for _ in range(_REDRAW_EVERY):
                    platform.check()
                    time.sleep(_LOOK_EVERY)
                live.update(screen.draw(), refresh=True)


def _watch(platform: Platform) -> None:
    while True:
        platform.check()
        time.sleep(_LOOK_EVERY)
