"""What each measure is called and how its figures come out of sums."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from metrics.domain.buckets import percentiles
from metrics.domain.intervals import difference, of_mean, wilson

Sums = Mapping[str, int]
Figure = float | int | None

WHOLE: Final = 10_000
"""What a reviewed contact's best score is counted as."""

SHARES: Final = (0.5, 0.9, 0.95, 0.99)
_NAMES: Final = ("p50", "p90", "p95", "p99")


class Limits(NamedTuple):
    """What sums depend on that are made when they are asked for."""

    now: datetime
    within: timedelta
    """How soon a caller is to be answered."""


class Asked(NamedTuple):
    """
    A sum made when it is asked for: `counts`, of what was, or waited, longer than the limit (`past`), or not.

    What `of` its instant is past has it before now; of how long somebody `waited`, longer than `within`.
    """

    name: str
    counts: str
    of: Literal["instant", "waited"]
    past: bool

    def holds(self, at: datetime, figures: Sums, limits: Limits) -> bool:
        past = at < limits.now if self.of == "instant" else figures.get(WAITED, 0) > limits.within / _MILLISECOND
        return past is self.past


WAITED: Final = "waited_sum"
"""Milliseconds that somebody waited."""
_MILLISECOND: Final = timedelta(milliseconds=1)
OVERDUE: Final = Asked("overdue", "waiting", "instant", past=True)
WITHIN: Final = Asked("within", "answered", "waited", past=False)
GIVEN_UP_LATE: Final = Asked("abandoned_late", "abandoned", "waited", past=True)


@dataclass(frozen=True, slots=True)
class Measure:
    """
    A measure: its figures in order, and how sums become figures.

    `part` names the dimension that only this measure has; one that is `kept_apart`
    is never pooled, so every row says which it is. `sums` names all that is added
    up for it, or None where that depends on the values (counters of percentiles);
    `adds` names what one contact may add, with times in seconds; `asked` are sums that
    depend on when, or with what limit, they are asked for. What is measured `out_of`
    another's marks has none of its own; `compares` names the dimension that it holds
    side by side, so that every row says which it is.
    """

    name: str
    figures: tuple[str, ...]
    finish: Callable[[Sums], dict[str, Figure]]
    part: str | None = None
    kept_apart: bool = False
    sums: tuple[str, ...] | None = None
    adds: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    out_of: str | None = None
    compares: str | None = None

    @property
    def marks(self) -> str:
        """The measure whose marks it adds up."""
        return self.out_of or self.name

    @property
    def counts(self) -> tuple[str, ...]:
        """Of what a contact may add that which is a number of things, and no length of time."""
        return (*(name for name in self.adds if not name.endswith("seconds")), *(one.name for one in self.asked))

    def adds_to(self, figure: str, at: datetime, figures: Sums, limits: Limits) -> bool:
        """Whether what was counted at an instant counts in that figure."""
        one = next((one for one in self.asked if one.name == figure), None)
        return figures.get(one.counts if one else figure, 0) > 0 and (one is None or one.holds(at, figures, limits))


def _rounded(value: float) -> float:
    return round(value, 6)


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _count(name: str) -> Measure:
    return Measure(name, (name,), lambda sums: {name: sums.get(name, 0)}, sums=(name,), adds=(name,))


def _seconds(sums: Sums, prefix: str) -> dict[str, Figure]:
    """Mean and percentiles in seconds of what was counted in milliseconds."""
    count = sums.get(f"{prefix}count", 0)
    at = f"{prefix}b"
    buckets = {int(key[len(at) :]): n for key, n in sums.items() if key.startswith(at)}
    mean = _rounded(sums.get(f"{prefix}sum", 0) / count / 1000) if count else None
    values = (None if value is None else round(value / 1000, 3) for value in percentiles(buckets, SHARES))
    return {"mean": mean, **dict(zip(_NAMES, values, strict=True))}


def _times(sums: Sums, prefix: str) -> dict[str, Figure]:
    """Open seconds under the plain names, as far as sla-monitor told them; calendar seconds always."""
    figures: dict[str, Figure] = {f"{prefix}{k}": v for k, v in _seconds(sums, f"{prefix}open_").items()}
    figures[f"{prefix}open_count"] = sums.get(f"{prefix}open_count", 0)
    figures[f"{prefix}open_at_least"] = sums.get(f"{prefix}open_at_least", 0)
    return figures | {f"{prefix}calendar_{k}": v for k, v in _seconds(sums, f"{prefix}calendar_").items()}


def _first_response(sums: Sums) -> dict[str, Figure]:
    counts = {name: sums.get(name, 0) for name in ("count", "still_waiting", "without_response")}
    return counts | _times(sums, "")


def _resolution(sums: Sums) -> dict[str, Figure]:
    counts = {name: sums.get(name, 0) for name in ("count", "still_waiting", "first_count")}
    return counts | _times(sums, "") | _times(sums, "first_")


def _sla(sums: Sums) -> dict[str, Figure]:
    counts = {name: sums.get(name, 0) for name in _VERDICTS}
    return {**counts, "attainment": _share(counts["met"], counts["met"] + counts["breached"])}


def _consistency(sums: Sums) -> dict[str, Figure]:
    """The spread between what is compared is no sum: whoever puts the rows side by side adds it."""
    met, breached = sums.get("met", 0), sums.get("breached", 0)
    low, high = wilson(met, met + breached) or (None, None)
    return {
        "attainment": _share(met, met + breached),
        "low": None if low is None else _rounded(low),
        "high": None if high is None else _rounded(high),
        "met": met,
        "breached": breached,
        "spread": None,
    }


