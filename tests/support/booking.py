"""Events with any instants of being taken in, what was booked of them by another, and a database that holds them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.erasing import Erasure
from metrics.domain.measures import Limits
from metrics.domain.question import Question, parse
from metrics.domain.report import rows
from metrics.store import Reports
from rapport.contracts import Data, Event, decode, format_instant
from rapport.decision import Counted, Decision, States
from rapport.erasing import OURS
from rapport.runtime.store import Store

from tests.support.metrics import LIMITS, MONDAY, Memory
from tests.unit.metrics.test_laws import histories

LATER = MONDAY + timedelta(days=30)
"""When all have come."""


def taken_in(
    one: Event[Data], recorded: datetime | None, cause: str | None = None, *, of: str | None = None
) -> Event[Data]:
    """The event as intake took it in then; with None as one of ours, which nobody takes in, because of another."""
    assert one.raw is not None
    fields: dict[str, Any] = json.loads(one.raw)
    fields.pop("recordedtime")
    fields |= {"recordedtime": format_instant(recorded)} if recorded else {}
    fields |= {"causationid": cause} if cause else {}
    fields["data"] |= {"customer_id": of} if of else {}
    return decode(json.dumps(fields).encode())


@st.composite
def booked_histories(draw: st.DrawFn) -> list[Event[Data]]:
    """
    Histories that came in any order within some days.

    Some of what was said on contacts names nobody; of ours some follow from others of the same customer or contact.
    """
    history = [one for _ in range(3) for one in draw(histories())]
    hours = st.integers(0, 96).map(lambda hour: MONDAY + timedelta(hours=hour))
    found = []
    for one in history:
        others = [other.id for other in history if other is not one and _whom(other) == _whom(one)]
        contact_id = getattr(one.data, "contact_id", None)
        if one.source.startswith(OURS):
            found.append(taken_in(one, None, draw(st.sampled_from([None, *others]))))
        else:
            nobody = f"anonymous:{contact_id}" if contact_id and one.type.startswith("contact.") else None
            found.append(taken_in(one, draw(hours), of=draw(st.sampled_from([None, None, nobody]))))
    spoken_of = {_about(one) for one in found if not one.source.startswith(OURS)}
    sound = [one for one in found if not one.source.startswith(OURS) or _about(one) in (None, *spoken_of)]
    return sorted(sound, key=lambda one: one.order)


def booked_by(history: Sequence[Event[Data]], cut: datetime) -> list[Event[Data]]:
    """What was booked before that instant, by the plain words: taken in before, and not because of what was not."""
    late = {one.id: one for one in history if one.recorded >= cut}
    for _ in history:
        late |= {
            one.id: one
            for one in history
            if one.recordedtime is None
            and (cause := late.get(one.causationid or ""))
            and (_whom(cause) == _whom(one) or _about(cause) == _about(one) is not None)
            and cause.time <= one.time
        }
    found = [one for one in history if one.id not in late]
    spoken_of = {_about(one) for one in found if not one.source.startswith(OURS)}
    return [one for one in found if not one.source.startswith(OURS) or _about(one) in (None, *spoken_of)]


def _about(one: Event[Data]) -> str | None:
    found: str | None = getattr(one.data, "contact_id", None)
    return found


def _whom(one: Event[Data]) -> str:
    return str(getattr(one.data, "customer_id", ""))


def question(**parameters: str) -> Question:
    return parse({name.rstrip("_"): [text] for name, text in parameters.items()})


async def put(store: Store, memory: Memory) -> None:
    """Have the database hold what a memory has kept, and nothing else."""
    await empty(store)
    states = States()
    states.apply(Decision(tuple(state for kept in memory.kept.values() for state in kept.values())))
    counts = [(0, Counted(name, dict(row), add)) for (name, row), add in memory.counts.items()]
    async with store.transaction() as session:
        await store.add(states, counts, session)


async def empty(store: Store) -> None:
    for name in (*(kind.collection for kind in (JournalEntry, ContactFact, CustomerFact, Erasure)), "hours", "balance"):
        await store.collection(name).delete_many({})


class Asked:
    """What a database answers at an instant."""

    def __init__(self, store: Store, now: datetime, day: str | None = None) -> None:
        self._reports = Reports(store)
        self._now = now
        self._day = {"as_of": day} if day else {}

    def _limits(self, asked: Question) -> Limits:
        return LIMITS._replace(now=asked.looked_at(self._now))

    async def rows(self, **parameters: str) -> list[dict[str, Any]]:
        asked = question(**parameters, **self._day)
        return rows(replace(asked, as_of=None), await self._reports.groups(asked, self._limits(asked)))

    async def contacts(self, *, figure: str | None = None, limit: int = 2, **parameters: str) -> list[Any]:
        """All pages of the list."""
        asked = question(**parameters, **self._day)
        pages, cursor = list[Any](), None
        while not pages or cursor:
            page, cursor = await self._reports.lists.contacts(
                asked, self._limits(asked), figure=figure, limit=limit, cursor=cursor
            )
            pages.append([(fact.id, fact.customer_id, fact.status, fact.dimensions, _sorted(m)) for fact, m in page])
        return [one for page in pages for one in page]

    async def customers(self, *, figure: str | None = None, limit: int = 1, **parameters: str) -> list[Any]:
        asked = question(**parameters, **self._day)
        pages, cursor = list[Any](), None
        while not pages or cursor:
            page, cursor = await self._reports.lists.customers(
                asked, self._limits(asked), figure=figure, limit=limit, cursor=cursor
            )
            pages.append([(name, _sorted(marks)) for name, marks in page])
        return [one for page in pages for one in page]


def _sorted(marks: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(mark, default=str, sort_keys=True) for mark in marks)
