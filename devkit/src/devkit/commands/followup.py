"""`rapport followup`: what customers would get to read, before they do."""

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rapport.runtime.clock import SystemClock

from devkit.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from followup.preview import Rendering

followup = typer.Typer(no_args_is_help=True, help="The plays file: check-ins, surveys, messages.")


@followup.callback()
def _followup() -> None:
    """The plays file: check-ins, surveys, messages."""


@followup.command("preview")
def preview_messages(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, envvar="RAPPORT_PLAYS", help="the plays file; else ours"),
    ] = None,
    *,
    templates: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, envvar="RAPPORT_TEMPLATES", help="a folder that comes before ours"),
    ] = None,
    language: Annotated[
        str, typer.Option(envvar="RAPPORT_LANGUAGE", help="where the customer's is not known, or has no template")
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="all of it, for other programs")] = False,
    out: Annotated[Path | None, typer.Option(file_okay=False, help="write them as files, with an index.html")] = None,
) -> None:
    """
    Write every message that the plays can send, in each language and form of address that any template is written in.

    A sample customer, contact and promised time stand in. Says what falls back;
    status 1 where a message can't be written, or lacks what it is for.
    """
    from followup.playbook import read_file, understood  # noqa: PLC0415 - heavy; only needed here
    from followup.preview import preview  # noqa: PLC0415 - likewise
    from followup.wording import Wording  # noqa: PLC0415 - likewise
    from rapport.runtime.settings import Misconfigured  # noqa: PLC0415 - likewise

    try:
        plays = understood(read_file(file), file)
    except Misconfigured as error:
        raise CommandFailed(str(error)) from None
    found = preview(plays, Wording(templates, language), SystemClock().now())
    if as_json:
        print(json.dumps([one.document() for one in found], ensure_ascii=False, indent=2))
    elif out is None:
        for one in found:
            _print(one)
    if out is not None:
        _write(out, found)
    if problems := _problems(found):
        raise CommandFailed("\n".join([f"{_count(found)}; what is missing:", *problems]))
    if not as_json:
        print(f"{_count(found)}; nothing is missing")


def _problems(found: "Sequence[Rendering]") -> list[str]:
    """What is wrong, once, and with which messages."""
    names: dict[str, list[str]] = {}
    for one in found:
        for said in one.problems:
            names.setdefault(said, []).append(one.name)
    return [f"{said} ({', '.join(dict.fromkeys(with_it))})" for said, with_it in names.items()]


def _count(found: "Sequence[Rendering]") -> str:
    templates = {one.use.template for one in found}
    fall_backs = sum(1 for one in found if one.falls_back)
    return f"{len(found)} messages of {len(templates)} templates, {fall_backs} of them fall back"


def _print(one: "Rendering") -> None:
    use = one.use
    about = f"survey {use.survey}" if use.survey else "message"
    about += f", text of {len(one.text)} characters" if use.is_text else ""
    print(f"━━ {one.name} ━━ {about}, purpose {use.purpose} ━━ {'; '.join(use.steps)}")
    for said in (*one.notes, *one.problems):
        print(f"   ! {said}")
    if one.text:
        print(_as_sent(one))


def _as_sent(one: "Rendering") -> str:
    return f"{one.text}\n" if one.use.is_text else f"Subject: {one.subject}\n\n{one.text}"


def _write(folder: Path, found: "Sequence[Rendering]") -> None:
    """Each message as the text and the HTML that a customer gets, and a page that leads to them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, names = [], set[str]()
    for number, one in enumerate(found):
        name = one.name if one.name not in names else f"{one.name}.{number}"
        names.add(name)
        links = []
        if one.text:
            (folder / f"{name}.txt").write_text(_as_sent(one), "utf-8")
            links.append(f'<a href="{name}.txt">text</a>')
        if one.html is not None:
            (folder / f"{name}.html").write_text(one.html, "utf-8")
            links.append(f'<a href="{name}.html">HTML</a>')
        said = "<br>".join(escape(line) for line in (*one.notes, *one.problems))
        steps = escape("; ".join(one.use.steps))
        rows.append(f"<tr><td>{name}<td>{steps}<td>{escape(one.subject)}<td>{' '.join(links)}<td>{said}</tr>")
    (folder / "index.html").write_text(_INDEX.replace("ROWS", "\n".join(rows)), "utf-8")


_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Messages of the plays</title>
<style>body{font:15px/1.4 sans-serif;margin:2em}td,th{padding:.3em .8em;text-align:left;vertical-align:top}</style>
</head><body><h1>Messages of the plays</h1>
<table><tr><th>message<th>used by<th>subject<th>as sent<th>what to know</tr>
ROWS
</table></body></html>
"""
