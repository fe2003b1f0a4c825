"""Builders of calendars and instants, and strategies that draw them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from rapport.business_time import Calendar

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = {day: [("00:00", "24:00")] for day in WEEK}
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Kathmandu",
    "Pacific/Apia",
)


def office(*shifts: str, days: str = "mon tue wed thu fri") -> dict[str, list[tuple[str, str]]]:
    """The same hours on all working days, such as "09:00-12:30", "13:00-17:00"."""
    return {day: hours(*(shifts or ("09:00-17:00",))) for day in days.split()}


def hours(*shifts: str) -> list[tuple[str, str]]:
    return [(opens, closes) for opens, closes in (shift.split("-") for shift in shifts)]


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    """The instant that "2026-03-02 09:00" means in a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@st.composite
def day_hours(draw: st.DrawFn, *, overnight: bool = False) -> list[tuple[str, str]]:
    """Up to three disjoint intervals of one date, in any order; the last may end at 24:00, or on the next date."""
    quarters = sorted(draw(st.sets(st.integers(0, 95), max_size=6)))
    quarters = quarters[: len(quarters) // 2 * 2]
    shifts = [(_clock(opens), _clock(closes)) for opens, closes in zip(quarters[::2], quarters[1::2], strict=True)]
    if draw(st.booleans()) and shifts:
        until: int = draw(st.integers(0, quarters[0] - 1)) if overnight and quarters[0] else 96
        shifts[-1] = (shifts[-1][0], _clock(until))
    order: st.SearchStrategy[list[tuple[str, str]]] = st.permutations(shifts)
    return draw(order)


@st.composite
def calendars(draw: st.DrawFn, *, overnight: bool = False) -> dict[str, object]:
    """What to make a calendar of: open on some Monday at least, with holidays and overrides around `instants`."""
    near = st.dates(date(2011, 12, 1), date(2012, 4, 30))
    week = {day: draw(day_hours(overnight=overnight)) for day in WEEK}
    if not week["mon"]:
        week["mon"] = [("09:00", "17:00")]
    return {
        "timezone": draw(st.sampled_from(ZONES)),
        "hours": week,
        "holidays": draw(st.sets(near, max_size=8)),
        "overrides": draw(st.dictionaries(near, day_hours(overnight=overnight), max_size=8)),
    }


def built(*, overnight: bool = True) -> st.SearchStrategy[Calendar]:
    return calendars(overnight=overnight).map(lambda facts: Calendar(**facts))  # type: ignore[arg-type]


instants = st.integers(0, 150 * 86_400_000_000).map(
    lambda us: datetime(2011, 12, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
budgets = st.integers(0, 30 * 86_400_000_000).map(lambda us: us / 1_000_000)


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"
