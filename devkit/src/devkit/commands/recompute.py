"""`rapport recompute`: the figures made anew from the journal, compared, and put in the place of the old."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from devkit.commands.options import Key, Url
from devkit.commands.signals import until_stopped
from devkit.errors import CommandFailed
from devkit.target import Api

_PATH = "/v1/recompute"
_LOOK_EVERY = 0.5
_UNDER_WAY = ("running", "compared", "swapping")


def recompute(
    *,
    swap: Annotated[bool, typer.Option("--swap", help="put the new figures in the place of the old, too")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """
    Make all figures anew from the journal, beside those that stand, and show what differs.

    Goes on with a recompute that has been started before.
    """
    api, console = Api("metrics", "admin", url, key), Console(soft_wrap=True)
    with until_stopped():
        run = _started(api)
        with _progress() as progress:
            task = progress.add_task("playing the journal", total=run["entries"] or None)
            for run in _while(api, "running"):
                progress.update(task, completed=run["played"], total=max(run["entries"], 1))
        for line in differences(run["comparison"]):
            console.print(line)
        if not swap:
            console.print("The old figures stand; `rapport recompute --swap` changes that.")
            return
        api.post(f"{_PATH}/swap", None)
        *_, run = _while(api, "swapping")
        console.print(f"The new figures stand since {run['ended_at']}.")


def differences(comparison: dict[str, Any]) -> Iterator[str]:
    """What a person decides by, a line each."""
    if comparison["equal"]:
        yield "The new figures are the same as the old."
    for where, title in (("figures", ""), ("hourly", "hourly rows: ")):
        for measure, figures in comparison[where].items():
            for figure, pair in figures.items():
                if pair["old"] != pair["new"]:
                    yield f"{title}{measure}.{figure}: {pair['old']} → {pair['new']}"
    for kind in ("contacts", "customers"):
        one = comparison[kind]
        if one["differ"]:
            more = ["…"] if one["differ"] > len(one["first"]) else []
            yield f"{one['differ']} of {one['facts']} {kind} differ: {', '.join([*one['first'], *more])}"


def _started(api: Api) -> dict[str, Any]:
    try:
        run: dict[str, Any] = api.post(_PATH, None)
    except CommandFailed:
        run = api.get(_PATH)
        if run["state"] not in _UNDER_WAY:
            raise
    return run


def _while(api: Api, state: str) -> Iterator[dict[str, Any]]:
    """What is told of the recompute, up to when it is not in that state any more."""
    while True:
        run = api.get(_PATH)
        if run["state"] == "failed":
            raise CommandFailed(f"the recompute failed: {run['error']}")
        yield run
        if run["state"] != state:
            return
        time.sleep(_LOOK_EVERY)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
