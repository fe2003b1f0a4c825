"""Links in messages: who has one may act on what the message was about, for a while, without signing in."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database
from rapport.runtime.settings import Settings

_MOST: Final = 10_000
"""Alerts of one message that its link reaches, the worst ones."""


class NoLink(Exception):
    """That is no link of ours, or its time is over (`late`)."""

    def __init__(self, *, late: bool) -> None:
        super().__init__("the time of this link is over" if late else "this link is none of ours")
        self.late = late


@dataclass(frozen=True, slots=True)
class Link:
    """Which message it came with, and to whom."""

    message: str
    receiver: str


class Links:
    """
    Makes and reads links: the token says which message and until when, its signature that it was us who said so.

    What the message was about is kept for as long as the link lives. The secret
    is the service's own, or one that the replicas share in MongoDB.
    """

    def __init__(self, settings: Settings, database: Database, clock: Clock, *, lifetime: timedelta, url: str) -> None:
        self._secrets = database["secrets"]
        self._messages = database["messages"]
        self._clock = clock
        self._lifetime = lifetime
        self._url = url.rstrip("/")
        own = settings.secret.get_secret_value() if settings.secret else ""
        self._key = _derived(own) if own else b""

    async def prepare(self) -> None:
        await self._messages.create_index("until", expireAfterSeconds=0)
        if self._key:
            return
        made = {"$setOnInsert": {"secret": secrets.token_hex(32)}}
        row = await self._secrets.find_one_and_update({"_id": "links"}, made, upsert=True, return_document=True)
        self._key = _derived(row["secret"])

    async def offer(self, link: Link, alerts: Sequence[str]) -> str:
        """The address for a message about these alerts; empty where nobody has said how people reach us."""
        if not self._url:
            return ""
        row = {"alerts": list(alerts[:_MOST]), "until": self._clock.now() + self._lifetime}
        await self._messages.update_one({"_id": f"{link.receiver}/{link.message}"}, {"$set": row}, upsert=True)
        return f"{self._url}/a/{self.token(link)}"

    async def alerts(self, link: Link) -> list[str]:
        """What its message was about, the worst first."""
        row = await self._messages.find_one({"_id": f"{link.receiver}/{link.message}"})
        return list(row["alerts"]) if row else []

    def token(self, link: Link) -> str:
        until = int((self._clock.now() + self._lifetime).timestamp())
        text = json.dumps([link.message, link.receiver, until], ensure_ascii=False, separators=(",", ":")).encode()
        return f"{_write(text)}.{_write(self._sign(text))}"

    def read(self, token: str) -> Link:
        """`NoLink` for a token that was altered, is not ours, or comes too late."""
        body, _, signature = token.partition(".")
        try:
            text = _read(body)
            if not hmac.compare_digest(_read(signature), self._sign(text)) or _write(text) != body:
                raise NoLink(late=False)
            message, receiver, until = json.loads(text)
        except (ValueError, binascii.Error):
            raise NoLink(late=False) from None
        if self._clock.now() >= datetime.fromtimestamp(until, self._clock.now().tzinfo):
            raise NoLink(late=True)
        return Link(message, receiver)

    def _sign(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")[:24]


def _derived(secret: str) -> bytes:
    return hashlib.sha256(b"rapport alert links\0" + secret.encode()).digest()


def _write(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _read(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
