"""Figures as people say them."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float | None) -> str:
    """A length of time as people say it."""
    if seconds is None:
        return "–"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:02.0f} min"
    return f"{seconds / _DAY:.1f} days"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def plain(name: str | None) -> str:
    return (name or "none").replace("_", " ")


def by_share(now: float | None, then: float | None, more: str, less: str) -> str:
    """How much a count or a length of time has grown, such as "12 % more"."""
    if now is None or not then:
        return ""
    share = round(100 * (now / then - 1))
    return f"{abs(share)} % {more if share > 0 else less}" if share else "the same"


def by_points(now: float | None, then: float | None) -> str:
    """How much a share has moved, such as "3 points higher"; points, since a share of a share misleads."""
    if now is None or then is None:
        return ""
    points = round(100 * (now - then))
    word = "point" if abs(points) == 1 else "points"
    return f"{abs(points)} {word} {'higher' if points > 0 else 'lower'}" if points else "the same"
