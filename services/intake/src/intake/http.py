"""`POST /v1/events`: what other systems send, in any of CloudEvents' three modes."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from rapport.cloudevents import CloudEvent, MalformedEvent, UnsupportedFormat, from_http
from rapport.runtime.clock import Clock
from rapport.runtime.http import Auth
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem
from starlette.requests import Request
from starlette.responses import Response

from intake.answers import answer
from intake.body import limit_of, read
from intake.domain import Caller
from intake.gate import Gate
from intake.load import Load
from intake.openapi import POST_EVENTS

MAX_EVENTS: Final = 1000
"""Events that one batch may have."""


class Bare(APIRoute):
    """A route that FastAPI documents but does not read the body for, nor solve dependencies: the hot path."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


def routes(gate: Gate, load: Load, clock: Clock) -> APIRouter:
    router = APIRouter(route_class=Bare, tags=["events"])

    @router.post("/v1/events", status_code=202, **POST_EVENTS)
    async def post_events(request: Request) -> Response:
        """Take in one event or a batch. A 2xx means stored; anything else means: send again."""
        now = clock.now()
        key = _sender(request)
        load.check(key, now)
        content_type = request.headers.get("content-type", "")
        with load.share() as share:
            body = await read(request, share, limit_of(content_type))
            events, batch = _events(request, content_type, body)
            load.count(key, len(events), now)
            verdicts = await gate.take_in(events, _caller(key), clock.now(), request.state.traceparent)
        return answer(verdicts, batch=batch)

    return router


def _sender(request: Request) -> Key:
    """The key of the caller; 401 without one, 403 where it may not send at all."""
    auth: Auth = request.app.state.auth
    key = auth.key_of(request)
    if key is None:
        raise Problem(401, "send `Authorization: Bearer <key>`", headers={"WWW-Authenticate": 'Bearer realm="rapport"'})
    if not key.may("emit") and not key.may("admin"):
        raise Problem(403, f"the key {key.name!r} has not the role 'emit'")
    return key


def _caller(key: Key) -> Caller:
    return Caller(key.sources, emit=key.may("emit"), admin=key.may("admin"))


def _events(request: Request, content_type: str, body: bytes) -> tuple[list[CloudEvent], bool]:
    """The events in the request, and whether they are a batch. 400, 413 or 415."""
    kind = content_type.partition(";")[0].strip().lower()
    enveloped = kind.startswith("application/cloudevents")
    if not enveloped and kind != "application/json" and (body or kind):
        raise Problem(
            415,
            "send application/cloudevents+json, application/cloudevents-batch+json, "
            "or application/json with the event's attributes in ce- headers",
        )
    try:
        events = from_http(request.headers, body)
    except UnsupportedFormat as error:
        raise Problem(415, error.reason) from None
    except MalformedEvent as error:
        raise Problem(400, str(error), errors=[(error.pointer, error.reason)]) from None
    if len(events) > MAX_EVENTS:
        raise Problem(413, f"a batch has at most {MAX_EVENTS} events, this one has {len(events)}")
    return events, enveloped and "batch" in kind
