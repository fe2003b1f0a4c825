"""The versions of the plays, and which of them decides about an instant."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime

from followup.domain.draft import Rules

ALWAYS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Each version with the instant from which it is in force, in order; the first reaches back for ever."""

    versions: tuple[tuple[datetime, Rules], ...]

    @classmethod
    def of(cls, rules: Rules) -> RuleBook:
        """The same rules at all times."""
        return cls(((ALWAYS, rules),))

    def at(self, instant: datetime) -> Rules:
        """
        The rules that decide about what happened at an instant.

        By the event's own time, not by who reads it when: two replicas, or one
        that comes late, start the same plays for it.
        """
        index = bisect_right(self.versions, instant, key=lambda version: version[0])
        return self.versions[max(0, index - 1)][1]
