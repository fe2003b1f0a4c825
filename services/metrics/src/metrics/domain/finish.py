"""How the figures of each measure come out of sums."""

from collections.abc import Mapping
from typing import Final

from metrics.domain.buckets import percentiles
from metrics.domain.intervals import difference, of_mean, wilson
from metrics.domain.loyalty import MILLION

Sums = Mapping[str, int]
Figure = float | int | None
Figures = dict[str, Figure]

WHOLE: Final = 10_000
"""What a reviewed contact's best score is counted as."""

_SHARES: Final = (0.5, 0.9, 0.95, 0.99)
_NAMES: Final = ("p50", "p90", "p95", "p99")

CALLS: Final = ("answered", "abandoned")
SHORT: Final = "abandoned_short"
FOLLOWUPS: Final = ("owed", "done", "late", "planned", "sent", "suppressed", "cancelled", "failed")
PROMISES: Final = ("kept", "broken", "running", "moved")
PRESENT: Final = ("at_start", "at_end", "kept", "new", "lost")
SALES: Final = ("purchases", "complaints", "complained", "returned", "provisional")
VERDICTS: Final = ("met", "breached", "running", "cancelled")


def _rounded(value: float) -> float:
    return round(value, 6)


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _sure(part: int, whole: int) -> Figures:
    """The 95 % interval of a share (Wilson)."""
    low, high = wilson(part, whole) or (None, None)
    return {"low": None if low is None else _rounded(low), "high": None if high is None else _rounded(high)}


def _known(sums: Sums, *names: str) -> Figures:
    return {name: sums.get(name, 0) for name in names}


def _seconds(sums: Sums, prefix: str) -> Figures:
    """Mean and percentiles in seconds of what was counted in milliseconds."""
    count = sums.get(f"{prefix}count", 0)
    at = f"{prefix}b"
    buckets = {int(key[len(at) :]): n for key, n in sums.items() if key.startswith(at)}
    mean = _rounded(sums.get(f"{prefix}sum", 0) / count / 1000) if count else None
    values = (None if value is None else round(value / 1000, 3) for value in percentiles(buckets, _SHARES))
    return {"mean": mean, **dict(zip(_NAMES, values, strict=True))}


def _times(sums: Sums, prefix: str) -> Figures:
    """Open seconds under the plain names, as far as sla-monitor told them; calendar seconds always."""
    figures: Figures = {f"{prefix}{k}": v for k, v in _seconds(sums, f"{prefix}open_").items()}
    figures[f"{prefix}open_count"] = sums.get(f"{prefix}open_count", 0)
    figures[f"{prefix}open_at_least"] = sums.get(f"{prefix}open_at_least", 0)
    return figures | {f"{prefix}calendar_{k}": v for k, v in _seconds(sums, f"{prefix}calendar_").items()}


def first_response(sums: Sums) -> Figures:
    counts = {name: sums.get(name, 0) for name in ("count", "still_waiting", "without_response")}
    return counts | _times(sums, "")


def resolution(sums: Sums) -> Figures:
    counts = {name: sums.get(name, 0) for name in ("count", "still_waiting", "first_count")}
    return counts | _times(sums, "") | _times(sums, "first_")


def sla(sums: Sums) -> Figures:
    counts = {name: sums.get(name, 0) for name in VERDICTS}
    return {**counts, "attainment": _share(counts["met"], counts["met"] + counts["breached"])}


def consistency(sums: Sums) -> Figures:
    """The spread between what is compared is no sum: whoever puts the rows side by side adds it."""
    met, breached = sums.get("met", 0), sums.get("breached", 0)
    return {
        "attainment": _share(met, met + breached),
        **_sure(met, met + breached),
        "met": met,
        "breached": breached,
        "spread": None,
    }


def promises(sums: Sums) -> Figures:
    return {name: sums.get(name, 0) for name in PROMISES}


def followups(sums: Sums) -> Figures:
    """
    Overdue are calls that are owed and whose time has passed; `late` were made after it had.

    Beside them stand the contacts that were taken, unless these can't be divided likewise.
    """
    return {**_known(sums, "overdue", *FOLLOWUPS), "contacts": sums.get("contacts")}


def answered_within(sums: Sums) -> Figures:
    """The call centre's service level: who gave up before the limit was over does not count against it."""
    counts = {name: sums.get(name, 0) for name in (*CALLS, "within", "abandoned_late", SHORT)}
    return {"service_level": _share(counts["within"], counts["answered"] + counts["abandoned_late"]), **counts}


