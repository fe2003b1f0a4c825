"""A contact's life as a list that people read, and its clocks as they stand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rapport.contracts import format_instant

from sla_monitor.domain.fold import Folding, fold
from sla_monitor.domain.log import MARKS, instant
from sla_monitor.domain.monitor import horizon_of
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import ContactState, Deed, Entry
from sla_monitor.domain.telling import Numbered, number


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of a contact's history; `event` is a type of event, of theirs or of ours."""

    at: datetime
    event: str
    what: str
    why: str


def clocks_of(contact: ContactState, book: PolicyBook, now: datetime) -> tuple[Folding, list[Numbered]]:
    """The contact's clocks with their numbers, as far as it is known at `now`."""
    horizon = horizon_of(contact, now)
    folding = fold(contact.log, book, horizon)
    return folding, number(folding, contact.cycles, horizon)[0]


def history(contact: ContactState, clocks: list[Numbered]) -> list[Happened]:
    """What happened and what it meant, oldest first."""
    lines = [Happened(instant(entry.millis), entry.type, _what(entry), "") for entry in contact.log]
    for one in clocks:
        lines += _of_clock(one)
    for key, alert in contact.alerts.items():
        lines += [_of_deed(key, deed) for deed in alert.deeds]
    return sorted(lines, key=lambda line: line.at)


def in_short(lines: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """A history as the API shows it, with what was said again and again (an escalation's last step) said once."""
    first: dict[tuple[str, ...], dict[str, str]] = {}
    again: dict[tuple[str, ...], list[str]] = {}
    for place, line in enumerate(lines):
        own = () if line["event"] == "alert.notified" else (str(place),)
        key = (line["event"], line["what"], line["why"], *own)
        first.setdefault(key, dict(line))
        again.setdefault(key, []).append(line["at"])
    for key, line in first.items():
        if (times := len(again[key])) > 1:
            line["what"] += f", {times} times until {again[key][-1]}"
    return list(first.values())


def _named(key: str) -> str:
    return key.replace("_", " ").replace("/", " #")


def _of_deed(key: str, deed: Deed) -> Happened:
    event = "sla.corrected" if deed.verb == "corrected" else f"alert.{deed.verb}"
    return Happened(deed.at, event, f"{_named(key)} {deed.verb}" + (f" by {deed.by}" if deed.by else ""), deed.why)


def _of_clock(one: Numbered) -> list[Happened]:
    clock, name = one.clock, _named(one.key)
    lines = [Happened(at, "sla.warned", f"{name} comes near", f"due {_due(one)}") for at in one.warned]
    if one.verdict == "breached" and clock.due_at:
        lines.append(Happened(clock.due_at, "sla.breached", f"{name} missed", f"due {_due(one)}"))
    elif one.verdict == "met" and clock.met_at:
        lines.append(Happened(clock.met_at, "sla.met", f"{name} met", clock.cause))
    elif one.verdict == "cancelled" and clock.cancelled_at:
        lines.append(Happened(clock.cancelled_at, "sla.cancelled", f"{name} no longer owed", clock.cause))
    return lines


def _due(one: Numbered) -> str:
    return format_instant(one.clock.due_at) if one.clock.due_at else "never"


def _what(entry: Entry) -> str:
    """The facts of an event, as words."""
    told = {field: value for field, value in entry.facts.items() if field not in MARKS}
    if "promised_by" in told:
        told["promised_by"] = format_instant(instant(told["promised_by"]))
    return ", ".join(f"{field} {value}" for field, value in told.items())
