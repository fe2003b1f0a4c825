"""`rapport emit`: one event, or those on stdin, to intake."""

import json
import sys
import uuid
from collections.abc import Container, Iterable
from typing import Annotated, Any

import typer
from rapport.contracts import CONTACT_EVENT_DATA, format_instant
from rapport.runtime.clock import SystemClock

from devkit.commands.options import Key, Url
from devkit.errors import CommandFailed
from devkit.sending import CloudEvent, Sender, Sent
from devkit.target import url_and_key

_PATIENCE = 10.0
"""Seconds for which somebody at a terminal waits for an intake that is away."""


def emit(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="such as contact.received; - reads events from stdin")],
    fields: Annotated[list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="the event's data")] = None,
    *,
    source: Annotated[str, typer.Option(help="which system says so")] = "/cli",
    event_id: Annotated[str | None, typer.Option("--id", help="its identity within the source; else a new one")] = None,
    time: Annotated[str | None, typer.Option(help="when it happened, RFC 3339; else now")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send one event: `rapport emit contact.received customer_id=K-5 contact_id=C-7 channel=email`."""
    now = format_instant(SystemClock().now())
    if kind == "-":
        events = [_complete(event, source, now) for event in _read(sys.stdin.read())]
    else:
        data = data_of(kind, fields or ())
        one = {"type": kind, "data": data, **({"id": event_id} if event_id else {}), **({"time": time} if time else {})}
        events = [_complete(one, source, now)]
    with Sender(*url_and_key("intake", "emit", url, key), patience=_PATIENCE) as sender:
        sent = sender.send(events)
    tell(sent)


def tell(sent: Sent) -> None:
    """Say which were taken and which refused, and why; exit with status 1 where one was."""
    for event_source, taken in sent.taken:
        print(f"taken    {event_source} {taken}")
    for one in sent.refused:
        print(f"refused  {one.source} {one.id}  {one.reason}", file=sys.stderr)
    if sent.refused:
        raise typer.Exit(1)


def _complete(event: CloudEvent, source: str, now: str) -> CloudEvent:
    made = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": source, "time": now}
    return {**made, "datacontenttype": "application/json", **event}


def _read(text: str) -> list[CloudEvent]:
    """One JSON object, a list of them, or one per line."""
    try:
        try:
            read = json.loads(text)
        except ValueError:
            read = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise CommandFailed(f"stdin is no JSON: {error}") from None
    events = read if isinstance(read, list) else [read]
    if not all(isinstance(event, dict) for event in events):
        raise CommandFailed("stdin holds something that is no event: each is a JSON object")
    return events


def data_of(kind: str, fields: Iterable[str]) -> dict[str, Any]:
    """
    What `field=value` means: `score=4` is a number, `name=Rossi` and `name="4"` are text.

    Where the contract wants text, as for `contact_id=4711`, it is text without
    quotes, too; null clears all the same.
    """
    texts = _texts(kind)
    return dict(_field(field, texts) for field in fields)


def _field(text: str, texts: Container[str]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandFailed(f"{text!r} is no FIELD=VALUE")
    try:
        read = json.loads(value)
    except ValueError:
        return name, value
    return name, read if name not in texts or read is None or isinstance(read, str) else value


def _texts(kind: str) -> set[str]:
    """The fields of this type of event that hold text."""
    model = CONTACT_EVENT_DATA.get(kind)
    properties = model.model_json_schema()["properties"] if model else {}
    return {
        name
        for name, about in properties.items()
        if any(one.get("type") == "string" for one in about.get("anyOf", (about,)))
    }
