"""What each measure is called and how its figures come out of sums."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from metrics.domain.buckets import percentiles
from metrics.domain.intervals import difference, of_mean, wilson

Sums = Mapping[str, int]
Figure = float | int | None

WHOLE: Final = 10_000
"""What a reviewed contact's best score is counted as."""

SHARES: Final = (0.5, 0.9, 0.95, 0.99)
_NAMES: Final = ("p50", "p90", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Measure:
    """
    A measure: its figures in order, and how sums become figures.

    `part` names the dimension that only this measure has; one that is `kept_apart`
    is never pooled, so every row says which it is. `sums` names all that is added
    up for it, or None where that depends on the values (counters of percentiles);
    `adds` names what one contact may add, with times in seconds.
    """

    name: str
    figures: tuple[str, ...]
    finish: Callable[[Sums], dict[str, Figure]]
    part: str | None = None
    kept_apart: bool = False
    sums: tuple[str, ...] | None = None
    adds: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[str, ...]:
        """Of what a contact may add that which is a number of things, and no length of time."""
        return tuple(name for name in self.adds if not name.endswith("seconds"))


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


def _promises(sums: Sums) -> dict[str, Figure]:
    return {name: sums.get(name, 0) for name in _PROMISES}


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
) -> Measure:
    return Measure(name, tuple(finish({})), finish, part, apart, sums, adds or sums or ())


_TIMES: Final = ("calendar_count", "calendar_seconds", "open_count", "open_seconds", "open_at_least")
_FIRST_TIMES: Final = tuple(f"first_{name}" for name in _TIMES)
_PROMISES: Final = ("kept", "broken", "running", "moved")
_VERDICTS: Final = ("met", "breached", "running", "cancelled")


MEASURES: Final[Mapping[str, Measure]] = {
    measure.name: measure
    for measure in (
        _count("contacts"),
        _count("messages"),
        _of("first_response", _first_response, adds=("count", "still_waiting", "without_response", *_TIMES)),
        _of("resolution", _resolution, adds=("count", "still_waiting", "first_count", *_TIMES, *_FIRST_TIMES)),
        _of("sla", _sla, _VERDICTS, part="target"),
        _of("promises", _promises, _PROMISES),
        *map(_count, ("reopens", "handovers", "escalations")),
        _of("aht", _handling, adds=("count", "handle_count", "handle_seconds")),
        _of("quality", _quality, ("count", "sum", "squares")),
        _of("csat", _satisfaction, ("answers", "sum", "good"), part="context"),
        _of("ces", _satisfaction, ("answers", "sum", "good"), part="context"),
        _of("nps", _nps, ("answers", "sum", "promoters", "detractors"), part="context", apart=True),
    )
}
