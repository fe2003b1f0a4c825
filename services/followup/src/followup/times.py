"""Instants as people say them."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, get_datetime_format

_MINUTE = timedelta(minutes=1)


def spoken(instant: datetime, zone: ZoneInfo, locale: Locale | str) -> str:
    """Day, minute and zone, as a reader of that language writes them: `March 2, 2026, 11:00 AM EST`."""
    pattern = str(get_datetime_format("long", locale=locale)).replace("'", "")
    local = instant.astimezone(zone)
    day = format_date(local, "long", locale=locale)
    said = pattern.format(format_time(instant, "short", tzinfo=zone, locale=locale), day)
    named = format_datetime(instant, "z", tzinfo=zone, locale=locale)
    return f"{said} {named if named.isalpha() else _offset(local, Locale.parse(locale))}"


def _offset(local: datetime, locale: Locale) -> str:
    """How far from Greenwich: `GMT-03:30`, for which babel (2.18) says `GMT-04:30`."""
    minutes = (local.utcoffset() or timedelta()) // _MINUTE
    hours, rest = divmod(abs(minutes), 60)
    said: str = locale.zone_formats["gmt"] % f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
    return said
