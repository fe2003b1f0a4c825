"""What the parts of a policy file say about each other: contradictions, which refuse it, and cautions, which don't."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from rapport.contracts.vocabulary import meant
from rapport.rule_file import Path

from sla_monitor.domain.policy import PolicyFile, PolicyModel
from sla_monitor.domain.policy_fields import wrong_field, wrong_value

Contradiction = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class Names:
    """What a file defines, also where the definition itself is wrong."""

    calendars: frozenset[str]
    escalations: frozenset[str]
    receivers: frozenset[str]
    people: frozenset[str]

    @classmethod
    def of(cls, document: Mapping[str, object]) -> "Names":
        def defined(part: str) -> frozenset[str]:
            found = document.get(part)
            return frozenset(map(str, found)) if isinstance(found, Mapping) else frozenset()

        return cls(defined("calendars"), defined("escalations"), defined("receivers"), defined("people"))

    @classmethod
    def defined_in(cls, file: PolicyFile) -> "Names":
        return cls(*(frozenset(part) for part in (file.calendars, file.escalations, file.receivers, file.people)))


def contradictions(file: PolicyFile, names: Names, places: Iterable[int]) -> list[Contradiction]:
    """Where the parts of a file contradict each other, and how. `places` are those of its policies in the text."""
    return [
        *_of_policies(file, names, list(places)),
        *_of_escalations(file),
        *_of_teams(file, names),
        *_misspelt(file, names),
    ]


def cautions(file: PolicyFile) -> list[Contradiction]:
    """
    What the service can do its duty with all the same, and what is hardly meant.

    A step that names nobody known is climbed past, an address whose hours are
    unknown is passed over, and the auditor says so for as long as it lasts. A
    policy behind one that matches every contact never applies.
    """
    loose = [(end.path, end.says) for end in _loose_ends(file, Names.defined_in(file)) if not end.hint]
    return [*loose, *_never_reached(file)]


def missing(file: PolicyFile) -> dict[str, str]:
    """Who is to be told and can't be, as `cautions` says it, and why: names without an address, hours unknown."""
    return {end.about: end.says for end in _loose_ends(file, Names.defined_in(file)) if not end.hint}


def _never_reached(file: PolicyFile) -> Iterator[Contradiction]:
    """Policies behind one that takes every contact."""
    taker: str | None = None
    for at, policy in enumerate(file.policies):
        if taker is not None:
            yield ("policies", at), f"{policy.name!r} never applies: {taker!r} above it matches every contact"
        elif not policy.match:
            taker = policy.name


def _misspelt(file: PolicyFile, names: Names) -> Iterator[Contradiction]:
    """Names that nothing carries but that are like one that is carried: somebody would wait for a message in vain."""
    for end in _loose_ends(file, names):
        if end.hint:
            yield end.path, f"{end.reason}{end.hint}"


@dataclass(frozen=True, slots=True)
class _LooseEnd:
    """A name that nothing carries. `about` is who can't be reached for it, `hint` a name that may be meant."""

    path: Path
    about: str
    reason: str
    hint: str
    so: str

    @property
    def says(self) -> str:
        return f"{self.reason}; {self.so}"


def _loose_ends(file: PolicyFile, names: Names) -> Iterator[_LooseEnd]:
    ringable = {"owner", "team"} | names.receivers | names.people
    told: list[tuple[Path, list[str]]] = [(("risk", "notify"), file.risk.notify)]
    for name, steps in file.escalations.items():
        told += [(("escalations", name, at, "notify"), step.notify) for at, step in enumerate(steps)]
    for path, wanted in told:
        for one in wanted:
            if one not in ringable:
                reason = f"there is no receiver or person called {one!r}"
                yield _LooseEnd(path, one, reason, meant(one, ringable), "nobody is reached by that name")
    for name, receiver in file.receivers.items():
        for at, address in enumerate(receiver.entries):
            one = address.calendar or ""
            if one and one not in names.calendars:
                reason = f"there is no calendar called {one!r}"
                path = ("receivers", name, at, "calendar")
                yield _LooseEnd(path, name, reason, meant(one, names.calendars), "this address is never taken")


def _of_policies(file: PolicyFile, names: Names, places: list[int]) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for at, policy in zip(places, file.policies, strict=True):
        here: Path = ("policies", at)
        if policy.name in seen:
            yield (*here, "name"), f"there are two policies called {policy.name!r}"
        seen.add(policy.name)
        yield from _of_match((*here, "match"), policy)
        if policy.calendar.default is None:
            yield (*here, "calendar"), "a choice by a field needs a default"
        yield from _unknown((*here, "calendar"), "calendar", policy.calendar.names(), names.calendars)
        steps = policy.escalation.names() if policy.escalation else set[str]()
        yield from _unknown((*here, "escalation"), "escalation", steps, names.escalations)


def _of_match(here: Path, policy: PolicyModel) -> Iterator[Contradiction]:
    for field, wanted in policy.match.items():
        if wrong := wrong_field(field):
            yield (*here, field), wrong
        for value in wanted:
            if wrong := wrong_value(field, value):
                yield (*here, field), wrong


def _of_escalations(file: PolicyFile) -> Iterator[Contradiction]:
    for name, steps in file.escalations.items():
        for at, step in enumerate(steps):
            here: Path = ("escalations", name, at)
            if at and step.after < steps[at - 1].after:
                yield (*here, "after"), "comes before the step above it"
            if step.repeat is not None and at < len(steps) - 1:
                yield (*here, "repeat"), "only the last step may repeat"


def _of_teams(file: PolicyFile, names: Names) -> Iterator[Contradiction]:
    for name, team in file.teams.items():
        yield from _unknown(("teams", name, "receiver"), "receiver", [team.receiver], names.receivers)
    yield from _unknown(("auditor",), "receiver or person", file.auditor, names.receivers | names.people)


def _unknown(path: Path, what: str, names: Iterable[str], known: Collection[str]) -> Iterator[Contradiction]:
    for name in sorted(set(names)):
        if name not in known:
            yield path, f"there is no {what} called {name!r}{meant(name, known)}"
