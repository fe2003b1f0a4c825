"""`rapport fate`, `rapport watch`: questions to a running platform."""

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console

from devkit.commands.options import Key, Url
from devkit.commands.signals import until_stopped
from devkit.target import Api

_LOOK_EVERY = 2.0


def fate(source: str, event_id: Annotated[str, typer.Argument(metavar="ID")], url: Url = None, key: Key = None) -> None:
    """Say what became of one event: when taken in, where it went, what it caused."""
    answer = Api("metrics", "watch", url, key).get("/v1/events", source=source, id=event_id)
    Console().print_json(json.dumps(answer))


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
