"""`rapport policy`: a policy file checked, shown, previewed, applied, and played through recorded history."""

import json
import time
from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rapport.runtime.clock import SystemClock
from rich.console import Console

from devkit.commands.options import Key, Url
from devkit.errors import CommandFailed
from devkit.target import Api

if TYPE_CHECKING:
    from sla_monitor.domain.backtest import History, Judged
    from sla_monitor.domain.policy_book import PolicyVersion

_LOOK_EVERY = 0.5
_SERVICE = "sla_monitor"
_KINDS = ("moves", "breaches", "starts", "ends")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]

policy = typer.Typer(no_args_is_help=True, help="The policy file: targets, calendars, escalation.")


@policy.command("check")
def check_policy(
    file: File, *, strict: Annotated[bool, typer.Option("--strict", help="status 1 for loose ends, too")] = False
) -> None:
    """Read a policy file as sla-monitor would; status 1 with line, column and reason where it would refuse it."""
    version = _read(file)
    for fault in version.cautions:
        print(f"{file}: {fault}")
    if strict and version.cautions:
        raise CommandFailed(f"{file}: {len(version.cautions)} loose ends")
    print(f"{file} is sound: {len(version.file.policies)} policies, {len(version.file.calendars)} calendars")


@policy.command("schema")
def show_schema() -> None:
    """Print the file's JSON Schema; `# yaml-language-server: $schema=FILE` makes editors complete by it."""
    from sla_monitor.domain.policy_schema import policy_schema  # noqa: PLC0415 - heavy; only needed here

    print(json.dumps(policy_schema(), indent=2, ensure_ascii=False))


@policy.command("show")
def show_policy(
    *,
    version: Annotated[int | None, typer.Option(help="that version; else the one in force")] = None,
    document: Annotated[bool, typer.Option("--document", help="the file alone, as written")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the policy in force."""
    found = Api(_SERVICE, "watch", url, key).get("/v1/policy", version=version)
    if document:
        print(found["document"], end="")
    else:
        Console().print_json(json.dumps(found))


@policy.command("preview")
def preview_policy(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="else the version in force")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="all of it, for other programs")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Say what putting a policy upon all that is open would move, and what would breach at once; nothing is changed."""
    found = _preview(Api(_SERVICE, "watch", url, key), file)
    if as_json:
        Console().print_json(json.dumps(found))
    else:
        _print_preview(found)


@policy.command("apply")
def apply_policy(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="else the version in force")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="don't ask after the preview")] = False,
    new_only: Annotated[bool, typer.Option("--new-only", help="put it in force for new contacts alone")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """
    Put a policy in force, and upon all that is open, after a preview.

    Breaches made by it are listed, never paged. The service does the work; asking
    again goes on where it was, and changes nothing twice.
    """
    api = Api(_SERVICE, "admin", url, key)
    if not new_only:
        _print_preview(_preview(api, file))
    if not yes:
        typer.confirm("Apply it?", abort=True)
    if file is not None:
        published = api.post("/v1/policy", {"document": _text(file)})
        print(f"version {published['version']} is in force since {published['effective_from']}")
    else:
        published = api.get("/v1/policy")
    if not new_only:
        _follow(api, api.post("/v1/policy/apply", {"version": published["version"]}))


@policy.command("backtest")
def backtest_policy(
    file: File,
    history: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the journal's export, or a CSV")],
    *,
    mapping: Annotated[str | None, typer.Option(help="of a CSV: a mapping file, or the name of a shipped one")] = None,
    against: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="compare with this policy; else with what was told at the time"),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="look from this instant (UTC); else from the last event")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write the runs that change, as .csv or .ndjson")] = None,
    everything: Annotated[bool, typer.Option("--all", help="write the runs that stay the same, too")] = False,
    rows: Annotated[int | None, typer.Option(min=1, help="only so many lines of the file")] = None,
) -> None:
    """Play recorded history through a policy in virtual time, and compare verdict by verdict."""
    from sla_monitor.domain.backtest import compare  # noqa: PLC0415 - heavy; only needed here

    from devkit.policy.history import read_events  # noqa: PLC0415 - likewise
    from devkit.policy.tables import Comparison, write  # noqa: PLC0415 - likewise

    started = time.monotonic()
    events = read_events(history, mapping, rows)
    candidate, other = _read(file), _read(against) if against else None
    gathered = _gather(events, [candidate, *([other] if other else [])])
    if gathered.last is None:
        raise CommandFailed(f"{history}: nothing in it decides about a deadline")
    end = (until if until.tzinfo else until.replace(tzinfo=UTC)) if until else gathered.last
    before = _baseline(gathered, other, end, history)
    after = gathered.judged(_always(candidate, gathered), end, by_cycle=other is None)
    comparison = Comparison()
    runs = comparison.watch(compare(before, after))
    written = write(out, runs, everything=everything) if out else sum(0 for _ in runs)
    console = Console(width=None if Console().is_terminal else 140)
    for table in comparison.tables():
        console.print(table)
    seconds = time.monotonic() - started
    print(
        f"{gathered.events:,} events of {gathered.contacts:,} contacts until {end:%Y-%m-%d %H:%M} UTC, {seconds:.1f} s"
    )
    if out:
        print(f"{written:,} runs written to {out}")


