"""`/v1/dead-letters`: what was refused, why, and another try."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import from_json
from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from intake.letters import Letter
from intake.replay import Outcome, Replay
from intake.store import Cursor, DeadLetters, Which

Id = Annotated[str, Field(min_length=1, max_length=100)]


class Order(BaseModel):
    """What to replay: letters by their ids, those with a reason, those of a source, or all. Exactly one is given."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Id] | None = Field(None, max_length=10_000)
    reason: str | None = None
    source: str | None = None
    all: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.ids is not None, self.reason is not None, self.source is not None, self.all]
        if sum(given) != 1:
            raise ValueError("give exactly one of ids, reason, source and all")
        return self

    def which(self) -> Which:
        return Which(tuple(self.ids) if self.ids is not None else None, self.reason, self.source)


def routes(letters: DeadLetters, replay: Replay, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

    @router.get("")
    async def list_dead_letters(
        _: Annotated[Key, Depends(require("watch"))],
        reason: str | None = None,
        source: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """The newest first; `counts` says how many wait, by reason; `cursor`, where there is one, leads on."""
        which = Which(reason=reason, source=source)
        page = await letters.page(which, limit=limit + 1, after=_cursor(cursor) if cursor else None)
        shown = page[:limit]
        return {
            "items": [_shown(letter) for letter in shown],
            "cursor": _cursor_after(shown[-1]) if len(page) > limit else None,
            "counts": await letters.counts(which),
        }

    @router.post("/replay")
    async def replay_dead_letters(key: Annotated[Key, Depends(require("admin"))], order: Order) -> Outcome:
        """Try refused events again; ordering it twice is harmless."""
        return await replay.run(order.which(), by=key.name, now=clock.now())

    return router


def _shown(letter: Letter) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": letter.id,
        "at": format_instant(letter.at),
        "reason": letter.reason,
        "pointer": letter.pointer,
        "service": letter.service,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "source": letter.source,
        "event_id": letter.event_id,
        "type": letter.event_type,
        "key": _text(letter.key),
        "headers": [[name, _text(value)] for name, value in letter.headers],
        "replayed_at": format_instant(letter.replayed_at) if letter.replayed_at else None,
        "replayed_by": letter.replayed_by,
    }
    try:
        return {**shown, "event": from_json(letter.value or b"null", allow_inf_nan=False)}
    except ValueError:
        return {**shown, "value_base64": base64.b64encode(letter.value or b"").decode()}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _cursor_after(letter: Letter) -> str:
    return base64.urlsafe_b64encode(f"{int(letter.at.timestamp() * 1000 + 0.5)}.{letter.id}".encode()).decode()


def _cursor(text: str) -> Cursor:
    try:
        millis, _, last = base64.b64decode(text, altchars=b"-_", validate=True).decode().partition(".")
        return datetime.fromtimestamp(int(millis) / 1000, UTC), last
    except (ValueError, OverflowError, OSError, binascii.Error):
        raise Problem(422, "cursor is none that was given here", errors=[("/query/cursor", "unknown")]) from None
