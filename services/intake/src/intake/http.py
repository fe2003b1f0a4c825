"""`POST /v1/events`: what other systems send, in any of CloudEvents' three modes."""

from fastapi import APIRouter
from rapport.cloudevents import MalformedEvent
from rapport.cloudevents.media import in_header
from rapport.runtime.clock import Clock
from rapport.runtime.http import Auth
from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem
from rapport.runtime.shortcut import Bare
from starlette.requests import Request
from starlette.responses import Response

from intake.answers import answer
from intake.body import limit_of, read
from intake.customers import Customers
from intake.domain import Caller
from intake.gate import Gate
from intake.load import Load
from intake.openapi import POST_EVENTS
from intake.reading import events_in, not_an_event, trace_of
from intake.turns import Turns


def routes(gate: Gate, customers: Customers, load: Load, clock: Clock) -> APIRouter:
    turns = Turns()
    router = APIRouter(route_class=Bare, tags=["events"])

    @router.post("/v1/events", status_code=202, **POST_EVENTS)
    async def post_events(request: Request) -> Response:
        """Take in one event or a batch. A 2xx means stored; anything else means: send again."""
        now = clock.now()
        key = _sender(request)
        load.check(key, now)
        content_type = _content_type(request)
        with load.share(key) as share:
            body = await read(request, share, limit_of(content_type))
            events, batch = events_in(request.headers, content_type, body)
            load.count(key, len(events), now)
            await turns.take(key.name, len(events))
            if key.resolve_customers:
                events = await customers.resolve(events)
            verdicts = await gate.take_in(events, _caller(key), clock.now(), trace_of(request))
            if key.resolve_customers or key.may("admin"):
                await customers.note(verdicts)
            else:
                customers.overhear(verdicts)
        response = answer(verdicts, batch=batch)
        if told := load.told(key, now):
            response.headers.update(told)
        return response

    return router


def _content_type(request: Request) -> str:
    """What the body is said to be; 400 where that is said twice."""
    types = [value for name, value in request.scope["headers"] if name == b"content-type"]
    if len(types) > 1:
        raise not_an_event(MalformedEvent("/datacontenttype", "appears twice"))
    return in_header(types[0].decode("latin-1")) if types else ""


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
