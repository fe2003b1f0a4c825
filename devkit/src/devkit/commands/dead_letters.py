"""`rapport dead-letters`: what intake and the services refused, another try after the fix, or the end of it."""

import json
import sys
import time
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from devkit.commands.options import Key, Url
from devkit.drawing import plain
from devkit.errors import CommandFailed
from devkit.target import Api

_LOOK_EVERY: Final = 0.2
_ENDED: Final = ("done", "stopped", "interrupted")
_EXAMPLES: Final = 5

_OF_NONE: Final = "unknown (--source '')"

dead_letters = typer.Typer(no_args_is_help=True, help="What intake and the services refused.")

Letters = Annotated[list[str] | None, typer.Argument(metavar="[LETTER]...", help="their ids, as `list` shows them")]
Reason = Annotated[str | None, typer.Option(help="those refused for this reason")]
Source = Annotated[str | None, typer.Option(help="those of this source")]
Every = Annotated[bool, typer.Option("--all", help="all that wait")]


@dead_letters.command("list")
def list_letters(
    *,
    reason: Reason = None,
    source: Source = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="where the last page ended")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the newest first, and how many wait for each reason and of each source."""
    api = Api("intake", "watch", url, key)
    page = api.get("/v1/dead-letters", reason=reason, source=source, limit=limit, cursor=cursor)
    table = Table("letter", "at", "source", "event", "type", "reason", "replayed")
    table.columns[0].no_wrap = True
    for letter in page["items"]:
        why = f"{letter['pointer']}: {letter['reason']}" if letter["pointer"] else letter["reason"]
        cells = [letter[name] for name in ("id", "at", "source", "event_id", "type")]
        table.add_row(*(plain(cell or "–") for cell in (*cells, why, letter["replayed_at"])))
    Console().print(table)
    for kind, title in (("counts", "by reason"), ("sources", "by source")):
        print(f"waiting, {title}:")
        for name, count in page[kind].items():
            print(f"{count:>8}  {name or _OF_NONE}")
    if page["cursor"]:
        print(f"more: --cursor {page['cursor']}")


@dead_letters.command("show")
def show_letter(letter: str, url: Url = None, key: Key = None) -> None:
    """Show one letter, whole: the record as it came, why it was refused and where it came from."""
    Console().print_json(json.dumps(Api("intake", "watch", url, key).get(f"/v1/dead-letters/{letter}")))


@dead_letters.command("replay")
def replay_letters(
    ids: Letters = None,
    *,
    reason: Reason = None,
    source: Source = None,
    every: Every = False,
    rate: Annotated[float | None, typer.Option(min=0.001, help="letters a second; else as fast as can be")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Try refused events again after a fix; ordering it twice is harmless. Status 1 where some are still refused."""
    order = {**_choice(ids, reason, source, every=every), "wait": False}
    if rate is not None:
        order["rate"] = rate
    api = Api("intake", "admin", url, key)
    ended = _followed(api, api.post("/v1/dead-letters/replay", order))
    print(f"{ended['state']}: {ended['replayed']} sent again, {ended['still_refused']} still refused, of {ended['of']}")
    _tell_of_others(ids, ended["of"])
    for letter in ended["refused"][:_EXAMPLES]:
        print(f"  {letter['id']}  {letter['reason']}")
    if ended["still_refused"] or ended["state"] != "done":
        raise typer.Exit(1)


@dead_letters.command("drop")
def drop_letters(
    ids: Letters = None,
    *,
    reason: Reason = None,
    source: Source = None,
    every: Every = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Give up letters for good: what came is deleted, that it came is kept."""
    choice = _choice(ids, reason, source, every=every)
    api = Api("intake", "admin", url, key)
    if not yes:
        typer.confirm(f"Drop {json.dumps(choice, ensure_ascii=False)} for good?", abort=True)
    dropped = api.post("/v1/dead-letters/drop", choice)["dropped"]
    print(f"dropped {dropped}")
    _tell_of_others(ids, dropped)


def _tell_of_others(ids: list[str] | None, found: int) -> None:
    """Letters that were named and did not wait: a slip of the hand, or somebody was faster."""
    if (others := len(set(ids or ())) - found) > 0:
        print(f"{others} of those named wait no longer, or never did", file=sys.stderr)


def _choice(ids: list[str] | None, reason: str | None, source: str | None, *, every: bool) -> dict[str, Any]:
    """What intake is asked for; exactly one way of choosing is taken."""
    ways = [bool(ids), reason is not None or source is not None, every]
    if sum(ways) != 1:
        raise CommandFailed("say which: letters, --reason and --source, or --all")
    choice = {"ids": ids or None, "reason": reason, "source": source, "all": every or None}
    return {name: value for name, value in choice.items() if value is not None}


def _followed(api: Api, order: dict[str, Any]) -> dict[str, Any]:
    """The order when it has ended; until then a bar shows how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("replay", total=order["of"])
        while order["state"] not in _ENDED:
            time.sleep(_LOOK_EVERY)
            order = api.get(f"/v1/dead-letters/replays/{order['id']}")
            progress.update(bar, completed=order["settled"])
    return order
