"""Layers around every application that make its requests what HTTP says they are, and no larger than they need be."""

from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapport.runtime.openapi import routes_of

MOST: Final = 4 << 20
"""Bytes that a request's body may have; a route that expects less may say so itself."""

_POLITE: Final = 32 << 20
"""Bytes of a body too large that are still read (and dropped), so that the sender gets to see the answer."""


def methods_at(app: FastAPI, path: str) -> set[str]:
    """All methods of a path, a router names only those of its first route; where it is named whole, none for an id."""
    matching = [route for route in routes_of(app.routes) if route.path_regex.match(path)]
    matching = [route for route in matching if route.path == path] or matching
    methods = {method for route in matching for method in route.methods or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


class Bounded:
    """Answers 413 to a body that nobody needs, before it fills the memory: also to callers whom nobody knows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def receive_bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            while MOST < size <= _POLITE and message.get("more_body"):
                message = await receive()
                size += len(message.get("body", b""))
            if size > MOST:
                raise HTTPException(413, f"the body is larger than {MOST} bytes")
            return message

        await self._app(scope, receive_bounded, send)


class Heads:
    """HEAD for whatever GET is there for (RFC 9110, 9.3.2): the same answer, ended where its body would begin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or not self._stands_for_get(scope):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_head)
        finally:
            if "route" in as_get:
                scope["route"] = as_get["route"]

    @staticmethod
    def _stands_for_get(scope: Scope) -> bool:
        return "GET" in methods_at(scope["app"], scope["path"])
