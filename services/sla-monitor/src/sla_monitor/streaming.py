"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse


def event(name: str, data: Any, token: str = "") -> str:
    """One event; with a `token`, by which the client says from where it goes on."""
    head = f"id: {token}\n" if token else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def streamed(lines: AsyncIterator[str]) -> StreamingResponse:
    """The answer that goes on for as long as the client listens; nothing on the way keeps or gathers it."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)