def _promises(sums: Sums) -> dict[str, Figure]:
    return {name: sums.get(name, 0) for name in _PROMISES}


def _followups(sums: Sums) -> dict[str, Figure]:
    """Overdue are calls that are owed and whose time has passed; `late` were made after it had."""
    return {name: sums.get(name, 0) for name in (OVERDUE.name, *_FOLLOWUPS)}


def _answered_within(sums: Sums) -> dict[str, Figure]:
    """The call centre's service level: who gave up before the limit was over does not count against it."""
    counts = {name: sums.get(name, 0) for name in (*_CALLS, "within", "abandoned_late", _SHORT)}
    return {"service_level": _share(counts["within"], counts["answered"] + counts["abandoned_late"]), **counts}


def _in_language(sums: Sums) -> dict[str, Figure]:
    count, same = sums.get("count", 0), sums.get("same", 0)
    return {"share": _share(same, count), "in_language": same, "count": count, "unknown": sums.get("unknown", 0)}


def _handling(sums: Sums) -> dict[str, Figure]:
    return {"count": sums.get("count", 0), **_seconds(sums, "handle_")}


def _quality(sums: Sums) -> dict[str, Figure]:
    """Shares of the best score, from 0 to 1."""
    count, total = sums.get("count", 0), sums.get("sum", 0)
    low, high = of_mean(total, sums.get("squares", 0), count) or (None, None)
    return {
        "mean": _rounded(total / count / WHOLE) if count else None,
        "count": count,
        "low": None if low is None else _rounded(max(0.0, low / WHOLE)),
        "high": None if high is None else _rounded(min(1.0, high / WHOLE)),
    }


def _satisfaction(sums: Sums) -> dict[str, Figure]:
    asked, good = sums.get("answers", 0), sums.get("good", 0)
    low, high = wilson(good, asked) or (None, None)
    return {
        "score": _share(good, asked),
        "mean": _share(sums.get("sum", 0), asked),
        "answers": asked,
        "low": None if low is None else _rounded(low),
        "high": None if high is None else _rounded(high),
    }


def _nps(sums: Sums) -> dict[str, Figure]:
    """Percentage points from −100 to 100."""
    asked, up, down = (sums.get(name, 0) for name in ("answers", "promoters", "detractors"))
    low, high = difference(up, down, asked) or (None, None)
    return {
        "score": _rounded(100 * (up - down) / asked) if asked else None,
        "mean": _share(sums.get("sum", 0), asked),
        "answers": asked,
        "low": None if low is None else _rounded(100 * low),
        "high": None if high is None else _rounded(100 * high),
        "promoters": up,
        "detractors": down,
    }


def _of(
    name: str,
    finish: Callable[[Sums], dict[str, Figure]],
    sums: tuple[str, ...] | None = None,
    *,
    part: str | None = None,
    apart: bool = False,
    adds: tuple[str, ...] = (),
    asked: tuple[Asked, ...] = (),
    out_of: str | None = None,
    compares: str | None = None,
) -> Measure:
    return Measure(name, tuple(finish({})), finish, part, apart, sums, adds or sums or (), asked, out_of, compares)


_TIMES: Final = ("calendar_count", "calendar_seconds", "open_count", "open_seconds", "open_at_least")
_FIRST_TIMES: Final = tuple(f"first_{name}" for name in _TIMES)
_CALLS: Final = ("answered", "abandoned")
_SHORT: Final = "abandoned_short"
_WAITS: Final = (*_CALLS, _SHORT, "waited_seconds")
_FOLLOWUPS: Final = ("owed", "done", "late", "planned", "sent", "suppressed", "cancelled", "failed")
_PROMISES: Final = ("kept", "broken", "running", "moved")
_VERDICTS: Final = ("met", "breached", "running", "cancelled")


MEASURES: Final[Mapping[str, Measure]] = {
    measure.name: measure
    for measure in (
        _count("contacts"),
        _count("messages"),
        _of("first_response", _first_response, adds=("count", "still_waiting", "without_response", *_TIMES)),
        _of("in_language", _in_language, ("count", "same", "unknown")),
        _of("resolution", _resolution, adds=("count", "still_waiting", "first_count", *_TIMES, *_FIRST_TIMES)),
        _of("sla", _sla, _VERDICTS, part="target"),
        _of("consistency", _consistency, ("met", "breached"), part="target", out_of="sla", compares="location"),
        _of("promises", _promises, _PROMISES),
        *map(_count, ("reopens", "handovers", "escalations")),
        _of("aht", _handling, adds=("count", "handle_count", "handle_seconds")),
        _of("quality", _quality, ("count", "sum", "squares")),
        _of("followups", _followups, (*_FOLLOWUPS, "waiting"), part="reason", asked=(OVERDUE,)),
        _of("answered_within", _answered_within, (*_CALLS, _SHORT), adds=_WAITS, asked=(WITHIN, GIVEN_UP_LATE)),
        _of("csat", _satisfaction, ("answers", "sum", "good"), part="context"),
        _of("ces", _satisfaction, ("answers", "sum", "good"), part="context"),
        _of("nps", _nps, ("answers", "sum", "promoters", "detractors"), part="context", apart=True),
    )
}
