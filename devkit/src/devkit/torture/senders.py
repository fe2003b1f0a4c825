"""Clients that send without end, note every 2xx, and send again whatever was answered otherwise."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from pydantic_core import to_json
from rapport.cloudevents import json_format
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock

SOURCE: Final = "/torture"
CUSTOMERS: Final = 20
"""Customers of each client; nobody else sends for them."""

_MOST_EVENTS: Final = 12
_BAD_SHARE: Final = 0.1
_PAUSE: Final = 0.05
_AGAIN: Final = 0.1
_PATIENCE: Final = 20.0


@dataclass(slots=True)
class Told:
    """What the senders were told. Events of a customer are numbered from 1; `bad` are those that must be refused."""

    taken: dict[str, int] = field(default_factory=dict)
    """The last number that was answered 2xx, by customer; those before it were, too."""

    refused: set[str] = field(default_factory=set)
    """The ids of what violates the contract, once an answer has said so."""

    answers: dict[str, int] = field(default_factory=dict)
    """How often each kind of answer came: a status, or the name of what ended the connection."""

    wrong: list[str] = field(default_factory=list)
    """Answers that must never be given."""

    def came(self, kind: str) -> None:
        self.answers[kind] = self.answers.get(kind, 0) + 1


class Sender:
    """
    One client: a request at a time, each sent until it is answered for good.

    A request holds the next events of some of its customers, in order, and now
    and then one that violates the contract.
    """

    def __init__(self, name: str, urls: Sequence[str], key: str, told: Told, clock: Clock, seed: int) -> None:
        self._name = name
        self._urls = urls
        self._headers = {"authorization": f"Bearer {key}"}
        self._told = told
        self._clock = clock
        self._random = random.Random(seed)
        self._next = dict.fromkeys((f"{name}-{n}" for n in range(CUSTOMERS)), 1)
        self._bad = 0

    async def run(self, stopped: asyncio.Event) -> None:
        """Send until told to stop; what is then on its way is still sent to its end."""
        async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as http:
            while not stopped.is_set():
                events = self._events()
                await self._deliver(http, events)
                await self._clock.sleep(self._random.uniform(0, _PAUSE))

    def _events(self) -> list[dict[str, Any]]:
        return [self._event() for _ in range(self._random.choice((1, 1, 1, self._random.randint(2, _MOST_EVENTS))))]

    def _event(self) -> dict[str, Any]:
        customer = self._random.choice(list(self._next))
        if self._random.random() < _BAD_SHARE:
            self._bad += 1
            return self._written(f"bad/{self._name}/{self._bad}", "contact.sung", customer)
        number = self._next[customer]
        self._next[customer] += 1
        return self._written(f"{customer}/{number}", "contact.updated", customer)

    def _written(self, name: str, event_type: str, customer: str) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": name,
            "source": SOURCE,
            "type": event_type,
            "time": format_instant(self._clock.now()),
            "data": {"customer_id": customer, "contact_id": f"C-{customer}"},
        }

    async def _deliver(self, http: httpx.AsyncClient, events: Sequence[dict[str, Any]]) -> None:
        single = len(events) == 1 and self._random.random() < 0.5  # noqa: PLR2004 - either way of sending one
        kind = json_format.EVENT if single else json_format.BATCH
        body = to_json(events[0] if single else events)
        while True:
            url = self._random.choice(self._urls)
            headers = {**self._headers, "content-type": kind}
            try:
                response = await http.post(f"{url}/v1/events", content=body, headers=headers)
            except httpx.TransportError as error:
                self._told.came(type(error).__name__)
            else:
                self._told.came(str(response.status_code))
                if self._settled(response, events):
                    return
            await self._clock.sleep(self._random.uniform(0, _AGAIN))

    def _settled(self, response: httpx.Response, events: Sequence[dict[str, Any]]) -> bool:
        """Whether the answer is the last word on these events; it is noted then."""
        match response.status_code:
            case 202:
                self._note(events, [True] * len(events))
            case 207:
                self._note(events, [result["status"] == "accepted" for result in response.json()["results"]])
            case 422:
                self._note(events, [False] * len(events))
            case 503 | 429:
                return False
            case _:
                self._told.wrong.append(f"{response.status_code}: {response.text[:200]}")
                return False
        return True

    def _note(self, events: Sequence[dict[str, Any]], taken: Sequence[bool]) -> None:
        for event, accepted in zip(events, taken, strict=True):
            bad = event["id"].startswith("bad/")
            if accepted == bad:
                self._told.wrong.append(f"{event['id']} was {'accepted' if accepted else 'refused'}")
            elif bad:
                self._told.refused.add(event["id"])
            else:
                customer, _, number = event["id"].rpartition("/")
                self._told.taken[customer] = int(number)
