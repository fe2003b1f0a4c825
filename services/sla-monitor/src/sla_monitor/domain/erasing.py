"""
What is forgotten of a customer who has asked for it: name, words and addresses; what was done stays as bare figures.

Deadlines, verdicts and who was told remain, without anything that says who it was
or what it was about; what comes late from before is not learnt again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from rapport.contracts import Data, Event
from rapport.decision import Decision

from sla_monitor.domain.log import to_millis
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import Alert, AlertState, ContactState, CustomerState, Entry

ERASED: Final = "customer.erased"
_WORDS: Final[dict[str, Any]] = {"subject": None, "reference": None, "url": None}


def forget_customer(known: CustomerState | None, customer_id: str, partition: int, event: Event[Data]) -> CustomerState:
    """All that is left of a customer: that there was one. `erasing` until their contacts are forgotten too."""
    at = max(to_millis(event.time), known.erased if known else 0)
    return CustomerState(id=customer_id, partition=known.partition if known else partition, erased=at, erasing=True)


def forget_risk(known: RiskState | None, now: datetime) -> tuple[RiskState, ...]:
    """Nothing speaks for a conflict with somebody unknown to us; whoever was told of one hears that it is over."""
    if known is None or not (known.signals or known.told):
        return ()
    told = tuple(
        notice._replace(
            about="", waiting=(), said=tuple(one._replace(why="") for one in notice.said), ends=to_millis(now)
        )
        for notice in known.notices
        if notice.said
    )
    return (known.but(signals=(), told=(), notices=told),)


def forget_contacts(
    contacts: Iterable[ContactState],
    alerts: Iterable[AlertState],
    asked: frozenset[str],
) -> Decision[Any]:
    """The same without words: subject, reference, address, attributes that no policy asks about, why it was closed."""
    return Decision(
        states=(
            *(
                contact.but(
                    **_WORDS,
                    log=[without_words(e, asked) for e in contact.log],
                    alerts={key: _without_reason(alert) for key, alert in contact.alerts.items()},
                )
                for contact in contacts
            ),
            *(alert.but(**_WORDS, reason=None) for alert in alerts),
        ),
        why=ERASED,
    )


def _without_reason(alert: Alert) -> Alert:
    deeds = [deed._replace(why="") if deed.verb == "closed" else deed for deed in alert.deeds]
    return alert.but(reason=None, deeds=deeds)


def without_words(entry: Entry, asked: frozenset[str]) -> Entry:
    """An entry of a log without subject, reference, address and attributes, but for what some policy asks about."""
    facts = {
        field: value
        for field, value in entry.facts.items()
        if field in asked or not (field in _WORDS or field.startswith("attributes."))
    }
    return entry._replace(facts=facts)
