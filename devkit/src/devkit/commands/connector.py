"""`rapport connector`: other products' webhooks, tried out before anything is sent."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from intake.connectors import find_connector, shipped_connectors
from intake.connectors.shipped import connector_text
from intake.domain import Caller, Door, Refused, admit
from pydantic_core import to_json
from rapport.cloudevents import MalformedEvent, from_http
from rapport.mapping import HookMapping, Reading, WrongMapping, read_payload
from rapport.runtime.clock import SystemClock

from devkit.errors import CommandFailed

connector = typer.Typer(no_args_is_help=True, help="webhooks of other products: which there are, and what they become")

_DAY = timedelta(days=1)
_STRUCTURED = {"content-type": "application/cloudevents+json"}
Name = Annotated[str, typer.Argument(help="a connector that comes with Rapport, or a mapping file of your own")]


@connector.command("list")
def list_connectors() -> None:
    """The connectors that come with Rapport."""
    names = shipped_connectors()
    width = max(map(len, names))
    for name in names:
        print(f"{name:{width}}  {find_connector(name).about}")


@connector.command()
def show(name: Name) -> None:
    """The mapping file of a connector, to read or to start one's own from."""
    try:
        print(connector_text(name), end="")
    except WrongMapping as error:
        raise CommandFailed(str(error)) from None


@connector.command("test")
def try_out(
    name: Name,
    file: Annotated[str, typer.Argument(help="a payload as the product sends it, JSON; - reads stdin")],
    *,
    header: Annotated[list[str] | None, typer.Option(help="'Name: value', a header that the mapping looks at")] = None,
    constants: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, a constant of the mapping")] = None,
) -> None:
    """
    The events that a payload would become, and which of its fields nothing looks at; nothing is sent.

    Status 1 where an event could not be made or intake would refuse it.
    """
    mapping = _mapping(name, dict(_pair(one, "=") for one in constants or ()))
    headers = dict(_pair(one, ":") for one in header or ())
    now = SystemClock().now()
    try:
        reading = read_payload(_body(file), mapping, now, headers, trace=True)
    except ValueError as error:
        raise CommandFailed(f"{file}: {error}") from None
    door = Door(Caller(), now, _DAY)
    verdicts = [_verdict(event, door) for event in reading.events]
    _tell(reading, verdicts)
    if reading.faults or any(verdicts):
        raise typer.Exit(1)


def _mapping(name: str, constants: dict[str, str]) -> HookMapping:
    try:
        return find_connector(name).with_constants(constants)
    except WrongMapping as error:
        raise CommandFailed(str(error)) from None


def _body(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}") from None


def _pair(text: str, sign: str) -> tuple[str, str]:
    name, found, value = text.partition(sign)
    if not found or not name.strip():
        raise CommandFailed(f"{text!r} is no NAME{sign}VALUE")
    return name.strip(), value.strip()


def _verdict(event: dict[str, Any], door: Door) -> list[str]:
    """All that intake would have against the event."""
    try:
        [read] = from_http(_STRUCTURED, to_json(event))
    except MalformedEvent as error:
        return [str(error)]
    verdict = admit(read, door)
    if not isinstance(verdict, Refused):
        return []
    return [f"{fault.pointer}: {fault.reason}" if fault.pointer else fault.reason for fault in verdict.faults]


def _tell(reading: Reading, verdicts: list[list[str]]) -> None:
    for event, faults in zip(reading.events, verdicts, strict=True):
        print(json.dumps(event, indent=2, ensure_ascii=False))
        for fault in faults:
            print(f"refused  {event['type']}  {fault}", file=sys.stderr)
    for fault in reading.faults:
        print(f"not made  {fault}", file=sys.stderr)
    if reading.ignored:
        print("no event: the mapping has no rule for this kind")
    if reading.unused:
        print(f"unused: {', '.join(sorted(set(reading.unused)))}")
