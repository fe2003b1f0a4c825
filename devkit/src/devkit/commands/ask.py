"""`rapport fate`, `rapport dead-letters`, `rapport watch`, `rapport policy`: questions to a running platform."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rapport.runtime.clock import SystemClock
from rich.console import Console
from rich.table import Table

from devkit.commands.options import Key, Url
from devkit.commands.signals import until_stopped
from devkit.errors import CommandFailed
from devkit.target import Api

_LOOK_EVERY = 2.0

dead_letters = typer.Typer(no_args_is_help=True, help="What intake and the services refused.")


def fate(source: str, event_id: Annotated[str, typer.Argument(metavar="ID")], url: Url = None, key: Key = None) -> None:
    """Say what became of one event: when taken in, where it went, what it caused."""
    answer = Api("metrics", "watch", url, key).get("/v1/events", source=source, id=event_id)
    Console().print_json(json.dumps(answer))


@dead_letters.command("list")
def list_letters(
    *,
    reason: str | None = None,
    source: str | None = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the newest first, and how many wait for each reason."""
    page = Api("intake", "watch", url, key).get("/v1/dead-letters", reason=reason, source=source, limit=limit)
    table = Table("at", "source", "event", "type", "reason", "replayed")
    for letter in page["items"]:
        cells = (letter.get(name) for name in ("at", "source", "event_id", "type", "reason", "replayed_at"))
        table.add_row(*(str(cell or "–") for cell in cells))
    Console().print(table)
    for why, count in page["counts"].items():
        print(f"{count:>8}  {why}")


@dead_letters.command("replay")
def replay_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="letters; else those that the options name")] = None,
    *,
    reason: str | None = None,
    source: str | None = None,
    every: Annotated[bool, typer.Option("--all", help="all that wait")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Try refused events again, perhaps with a newer version; ordering it twice is harmless."""
    order: dict[str, Any] = {"ids": ids or None, "reason": reason, "source": source, "all": every or None}
    given = {name: value for name, value in order.items() if value is not None}
    if len(given) != 1:
        raise CommandFailed("give exactly one of: letters, --reason, --source, --all")
    Console().print_json(json.dumps(Api("intake", "admin", url, key).post("/v1/dead-letters/replay", given)))


def watch(
    *,
    team: str | None = None,
    once: Annotated[bool, typer.Option("--once", help="show what there is, and end")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show each alert as it comes, climbs and clears, until Ctrl-C."""
    api, console = Api("sla_monitor", "watch", url, key), Console()
    seen: dict[str, tuple[Any, ...]] = {}
    with until_stopped():
        while True:
            for alert in _alerts(api, team):
                now = (alert["state"], alert.get("level"), alert.get("owner"), alert.get("by"))
                if seen.get(alert["id"]) != now:
                    seen[alert["id"]] = now
                    console.print(_line(alert))
            if once:
                return
            time.sleep(_LOOK_EVERY)


def _alerts(api: Api, team: str | None) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get("/v1/alerts", team=team, limit=500, cursor=cursor)
        alerts += page["alerts"]
        cursor = page.get("cursor")
        if not cursor:
            return alerts


_STYLE = {"breached": "bold red", "warned": "yellow", "acknowledged": "cyan", "snoozed": "cyan", "cleared": "green"}


def _line(alert: dict[str, Any]) -> str:
    style = _STYLE.get(alert["state"], "dim")
    whose = " · ".join(str(alert[name]) for name in ("team", "owner") if alert.get(name))
    words = f"{alert['target'].replace('_', ' ')} · #{alert['contact_id']} · due {alert['due_at']}"
    return f"[{style}]{alert['state'].upper():<12}[/] {words}{' · ' + whose if whose else ''}"


policy = typer.Typer(no_args_is_help=True, help="The policy file: targets, calendars, escalation.")


@policy.command("check")
def check_policy(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Read a policy file as sla-monitor would; status 1 with line, column and reason where it would refuse it."""
    from sla_monitor.domain.policy_book import PolicyRefused, publish  # noqa: PLC0415 - heavy; only needed here

    try:
        read = publish(file.read_text("utf-8"), number=1, effective_from=SystemClock().now()).file
    except PolicyRefused as error:
        raise CommandFailed("\n".join(f"{file}: {fault}" for fault in error.faults)) from None
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file}: {error}") from None
    print(f"{file} is sound: {len(read.policies)} policies, {len(read.calendars)} calendars")


@policy.command("show")
def show_policy(url: Url = None, key: Key = None) -> None:
    """Show the policy in force."""
    Console().print_json(json.dumps(Api("sla_monitor", "watch", url, key).get("/v1/policy")))
