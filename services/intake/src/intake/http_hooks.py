"""`POST /v1/hooks/{connector}`: the webhooks of other products, as they send them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from pydantic_core import to_json
from rapport.mapping import Reading, read_payload
from rapport.runtime.clock import Clock
from rapport.runtime.dead_letter import dead_letter
from rapport.runtime.http import Auth
from rapport.runtime.keys import Key, Keys
from rapport.runtime.problem import Problem
from rapport.runtime.publisher import Outgoing
from rapport.runtime.shortcut import Bare, field
from starlette.requests import Request
from starlette.responses import Response

from intake import telemetry
from intake.answers import answer
from intake.body import read
from intake.connectors import Hook, Hooks, WrongSignature, check
from intake.customers import Customers
from intake.domain import Accepted, Caller, Door, Refused
from intake.gate import Gate, Publishes
from intake.hooked import as_events, kept_headers, parted, whose
from intake.letters import HOOKS
from intake.load import Load
from intake.openapi_hooks import HEAD_HOOK, POST_HOOK
from intake.reading import trace_of
from intake.records import SERVICE, Posted, Verdict

MAX_PAYLOAD: Final = 1 << 20
"""Bytes that a webhook's body may have."""

_NAMED: Final = "/{connector}"
_MOST_EVENTS: Final = 1000
_BY_SIGNATURE: Final = Caller(("*",), emit=True, admin=False)


def routes(
    hooks: Hooks,
    gate: Gate,
    customers: Customers,
    publisher: Publishes,
    load: Load,
    keys: Keys,
    clock: Clock,
    *,
    live_window: timedelta,
    answer_within: float,
) -> APIRouter:
    router = APIRouter(route_class=Bare, prefix="/v1/hooks", tags=["hooks"])

    @router.head(_NAMED, response_class=Response, **HEAD_HOOK)
    async def head_hook(request: Request) -> Response:
        """Whether there is such a hook; some products ask before they send."""
        _hook(hooks, request)
        return Response(status_code=200)

    @router.post(_NAMED, status_code=202, **POST_HOOK)
    async def post_hook(request: Request) -> Response:
        """Take in what another product's webhook sends. A 2xx means stored, or of a kind that is not meant for us."""
        hook = _hook(hooks, request)
        now = clock.now()
        known = _key_of(request, keys)
        if known is None and not hook.signed:
            raise _unknown(hook, "has no API key")
        key = known or hook.key
        with load.share(key) as share:
            body = await read(request, share, MAX_PAYLOAD)
            if known is None:
                _check_signature(hook, request, body, now)
            load.check(key, now)
            reading = _reading(hook, request, body, now)
            events, unsound = as_events(reading)
            load.count(key, len(events), now)
            async with _in_time(answer_within):
                came = await customers.resolve(events) if key.resolve_customers else events
                sound, violating = parted(came, Door(_caller(known), now, live_window))
                refused = [*unsound, *violating]
                if refused:
                    letter = _letter(hook, request, body, refused[0], whose(came, reading), now)
                    await publisher.publish([letter], within=answer_within)
                verdicts = await gate.take_in(sound, _caller(known), now, trace_of(request))
                if key.resolve_customers:
                    await customers.note(verdicts)
                else:
                    customers.overhear(verdicts)
        response = _answer(hook, [*verdicts, *refused])
        response.headers.update(load.told(key, now))
        return response

    return router


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    """503 where it takes longer, in all: products give up after five seconds and say that we are down."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        detail = f"this could not be stored within {seconds:g} s; send again"
        raise Problem(503, detail, headers={"Retry-After": "2"}) from None


def _hook(hooks: Hooks, request: Request) -> Hook:
    name = request.path_params["connector"]
    hook = hooks.find(name)
    if hook is None:
        raise Problem(404, "there is no hook of this name: intake's hooks file and `rapport connector list` name them")
    return hook


def _key_of(request: Request, keys: Keys) -> Key | None:
    """
    The caller's API key: as bearer, or as the password or user name of HTTP's basic scheme.

    Products that can't send a header of one's choice can mostly do the latter,
    be it by writing `https://key@host/…` as the address.
    """
    scheme, _, token = (field(request, b"authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        key = next((key for secret in _basic(token) if secret and (key := keys.find(secret))), None)
    else:
        auth: Auth = request.app.state.auth
        key = auth.key_of(request)
    if key is not None and not key.may("emit") and not key.may("admin"):
        raise Problem(403, f"the key {key.name!r} has not the role 'emit'")
    return key


def _basic(token: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return password, user


def _check_signature(hook: Hook, request: Request, body: bytes, now: datetime) -> None:
    if hook.mapping.signature is None:
        raise _unknown(hook, "has no API key")
    secrets = [secret.get_secret_value() for secret in hook.secrets]
    try:
        check(hook.mapping.signature, secrets, request.headers, body, now=now, window=hook.window)
    except WrongSignature as error:
        raise _unknown(hook, str(error)) from None


def _unknown(hook: Hook, why: str) -> Problem:
    telemetry.HOOKS.labels(hook.name, "unauthorized").inc()
    hint = "or let the product sign with a secret of the hooks file" if hook.mapping.signature else "or as basic auth"
    return Problem(
        401,
        f"the request {why}: send `Authorization: Bearer <key>`, {hint}",
        headers={"WWW-Authenticate": 'Bearer realm="rapport"'},
    )


def _caller(key: Key | None) -> Caller:
    return _BY_SIGNATURE if key is None else Caller(key.sources, emit=key.may("emit"), admin=False)


def _reading(hook: Hook, request: Request, body: bytes, now: datetime) -> Reading:
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise Problem(415, "send application/json")
    try:
        reading = read_payload(body, hook.mapping, now, request.headers)
    except ValueError as error:
        raise Problem(400, f"the body is no payload: {error}", errors=[("", str(error))]) from None
    if len(reading.events) > _MOST_EVENTS:
        raise Problem(413, f"a payload makes at most {_MOST_EVENTS} events, this one would make {len(reading.events)}")
    return reading


def _letter(hook: Hook, request: Request, body: bytes, refused: Refused, customer_id: str, now: datetime) -> Outgoing:
    """The payload, whole, with the first thing wrong with what comes of it, its source, and as key whom it is about."""
    key = customer_id.encode() or None
    headers = (("ce_source", hook.mapping.source.encode()), *kept_headers(hook, request.headers))
    posted = Posted(body, key, headers, HOOKS + hook.name)
    fault = refused.lasting
    return dead_letter(posted, service=SERVICE, pointer=fault.pointer, reason=fault.reason, now=now)


def _answer(hook: Hook, verdicts: list[Verdict]) -> Response:
    if not verdicts:
        telemetry.HOOKS.labels(hook.name, "ignored").inc()
        ignored: dict[str, Any] = {"accepted": 0, "results": [], "ignored": "the mapping has no rule for this kind"}
        return Response(to_json(ignored), media_type="application/json")
    for verdict in verdicts:
        telemetry.HOOKS.labels(hook.name, "accepted" if isinstance(verdict, Accepted) else verdict.refusal).inc()
    return answer(verdicts, batch=len(verdicts) > 1)