def _read(file: Path) -> "PolicyVersion":
    from sla_monitor.domain.policy_book import PolicyRefused, publish  # noqa: PLC0415 - heavy; only needed here

    try:
        return publish(_text(file), number=1, effective_from=SystemClock().now())
    except PolicyRefused as error:
        raise CommandFailed("\n".join(f"{file}: {fault}" for fault in error.faults)) from None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file}: {error}") from None


# --- preview and apply ----------------------------------------------------------------


def _preview(api: Api, file: Path | None) -> dict[str, Any]:
    """The preview of all that is open, asked for page by page."""
    document = _text(file) if file else None
    sums: Counter[str] = Counter()
    whole: dict[str, Any] = {"changes": [], "policies": []}
    moves: Counter[tuple[str | None, str | None, str]] = Counter()
    cursor = ""
    while cursor is not None:
        page = api.post("/v1/policy/preview", {"document": document, "cursor": cursor})
        sums.update({name: page[name] for name in ("contacts", "touched", *_KINDS)})
        moves.update({(one["from"], one["to"], one["kind"]): one["clocks"] for one in page["policies"]})
        whole |= {"version": page["version"], "cautions": page["cautions"]}
        whole["changes"] = sorted([*whole["changes"], *page["changes"]], key=_urgency)[:100]
        cursor = page["cursor"]
    whole["policies"] = [{"from": a, "to": b, "kind": k, "clocks": n} for (a, b, k), n in moves.most_common()]
    return {**whole, **{name: sums[name] for name in ("contacts", "touched", *_KINDS)}}


def _urgency(change: dict[str, Any]) -> tuple[bool, str, str]:
    return change["kind"] != "breaches", change["due_after"] or "9", change["contact_id"]


def _print_preview(found: dict[str, Any]) -> None:
    from devkit.policy.tables import preview_table  # noqa: PLC0415 - heavy; only needed here

    if found["changes"]:
        Console().print(preview_table(found))
    for caution in found["cautions"]:
        print(f"line {caution['line']}, column {caution['column']}: {caution['path']}: {caution['reason']}")
    moved = found["moves"] + found["breaches"]
    print(
        f"version {found['version']}: of {found['contacts']:,} open contacts {found['touched']:,} are touched: "
        f"{moved:,} clocks move, {found['breaches']:,} breach at once (listed, not paged), "
        f"{found['starts']:,} begin, {found['ends']:,} end"
    )


def _follow(api: Api, state: dict[str, Any]) -> None:
    """Say how it goes until it is done."""
    while not state["finished_at"]:
        print(f"{state['contacts']:,} of {state['open']:,} contacts", flush=True)
        time.sleep(_LOOK_EVERY)
        state = api.get(f"/v1/policy/apply/{state['version']}")
    if state["superseded"]:
        raise CommandFailed(f"version {state['version']} has been superseded by a newer one on the way")
    moved = state["moves"] + state["breaches"]
    print(
        f"version {state['version']} is applied to {state['contacts']:,} contacts: {moved:,} clocks moved, "
        f"{state['breaches']:,} breached at once, {state['starts']:,} began, {state['ends']:,} ended"
    )


# --- back-test ------------------------------------------------------------------------


def _gather(events: "Iterable[Any]", versions: "list[PolicyVersion]") -> "History":
    from sla_monitor.domain.backtest import History  # noqa: PLC0415 - heavy; only needed here
    from sla_monitor.domain.policy_book import PolicyBook  # noqa: PLC0415 - likewise

    gathered = History(frozenset(chain.from_iterable(PolicyBook([version]).asked for version in versions)))
    for event in events:
        gathered.take(event)
    return gathered


def _always(version: "PolicyVersion", gathered: "History") -> Any:
    """The book in which a version has always been in force, its holidays those of the years that are played."""
    from sla_monitor.domain.policy_book import PolicyBook, publish  # noqa: PLC0415 - heavy; only needed here

    since = gathered.first or version.effective_from
    return PolicyBook([publish(version.source, number=1, effective_from=since)])


def _baseline(
    gathered: "History", other: "PolicyVersion | None", end: datetime, history: Path
) -> "Iterable[tuple[Hashable, Judged]]":
    if other is not None:
        return gathered.judged(_always(other, gathered), end)
    if not gathered.told:
        raise CommandFailed(f"{history} does not hold what was told at the time: give a policy to compare --against")
    return gathered.told.items()