def in_language(sums: Sums) -> Figures:
    count, same = sums.get("count", 0), sums.get("same", 0)
    return {"share": _share(same, count), "in_language": same, "count": count, "unknown": sums.get("unknown", 0)}


def handling(sums: Sums) -> Figures:
    return {"count": sums.get("count", 0), **_seconds(sums, "handle_")}


def quality(sums: Sums) -> Figures:
    """Shares of the best score, from 0 to 1."""
    count, total = sums.get("count", 0), sums.get("sum", 0)
    low, high = of_mean(total, sums.get("squares", 0), count) or (None, None)
    return {
        "mean": _rounded(total / count / WHOLE) if count else None,
        "count": count,
        "low": None if low is None else _rounded(max(0.0, low / WHOLE)),
        "high": None if high is None else _rounded(min(1.0, high / WHOLE)),
    }


def satisfaction(sums: Sums) -> Figures:
    asked, good = sums.get("answers", 0), sums.get("good", 0)
    return {
        "score": _share(good, asked),
        "mean": _share(sums.get("sum", 0), asked),
        "answers": asked,
        **_sure(good, asked),
    }


def nps(sums: Sums) -> Figures:
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


def arrivals(sums: Sums) -> Figures:
    return {"arrivals": sums.get("contacts", 0)}


def out_of_hours(sums: Sums) -> Figures:
    closed, count = sums.get("out_of_hours", 0), sums.get("count", 0)
    counts = _known(sums, "out_of_hours", "count", "unknown")
    return {"share": _share(closed, count), **_sure(closed, count), **counts}


def fcr(sums: Sums) -> Figures:
    settled, count = sums.get("settled", 0), sums.get("count", 0)
    return {"fcr": _share(settled, count), **_sure(settled, count), **_known(sums, "settled", "count", "provisional")}


def repeat_contacts(sums: Sums) -> Figures:
    repeated, count = sums.get("repeat_contacts", 0), sums.get("count", 0)
    share = {"share": _share(repeated, count), **_sure(repeated, count)}
    return {"repeat_contacts": repeated, "count": count, **share}


def continuity(sums: Sums) -> Figures:
    same, count = sums.get("own_agent", 0) + sums.get("as_last_time", 0), sums.get("count", 0)
    counts = _known(sums, "own_agent", "as_last_time", "count", "unknown")
    return {"continuity": _share(same, count), **_sure(same, count), **counts}


def response_rate(sums: Sums) -> Figures:
    """Of those who were reached and had their time."""
    answers, reached = sums.get("answers", 0), sums.get("sent", 0) - sums.get("bounced", 0)
    counts = _known(sums, "answers", "sent", "bounced", "pending")
    return {"response_rate": _share(answers, reached), **_sure(answers, reached), **counts}


def retention(sums: Sums) -> Figures:
    """Customers at the end less the new ones, of those at the start."""
    kept, start = sums.get("kept", 0), sums.get("at_start", 0)
    return {"retention": _share(kept, start), **_sure(kept, start), **_known(sums, "at_start", "at_end", "new", "lost")}


def churn(sums: Sums) -> Figures:
    lost, start = sums.get("lost", 0), sums.get("at_start", 0)
    return {"churn": _share(lost, start), **_sure(lost, start), "lost": lost, "at_start": start}


def lifetime_value(sums: Sums) -> Figures:
    """In units of the row's currency; what is below nothing counts as nothing in the percentiles."""
    customers, total = sums.get("customers", 0), sums.get("value_sum", 0)
    buckets = {int(name[1:]): n for name, n in sums.items() if name.startswith("b")}
    values = (None if value is None else _rounded(value / MILLION) for value in percentiles(buckets, _SHARES))
    return {
        **_known(sums, "customers", "purchases"),
        "total": _rounded(total / MILLION),
        "mean": _rounded(total / customers / MILLION) if customers else None,
        **dict(zip(_NAMES, values, strict=True)),
    }


def after_sale(sums: Sums) -> Figures:
    complained, purchases = sums.get("complained", 0), sums.get("purchases", 0)
    counts = _known(sums, "complained", "complaints", "purchases", "returned", "provisional")
    return {"share": _share(complained, purchases), **_sure(complained, purchases), **counts}
