"""
For systems that emit: events to intake, in batches, until it has said of each that it is stored or refused.

    from rapport.client import Client, event
    from rapport.contracts.contact_events import ContactReceived

    with Client("http://127.0.0.1:8001", key, outbox="crm.outbox") as intake:
        mail = ContactReceived(customer_id="K-5", contact_id="4711", channel="email", subject="Invoice wrong")
        for result in intake.emit([event(mail, source="/crm", id="mail-99")]):
            print(result.id, result.accepted, result.reason)

`emit` keeps in the outbox file what intake does not take now; `send` has no outbox and raises `NotSent`. An event keeps
its `id` however often it is sent, so sending again after an answer that got lost changes nothing. `AsyncClient` is the
same with `await`.
"""

from rapport.client.clients import AsyncClient, Client
from rapport.client.conversation import NotSent, Result, batches
from rapport.client.events import Event, event
from rapport.client.outbox import Outbox, OutboxBusy, OutboxFull

__all__ = [
    "AsyncClient",
    "Client",
    "Event",
    "NotSent",
    "Outbox",
    "OutboxBusy",
    "OutboxFull",
    "Result",
    "batches",
    "event",
]
