"""What is held of an erased customer, some of it at a time: facts under another name, and entries without words."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json
from rapport.decision import Counted, Decision, Ref, State, States, Touch
from rapport.erasing import Pseudonyms, is_anonymous

from metrics.domain import contact
from metrics.domain.deadlines import millis
from metrics.domain.decide import STRANGER
from metrics.domain.erasing import Erasure
from metrics.domain.nameless import nameless_contact
from metrics.domain.states import ContactFact, CustomerFact, JournalEntry
from metrics.domain.wordless import wordless


class Rewriting:
    """What is rewritten of one erased customer, some of it at a time; twice changes nothing."""

    def __init__(self, key: str, customer_id: str | None, pseudonyms: Pseudonyms) -> None:
        self.key = key
        self._customer_id = customer_id
        self._pseudonyms = pseudonyms

    def contacts_touched(self, ids: Iterable[str]) -> list[Touch]:
        customers = [Ref(CustomerFact, self._customer_id)] if self._customer_id else []
        facts = [Ref(ContactFact, name) for one in ids for name in (one, self._instead(one))]
        return [Ref(Erasure, self.key), *customers, *facts]

    def contacts(self, ids: Iterable[str], states: States) -> Decision[Any]:
        """Theirs under the new name; and each, also somebody's who has the id now, by what is known of whose it is."""
        erasure = states.get(Erasure, self.key)
        changed: list[State] = []
        counts: list[Counted] = []
        gone: list[Ref] = []
        for fact in (states.get(ContactFact, one) for one in ids):
            name = erasure and fact and erasure.name_of(fact, self._customer_id or "")
            if fact is None or not (name or fact.customer_id == self._customer_id):
                continue
            new = nameless_contact(fact, name, self._instead(fact.id), self._instead) if name else fact
            known = states.get(CustomerFact, new.customer_id) or STRANGER
            if known.profile_at(fact.opened_at) != fact.profile:
                new = contact.derived(new, known)
                counts += contact.recounted(new, fact)
            if new != fact:
                changed.append(new)
            if new.id != fact.id:
                gone.append(Ref(ContactFact, fact.id))
        return Decision(tuple(changed), counts=tuple(counts), gone=tuple(gone), why="erased")

    def entries_touched(self, entries: Iterable[tuple[str, str | None]]) -> list[Touch]:
        """For entries of the journal, each given by its id and its contact."""
        found: list[Touch] = [Ref(Erasure, self.key)]
        for entry, contact_id in entries:
            found.append(Ref(JournalEntry, entry))
            if contact_id is not None:
                found += [Ref(ContactFact, contact_id), Ref(ContactFact, self._instead(contact_id))]
        return found

    def entries(self, ids: Iterable[str], states: States) -> Decision[Any]:
        """Theirs, and the nameless ones of their contacts, without words."""
        erasure = states.get(Erasure, self.key)
        found = [states.get(JournalEntry, one) for one in ids]
        if erasure is None:
            return Decision()
        rewritten = [self._rewritten(entry, erasure, states) for entry in found if entry]
        return Decision(tuple(new for new in rewritten if new), why="erased")

    def _rewritten(self, entry: JournalEntry, erasure: Erasure, states: States) -> JournalEntry | None:
        """None where it is somebody else's."""
        held, contact_id = entry.customer_id or "", entry.contact_id
        fact = contact_id and states.get(ContactFact, contact_id)
        if contact_id and not fact:  # or else the contact is another's, and keeps its name
            contact_id = self._instead(contact_id)
            fact = states.get(ContactFact, contact_id)
        if held in erasure.names:
            name: str | None = held
        elif held == self._customer_id:
            name = erasure.name_at(millis(entry.time))
            name = name or (erasure.name_of(fact, held) if fact else None)
        else:
            name = erasure.name_of(fact, self._customer_id or "") if fact and is_anonymous(held) else None
        if name is None:
            return None
        said = wordless(
            from_json(entry.text), name, contact_id, lambda one: self._pseudonyms.instead(self._instead(one), held)
        )
        return entry.but(
            source=said["source"],
            event_id=said["id"],
            cause=said.get("causationid"),
            customer_id=name,
            contact_id=contact_id,
            text=json.dumps(said),
        )

    def done(self, seen: Erasure, states: States) -> Decision[Any]:
        """All is rewritten, unless more has come since `seen`."""
        known = states.get(Erasure, self.key)
        return Decision((seen.but(customer_id=None, behind=0),)) if known == seen else Decision()

    def _instead(self, name: str) -> str:
        return self._pseudonyms.instead(name, self._customer_id) if self._customer_id else name
