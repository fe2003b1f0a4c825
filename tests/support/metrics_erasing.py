"""Metrics in memory that forgets customers: what the service does beside the daily work, in one go."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self, TypeVar

from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from metrics.domain.erasing import Erasure, Forgetful
from metrics.domain.loyalty import NO_LOYALTY, Loyalty
from metrics.domain.rewriting import Rewriting
from rapport.contracts import Data, Event, decode
from rapport.decision import Decision, Ref, State, States, Touch
from rapport.erasing import ANONYMOUS, ERASED, Pseudonyms, is_erased

from tests.support.metrics import Memory, answered, at, event, opened, received, resolved, responded, verdict

S = TypeVar("S", bound=State)

WORDS = (
    *("Ludmila", "ludmila@example.org", "+49170", "Dear Sir", "https://x.example/7"),
    *("R-99", "gate code", "too slow", "Dr."),
)


def erased(when: Any, customer_id: str = "K-1", **more: Any) -> Event[Data]:
    return event("customer.erased", when, customer_id=customer_id, **more)


def history(customer_id: str = "K-1", contact: str = "C-1") -> list[Event[Data]]:
    """All kinds of events of one customer, with words in each place that has some; the first is nameless."""
    who: dict[str, Any] = {"customer_id": customer_id}
    said = {"subject": WORDS[3], "url": WORDS[4], "reference": WORDS[5], "attributes": {"note": WORDS[6]}}
    step = {**who, "followup_id": "f-1", "play": "p", "step": 0, "do": "check_in", "purpose": "service"}
    return [
        received(at("08:00"), contact, customer_id="anonymous:77", team="a", **said),
        received(at("08:05"), contact, team="a", agent_id="ann", **who, **said),
        responded(at("08:20"), contact, agent_id="ann", handle_seconds=60, **who),
        event("contact.escalated", at("08:21"), contact_id=contact, to="lead", reason=WORDS[7], **who),
        event("contact.confirmed", at("08:22"), contact_id=contact, **who),
        resolved(at("08:30"), contact, agent_id="ann", **who),
        opened(at("08:00"), {"first_response": at("09:00")}, contact, **who),
        verdict("met", at("08:20"), at("09:00"), contact, **who),
        event(
            "customer.updated",
            at("07:00"),
            name=WORDS[0],
            email=WORDS[1],
            phone=WORDS[2],
            title=WORDS[8],
            tier="gold",
            language="de",
            owner_id="ann",
            **who,
        ),
        answered(at("10:00"), 2, "s-1", contact_id=contact, comment=WORDS[7], **who),
        answered(at("10:01"), 9, f"s-{customer_id}", "nps", comment=WORDS[7], **who),
        event("purchase.made", at("07:30"), purchase_id="P-1", amount="150", currency="EUR", **who),
        event("purchase.returned", at("07:40"), purchase_id="P-1", amount="20", **who),
        event("followup.owed", at("11:00"), source="/rapport/followup", due_at=at("12:00"), sequence=1, **step),
        event(
            *("followup.done", at("11:30")),
            source="/rapport/followup",
            due_at=at("12:00"),
            sequence=2,
            outcome="reached",
            note=WORDS[7],
            **step,
        ),
        event(
            *("risk.raised", at("10:02")),
            source="/rapport/sla-monitor",
            id=f"{customer_id}/risk/1",
            cause="low_score",
            reasons=[WORDS[7]],
            contact_id=contact,
            **who,
        ),
        event(
            *("survey.sent", at("09:00")),
            source="/rapport/followup",
            survey_id=f"s-{customer_id}",
            survey="nps",
            followup_id=f"f/{customer_id}",
            channel="email",
            expires_at=at("09:00", day=9),
            **who,
        ),
        received(at("11:00"), f"{contact}-2", kind="complaint", purchase_id=f"P-{customer_id}", **who, **said),
        event("purchase.made", at("07:31"), purchase_id=f"P-{customer_id}", amount="9", currency="EUR", **who),
        event("subscription.cancelled", at("11:30"), reason=WORDS[7], **who),
        event("message.bounced", at("10:10"), address=WORDS[1], **who),
        event("review.posted", at("10:20"), site="s", rating=1, out_of=5, text=WORDS[7], url=WORDS[4], **who),
        event("quality.reviewed", at("10:30"), contact_id=contact, score=4, out_of=5, **who),
    ]


class Forgetting(Memory):
    """Erased customers are called erased:1, erased:2 and so on."""

    def __init__(self, partitions: int = 1, loyalty: Loyalty = NO_LOYALTY) -> None:
        super().__init__(partitions, loyalty)
        self._named = 0
        self.pseudonyms = Pseudonyms(b"secret", self._next)
        self.domain = Forgetful(Figures(loyalty), self.pseudonyms)

    def _next(self) -> str:
        self._named += 1
        return str(self._named)

    def loaded(self, touches: Iterable[Touch]) -> States:
        states = super().loaded(touches)
        fresh = [f"{kind}{ERASED}{self._named + 1}" for kind in ("", ANONYMOUS)]
        states.loaded([Ref(CustomerFact, name) for name in fresh], [])  # at random, there can be none
        return states

    def forget(self) -> Self:
        """Rewrite all that is to be rewritten."""
        while due := [one for one in self._all(Erasure) if one.index()]:
            self._forget(due[0], Rewriting(due[0].id, due[0].customer_id, self.pseudonyms))
        return self

    def _forget(self, erasure: Erasure, rewriting: Rewriting) -> None:
        theirs = {erasure.customer_id, *erasure.names}
        for fact in self._all(ContactFact):
            if fact.customer_id in theirs:
                self._rewrite_nameless(rewriting, fact.id)
                self._decide(rewriting.contacts_touched([fact.id]), partial(rewriting.contacts, [fact.id]))
                self._rewrite_nameless(rewriting, fact.id)
        for entry in self._all(JournalEntry) if erasure.customer_id else ():
            if entry.customer_id in theirs:
                self._rewrite(rewriting, entry)
        self._decide([Ref(Erasure, erasure.id)], partial(rewriting.done, erasure))

    def _rewrite_nameless(self, rewriting: Rewriting, contact_id: str) -> None:
        for entry in self._all(JournalEntry):
            name = entry.customer_id or ""
            if entry.contact_id == contact_id and name.startswith(ANONYMOUS) and not is_erased(name):
                self._rewrite(rewriting, entry)

    def _rewrite(self, rewriting: Rewriting, entry: JournalEntry) -> None:
        touches = rewriting.entries_touched([(entry.id, entry.contact_id)])
        self._decide(touches, partial(rewriting.entries, [entry.id]))

    def _decide(self, touches: Iterable[Touch], decide: Callable[[States], Decision[Any]]) -> None:
        self.carry_out(decide(self.loaded(touches)))

    def _all(self, kind: type[S]) -> list[S]:
        return [state for state in self.kept[kind].values() if isinstance(state, kind)]

    @property
    def texts(self) -> str:
        """All that is held, as it is stored, but for identities, in which any few letters may stand."""
        states = [state for kind in self.kept.values() for state in kind.values()]
        held = "\n".join(f"{state.id} {state.index()} {state.stored()}" for state in states)
        for identity in self.kept[JournalEntry]:
            held = held.replace(identity, "")
        return held

    def refolded(self) -> Memory:
        """What folding the journal into an empty database gives."""
        journal = sorted(self._all(JournalEntry), key=lambda entry: entry.id)
        return Memory().feed(*(decode(entry.text.encode()) for entry in journal))
