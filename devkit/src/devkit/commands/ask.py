"""`rapport fate`, `rapport watch`: questions to a running platform."""

import json
import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rapport.lines import one_line
from rich.console import Console
from rich.text import Text

from devkit.commands.options import Key, Url
from devkit.commands.signals import until_stopped
from devkit.errors import CommandFailed
from devkit.target import Api

_AGAIN_AFTER = 1.0


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
    api, shown = Api("sla_monitor", "watch", url, key), _Shown()
    with until_stopped():
        if once:
            shown.all(_alerts(api, team))
            return
        while True:
            try:
                _follow(api, team, shown)
            except CommandFailed as error:
                if not shown.something:
                    raise
                typer.echo(f"{error}; trying again", err=True)
            time.sleep(_AGAIN_AFTER)


def _follow(api: Api, team: str | None, shown: "_Shown") -> None:
    """
    Show what there is and then every change, until the service ends the stream.

    Every stream begins with `ready`; what changes after that is in it, and what
    changed before is in the list that is read then.
    """
    for event, data in api.events("/v1/alerts/stream", team=team):
        if event in {"ready", "reset"}:
            shown.all(_alerts(api, team))
        elif event == "alert":
            shown.one(json.loads(data))


class _Shown:
    """What has been shown of each alert; the same is not shown twice."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True)
        self._seen: dict[str, tuple[Any, ...]] = {}
        self.something = False

    def all(self, alerts: Iterable[dict[str, Any]]) -> None:
        self.something = True
        for alert in alerts:
            self.one(alert)

    def one(self, alert: dict[str, Any]) -> None:
        now = (alert["state"], alert.get("level"), alert.get("owner"), alert.get("by"))
        if self._seen.get(alert["id"]) != now:
            self._seen[alert["id"]] = now
            self._console.print(_line(alert))


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


def _line(alert: dict[str, Any]) -> Text:
    whose = [str(alert[name]) for name in ("team", "owner") if alert.get(name)]
    words = [alert["target"].replace("_", " "), f"#{alert['contact_id']}", f"due {alert['due_at']}", *whose]
    if alert["state"] == "breached" and (alert.get("level") or 0) > 1:
        words.append(f"step {alert['level']}")
    if alert.get("by"):
        words.append(f"by {alert['by']}")
    state = f"{alert['state'].upper():<12} "
    return Text.assemble((state, _STYLE.get(alert["state"], "dim")), one_line(" · ".join(words)))
