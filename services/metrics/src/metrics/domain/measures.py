"""What each measure is called, what it adds up and what it can be grouped by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from metrics.domain import finish
from metrics.domain.finish import CALLS, FOLLOWUPS, PRESENT, PROMISES, SALES, SHORT, VERDICTS, Figure, Sums

Over = Literal["instants", "periods", "to_date"]


class Limits(NamedTuple):
    """What sums depend on that are made when they are asked for."""

    now: datetime
    within: timedelta
    """How soon a caller is to be answered."""
    inactive_after: timedelta
    """For how long nothing is heard of a customer before they are lost."""


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
    side by side, so that every row says which it is. What needs the `whole` history of
    a customer is made when it is asked for. `dimensions` are all that it knows, beside
    its part, where it isn't about contacts; `over` says whether it is of instants, of
    whole periods, or of all that was up to an instant. `clock` says whether it can be
    had by local hour and weekday. `beside` is another measure, a count, that stands in the same rows.
    `called` are figures that are a sum of another name, each with that.
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
    whole: bool = False
    dimensions: tuple[str, ...] | None = None
    over: Over = "instants"
    clock: Literal["", "always", "if asked"] = ""
    beside: str | None = None
    called: tuple[tuple[str, str], ...] = ()

    @property
    def marks(self) -> str:
        """The measure whose marks it adds up."""
        return self.out_of or self.name

    @property
    def counts(self) -> tuple[str, ...]:
        """Of what a contact may add that which is a number of things, and no length of time."""
        return (*(name for name in self.adds if not name.endswith("seconds")), *(one.name for one in self.asked))

    def sum_of(self, figure: str) -> str:
        """The sum that a figure of its rows is."""
        return dict(self.called).get(figure, figure)

    def adds_to(self, figure: str, at: datetime, figures: Sums, limits: Limits) -> bool:
        """Whether what was counted at an instant counts in that figure."""
        one = next((one for one in self.asked if one.name == figure), None)
        return figures.get(one.counts if one else figure, 0) > 0 and (one is None or one.holds(at, figures, limits))


def _count(name: str) -> Measure:
    return Measure(name, (name,), lambda sums: {name: sums.get(name, 0)}, sums=(name,), adds=(name,))


def _of(
    name: str,
    figures: Callable[[Sums], dict[str, Figure]],
    sums: tuple[str, ...] | None = None,
    *,
    adds: tuple[str, ...] = (),
    **more: Any,
) -> Measure:
    return Measure(name, tuple(figures({})), figures, sums=sums, adds=adds or sums or (), **more)


_whole = partial(_of, whole=True)


_TIMES: Final = ("calendar_count", "calendar_seconds", "open_count", "open_seconds", "open_at_least")
_OF_CUSTOMERS: Final = ("tier", "language")
_FIRST_TIMES: Final = tuple(f"first_{name}" for name in _TIMES)
_WAITS: Final = (*CALLS, SHORT, "waited_seconds")


MEASURES: Final[Mapping[str, Measure]] = {
    measure.name: measure
    for measure in (
        _count("contacts"),
        _count("messages"),
        _of(
            "arrivals",
            finish.arrivals,
            ("contacts",),
            out_of="contacts",
            clock="always",
            called=(("arrivals", "contacts"),),
        ),
        _of("out_of_hours", finish.out_of_hours, ("out_of_hours", "count", "unknown"), clock="if asked"),
        _of("first_response", finish.first_response, adds=("count", "still_waiting", "without_response", *_TIMES)),
        _of("in_language", finish.in_language, ("count", "same", "unknown"), called=(("in_language", "same"),)),
        _of("resolution", finish.resolution, adds=("count", "still_waiting", "first_count", *_TIMES, *_FIRST_TIMES)),
        _of("sla", finish.sla, VERDICTS, part="target"),
        _of("consistency", finish.consistency, ("met", "breached"), part="target", out_of="sla", compares="location"),
        _of("promises", finish.promises, PROMISES),
        *map(_count, ("reopens", "handovers", "escalations")),
        _of("aht", finish.handling, adds=("count", "handle_count", "handle_seconds")),
        _of("quality", finish.quality, ("count", "sum", "squares")),
        _of("followups", finish.followups, (*FOLLOWUPS, "waiting"), part="reason", asked=(OVERDUE,), beside="contacts"),
        _of("answered_within", finish.answered_within, (*CALLS, SHORT), adds=_WAITS, asked=(WITHIN, GIVEN_UP_LATE)),
        _of("csat", finish.satisfaction, ("answers", "sum", "good"), part="context"),
        _of("ces", finish.satisfaction, ("answers", "sum", "good"), part="context"),
        _whole("fcr", finish.fcr, ("settled", "count", "provisional")),
        _whole("repeat_contacts", finish.repeat_contacts, ("repeat_contacts", "count")),
        _whole("continuity", finish.continuity, ("count", "own_agent", "as_last_time", "unknown")),
        _whole("response_rate", finish.response_rate, ("answers", "sent", "bounced", "pending"), part="survey"),
        _whole("retention", finish.retention, PRESENT, part="cohort", dimensions=_OF_CUSTOMERS, over="periods"),
        _whole("churn", finish.churn, PRESENT, part="cohort", dimensions=_OF_CUSTOMERS, over="periods"),
        _whole(
            "cltv",
            finish.lifetime_value,
            adds=("customers", "purchases"),
            part="currency",
            kept_apart=True,
            dimensions=_OF_CUSTOMERS,
            over="to_date",
        ),
        _whole("after_sale", finish.after_sale, SALES, part="product", dimensions=(*_OF_CUSTOMERS, "agent")),
        _of("nps", finish.nps, ("answers", "sum", "promoters", "detractors"), part="context", kept_apart=True),
    )
}
