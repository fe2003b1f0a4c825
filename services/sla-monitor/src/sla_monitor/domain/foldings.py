"""
Logs folded before, so that an event that comes last costs one step and not the whole log again.

A memory that changes no answer: what it gives is what `fold` gives, because the
entries known before are compared, and time that has passed once passes no further.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sla_monitor.domain.fold import Folding
from sla_monitor.domain.log import instant
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.states import Entry

_ENTRIES: Final = 16_384
"""So many entries are remembered, with the clocks that they led to: some tens of megabytes at the most."""


class _Known(NamedTuple):
    log: Sequence[Entry]
    folding: Folding
    until: datetime

    def leads_to(self, log: Sequence[Entry], book: PolicyBook, until: datetime) -> bool:
        """Whether taking what is new in `log` goes on from here: same beginning, and nothing before `until`."""
        size = len(self.log)
        if self.folding.book is not book or size > len(log):
            return False
        following = instant(log[size].millis) if size < len(log) else until
        return following >= self.until and log[:size] == self.log


class Foldings:
    """
    The latest folding of each contact, as far as there is room; the longest unasked is forgotten first.

    A folding is handed out until the next one of its contact is asked for.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._entries = 0

    def fold(self, contact_id: str, log: Sequence[Entry], book: PolicyBook, until: datetime) -> Folding:
        """The same as `fold(log, book, until)`."""
        known = self._known.pop(contact_id, None)
        folding, done = Folding(book), 0
        if known is not None:
            self._entries -= len(known.log)
            if known.leads_to(log, book, until):
                folding, done = known.folding, len(known.log)
        for entry in log[done:]:
            folding.take(entry)
        folding.pass_time(until)
        self._remember(contact_id, _Known(log, folding, until))
        return folding

    def _remember(self, contact_id: str, known: _Known) -> None:
        self._known[contact_id] = known
        self._entries += len(known.log)
        while self._entries > _ENTRIES:
            _, forgotten = self._known.popitem(last=False)
            self._entries -= len(forgotten.log)
