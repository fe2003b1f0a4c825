"""What the on-call board shows of each contact that waits, and its figures."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from rapport.erasing import is_erased

from sla_monitor.domain.silences import Silence
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.text import length, local, tier_of

Mark = Literal["breached", "warned", "acknowledged", "snoozed", "running", "paused"]

CHANNELS: Final = {
    "email": "e-mail",
    "sms": "SMS",
    "in_person": "in person",
    "social": "social media",
    "web": "web form",
}
WORDS: Final[dict[Mark, str]] = {
    "breached": "Breached",
    "warned": "Due soon",
    "acknowledged": "Taken",
    "snoozed": "Snoozed",
    "running": "On time",
    "paused": "Paused",
}
SHAPES: Final[dict[Mark, str]] = {
    "breached": "■",
    "warned": "▲",
    "acknowledged": "✓",
    "snoozed": "◷",
    "running": "○",
    "paused": "‖",
}
"""A shape of its own for each state, so that nothing depends on colour."""
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


@dataclass(frozen=True, slots=True)
class Figures:
    """The board at first look. `oldest` is since when the one who waits longest beyond a deadline has waited."""

    breached_waiting: int
    due_30m: int
    unacknowledged: int
    unowned: int
    no_policy: int
    paused: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the board. `alert_id` is None for what only runs yet."""

    key: str
    mark: Mark
    contact_id: str
    title: str
    who: str
    who_id: str
    tier: str | None
    target: str
    channel: str
    due_at: datetime | None
    due_in: str
    due_local: str
    owner: str | None
    team: str | None
    url: str | None
    sort: str
    """Rows stand in the order of this text: who waits beyond a deadline first, then by due."""
    note: str = ""
    """Who has taken it, until when it is quiet, or whom it rings next."""
    alert_id: str | None = None
    deadline: str = ""
    """The `target/cycle` whose explanation the contact's page shows first."""
    risk: str = ""
    """Why a conflict with the customer is near; empty where none is."""

    @property
    def word(self) -> str:
        return WORDS[self.mark]

    @property
    def shape(self) -> str:
        return SHAPES[self.mark]

    @property
    def may_acknowledge(self) -> bool:
        return self.alert_id is not None and self.mark in ("breached", "warned", "snoozed")


def alert_line(
    alert: AlertState, customer: CustomerState | None, now: datetime, silences: Iterable[Silence] = ()
) -> Line:
    """One alert. `silences` are those that are active."""
    mark: Mark = "breached"
    if alert.state != "cleared" and alert.state != "closed":  # noqa: PLR1714 - narrows the type
        mark = alert.state
    return Line(
        key=alert.id,
        mark=mark,
        contact_id=alert.contact_id,
        title=alert.subject or alert.reference or alert.contact_id,
        who=name_of(customer, alert.customer_id),
        who_id=alert.customer_id,
        tier=tier_of(customer),
        target=alert.target.replace("_", " "),
        channel=channel(alert.channel),
        due_at=None if alert.paused else alert.due_at,
        due_in="paused" if alert.paused else relative(alert.due_at, now),
        due_local="" if alert.paused else local(alert.due_at, alert.timezone, now),
        owner=alert.owner,
        team=alert.team,
        url=web_link(alert.url),
        sort=_place(0 if alert.breached_at else 1, alert.due_at, alert.id),
        note=_note(alert, now, silences),
        alert_id=alert.id,
        deadline=f"{alert.target}/{alert.cycle}",
    )


def contact_line(
    contact: ContactState, customer: CustomerState | None, zone: str, now: datetime, *, ahead: bool
) -> Line:
    """
    A contact as such, whatever alerts it has; one without a deadline to come says so.

    `ahead` shows its next deadline that is not late, else the earliest.
    """
    due_at = contact.next_due_at if ahead else contact.due_at
    late = contact.breached and not ahead
    mark: Mark = "breached" if late else "paused" if contact.paused and not due_at else "running"
    return Line(
        key=contact.id,
        mark=mark,
        contact_id=contact.id,
        title=contact.subject or contact.reference or contact.id,
        who=name_of(customer, contact.customer_id),
        who_id=contact.customer_id,
        tier=tier_of(customer),
        target="next deadline" if contact.policy else "no policy",
        channel=channel(contact.channel),
        due_at=due_at,
        due_in=relative(due_at, now) if due_at else "nothing due",
        due_local=local(due_at, zone, now) if due_at else "",
        owner=contact.owner,
        team=contact.team,
        url=web_link(contact.url),
        sort=_place(2, due_at, contact.id),
    )


def _place(rank: int, due_at: datetime | None, name: str) -> str:
    millis = int(due_at.timestamp() * 1000) if due_at else 10**14 - 1
    return f"{rank}{millis:014d}{name}"


def _note(alert: AlertState, now: datetime, silences: Iterable[Silence]) -> str:
    if alert.state == "acknowledged" and alert.by:
        return f"by {alert.by}"
    if alert.state == "snoozed" and alert.until:
        return f"until {local(alert.until, alert.timezone, now)}"
    muted = [silence.ends_at for silence in silences if silence.mutes(alert.index())]
    if muted:
        return f"silenced until {local(max(muted), alert.timezone, now)}"
    if alert.next_step_at and alert.next_receivers:
        return f"next: {', '.join(alert.next_receivers)} {local(alert.next_step_at, alert.timezone, now)}"
    return ""


def name_of(customer: CustomerState | None, customer_id: str) -> str:
    """Title and name; the id of somebody whose name nobody has told us."""
    if is_erased(customer_id):
        return "erased"
    if customer is None or not customer.name:
        return "not known yet" if customer_id.startswith("anonymous:") else customer_id
    return " ".join(part for part in (customer.title, customer.name) if part)


def web_link(url: str | None) -> str | None:
    """An address that a page may link to; nothing that a browser would run."""
    return url if url and url.lower().startswith(("http://", "https://")) else None


def channel(name: str | None) -> str:
    return CHANNELS.get(name or "", name or "")


def relative(due_at: datetime, now: datetime) -> str:
    """How late, such as "12 min late", or how long to go, such as "due in 3 h 5 min"."""
    if due_at < now:
        return f"{length(now - due_at)} late"
    return f"due in {length(max(due_at - now, timedelta()))}"


def duration(seconds: float) -> str:
    """A span such as "3 h 5 min"; "0 s" for none."""
    return length(timedelta(seconds=seconds))


def exactly(seconds: float) -> str:
    """A span to the second, such as "2:05:09", so that what is added up on a page adds up there."""
    whole = int(seconds)
    rest = f"{seconds - whole:.3f}".lstrip("0").rstrip("0").rstrip(".")
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}{rest}"


def week(hours: Mapping[str, Sequence[tuple[object, object]]]) -> str:
    """Opening hours in words, days that are alike together: "mon to fri 09:00–17:00; sat 10:00–14:00"."""
    runs: list[tuple[list[str], str]] = []
    for day, spans in hours.items():
        text = ", ".join(f"{opens}–{closes}" for opens, closes in spans) or "closed"
        if runs and runs[-1][1] == text:
            runs[-1][0].append(day)
        else:
            runs.append(([day], text))
    return "; ".join(f"{days[0]}{f' to {days[-1]}' if days[1:] else ''} {text}" for days, text in runs)


def instants_in(text: str, zone: str, now: datetime) -> str:
    """The text with every instant as it reads where the calendar is."""
    return _INSTANT.sub(lambda found: local(datetime.fromisoformat(found[0]), zone, now), text)
