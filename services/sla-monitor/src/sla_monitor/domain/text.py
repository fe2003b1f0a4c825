"""An alert in one line, for whoever is woken by it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from rapport.lines import cut, one_line

from sla_monitor.domain.states import AlertState, CustomerState

_CHANNEL = {"email": "e-mail", "sms": "SMS", "in_person": "in person", "social": "social media"}
_WORD = {"warned": "WARNING", "breached": "BREACHED", "acknowledged": "ACKNOWLEDGED", "snoozed": "SNOOZED"}
_LONGEST = 200
"""Characters of somebody's words: Pushover takes 1,024 of a message, Discord 2,000, and both refuse what is longer."""
_NO_LINKS: Mapping[str, str] = MappingProxyType({})


def text(
    alert: AlertState,
    customer: CustomerState | None,
    now: datetime,
    links: Mapping[str, str] = _NO_LINKS,
    *,
    owned: bool = True,
) -> str:
    """
    `BREACHED 12 min · first response · #4711 "Invoice wrong" · Ms Rossi (gold) · …`, times in the calendar's zone.

    `links` maps words such as Acknowledge to addresses; "Open" is the emitter's own. Without `owned` nothing is said
    of an owner, not even that there is none.
    """
    links = {**({"Open": alert.url} if alert.url else {}), **links}
    parts = [
        _how_late(alert, now),
        alert.target.replace("_", " "),
        _what(alert),
        called(customer, alert.customer_id),
        _since(alert, now),
        f"owner {alert.owner or 'none'}" if owned else "",
        _next(alert, now),
        " | ".join(f"{word}: {address}" for word, address in links.items()),
    ]
    return one_line(" · ".join(part for part in parts if part))


def in_common(alerts: Sequence[AlertState], now: datetime, *, channel: bool) -> str:
    """What all of them share, which is where to look for the cause: "all first response, e-mail, due 17:00 CET"."""
    first = alerts[0]
    shared = []
    if all(alert.target == first.target for alert in alerts):
        shared.append(first.target.replace("_", " "))
    if channel and first.channel and all(alert.channel == first.channel for alert in alerts):
        shared.append(_CHANNEL.get(first.channel, first.channel))
    if all(alert.due_at == first.due_at and not alert.paused for alert in alerts):
        shared.append(f"due {local(first.due_at, first.timezone, now)}")
    return f"all {', '.join(shared)}" if shared else ""


def length(span: timedelta) -> str:
    """A span in the two largest of its units: "45 s", "12 min", "3 h 5 min", "2 d 4 h"; from 100 days on, days."""
    seconds = int(span.total_seconds())
    units = (("d", seconds // 86_400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60))
    first = next((at for at, (_, count) in enumerate(units) if count), len(units) - 1)
    alone = units[first][0] in ("min", "s") or units[0][1] >= 100  # noqa: PLR2004 - hours matter no more
    last = first + (1 if alone else 2)
    return " ".join(f"{count} {unit}" for unit, count in units[first:last] if count or unit == units[first][0])


def _how_late(alert: AlertState, now: datetime) -> str:
    if alert.state in ("cleared", "closed"):
        return alert.state.upper()
    word = _WORD[alert.state]
    if alert.paused:
        return f"{word} paused"
    if now > alert.due_at:
        return f"{word} {length(now - alert.due_at)}"
    return f"{word} due in {length(alert.due_at - now)}"


def _what(alert: AlertState) -> str:
    number = alert.reference or alert.contact_id
    name = number if number.startswith("#") else f"#{number}"
    return f'{name} "{cut(one_line(alert.subject), _LONGEST)}"' if alert.subject else name


def called(customer: CustomerState | None, otherwise: str) -> str:
    """Title, name and tier of a customer: "Ms Rossi (gold)"; `otherwise` where no name is known."""
    if customer is None:
        return otherwise
    name = cut(" ".join(part for part in (customer.title, customer.name) if part), _LONGEST) or otherwise
    tier = tier_of(customer)
    return f"{name} ({tier})" if tier else name


def tier_of(customer: CustomerState | None) -> str | None:
    """What customer.updated says, else what was earned."""
    return (customer.tier or customer.earned_tier) if customer else None


def local(instant: datetime, zone: str, now: datetime, *, seconds: bool = False, named: bool = True) -> str:
    """The time of day in that zone, `named` with its name; with the date where that is not today's."""
    there = ZoneInfo(zone)
    at = instant.astimezone(there)
    day = "" if at.date() == now.astimezone(there).date() else "%-d %b "
    return at.strftime(f"{day}{'%H:%M:%S' if seconds else '%H:%M'}{' %Z' if named else ''}")


def _since(alert: AlertState, now: datetime) -> str:
    channel = _CHANNEL.get(alert.channel or "", alert.channel or "")
    waiting = f"{'waiting' if alert.waiting else 'waited'} since {local(alert.started_at, alert.timezone, now)}"
    if not alert.waiting and alert.met_at:
        waiting += f" until {local(alert.met_at, alert.timezone, now, named=False)}"
    return f"{channel}, {waiting}" if channel else waiting


def _next(alert: AlertState, now: datetime) -> str:
    if alert.next_step_at is None or not alert.next_receivers:
        return ""
    return f"next: {', '.join(alert.next_receivers)} {local(alert.next_step_at, alert.timezone, now, named=False)}"
