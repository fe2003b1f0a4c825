"""What the HTTP side of every service has: problems, health, sign-in, roles, request lines."""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qs, quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.keys import Key, Keys, Role, Sessions, vouched_for
from rapport.runtime.layers import Bounded, Heads, methods_at
from rapport.runtime.mongo import MongoError, is_transient
from rapport.runtime.openapi import SIGN_IN, describe
from rapport.runtime.pages import SAFE_HEADERS, here_or_home, sign_in_page
from rapport.runtime.problem import Problem, not_as_described, our_fault
from rapport.runtime.publisher import NotAcknowledged
from rapport.runtime.shortcut import Application, field

log = telemetry.logger()

COOKIE = "rapport_session"
_SESSION_SECONDS = 12 * 3600
_MOST_LOGIN_BYTES = 10_000
_HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
_QUIET = _HEALTH | {"/v1/events", "/v1/sources"}
"""What is asked for all the time, by machines: no line in the log for each."""
_OPENING = re.compile(r"\A/([asu])/.+", re.DOTALL)
"""Pages that links in messages open: whoever has such a path needs no key, so it is no more for the log than one."""
_SOON = {"Retry-After": "2"}

Ready = Callable[[], Awaitable[Mapping[str, str]]]
"""Answers what is wrong: nothing when ready."""


class Auth:
    """Who is calling, and whether they may."""

    def __init__(self, keys: Keys, sessions: Sessions, clock: Clock, user_header: str | None) -> None:
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._user_header = user_header

    def key_of(self, request: Request) -> Key | None:
        """The caller's key from the bearer token, the session cookie or a trusted proxy's header."""
        scheme, _, token = (field(request, b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return self._keys.find(token.strip())
        if not _same_origin(request):
            return None
        if self._user_header and (user := request.headers.get(self._user_header)):
            return vouched_for(user)
        cookie = request.cookies.get(COOKIE)
        return self._sessions.find(cookie, self._seconds()) if cookie else None

    def sign_in(self, secret: str) -> tuple[Key, str] | None:
        key = self._keys.find(secret)
        return (key, self._sessions.issue(key, self._seconds() + _SESSION_SECONDS)) if key else None

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())


def _same_origin(request: Request) -> bool:
    """What a browser sends by itself (a cookie, what a proxy knows) moves nothing on behalf of another site."""
    if request.method in {"GET", "HEAD"}:
        return True
    origin = request.headers.get("origin")
    return origin is None or origin.split("://", 1)[-1] == request.headers.get("host")


def require(role: Role, *, all_teams: bool = False) -> Callable[[Request], Key]:
    """
    A dependency that answers the caller's key, or 401 or 403; a browser is sent to the sign-in page.

    `all_teams` turns away keys that are limited to some, too: for what may be anybody's.
    """

    def check(request: Request) -> Key:
        auth: Auth = request.app.state.auth
        key = auth.key_of(request)
        if key is None:
            if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
                raise _SignInFirst(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            raise Problem(
                401,
                "send `Authorization: Bearer <key>`, or sign in at /login",
                headers={"WWW-Authenticate": 'Bearer realm="rapport"'},
            )
        if not key.may(role):
            raise Problem(403, f"the key {key.name!r} has not the role {role!r}")
        if all_teams and key.teams:
            raise Problem(403, f"the key {key.name!r} is limited to teams, and this may be any team's")
        return key

    check.role = role  # type: ignore[attr-defined]  # read by the OpenAPI document
    return check


class _SignInFirst(Exception):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def create_http(
    name: str,
    *,
    auth: Auth,
    ready: Ready,
    asyncapi: Callable[[], dict[str, Any]],
    notes: Callable[[], dict[str, str]],
) -> Application:
    """
    The application of a service with all that is the same everywhere.

    `notes` is what an operator should know though it keeps nobody from working.
    """
    app = Application(title=f"Rapport {name}", version="1", docs_url=None, redoc_url=None)
    app.state.auth = auth
    app.state.starting = False
    app.add_middleware(Bounded)
    app.add_middleware(Heads)
    app.add_middleware(_NotYet)
    app.add_middleware(_RequestLine, service=name)
    app.around = [_NotYet, partial(_RequestLine, service=name)]
    _add_problems(app)
    _add_health(app, ready, notes, asyncapi)
    _add_sign_in(app, auth)
    app.openapi = describe(app)  # type: ignore[method-assign]
    return app


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(_SignInFirst)
    async def sign_in_first(_: Request, error: _SignInFirst) -> Response:
        return RedirectResponse(f"/login?next={quote(error.path, safe='/')}", status_code=303)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405:  # noqa: PLR2004 - HTTP's own number
            headers["Allow"] = ", ".join(sorted(methods_at(app, request.url.path)))
        return Problem(error.status_code, str(error.detail), headers=headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return not_as_described(request, error).response()

    @app.exception_handler(NotAcknowledged)
    async def not_acknowledged(_: Request, error: NotAcknowledged) -> Response:
        return Problem(503, f"{error}; send again", headers=_SOON).response()

    async def store_error(_: Request, error: Exception) -> Response:
        if not is_transient(error):
            raise error
        return Problem(503, "MongoDB is away; send again", headers=_SOON).response()

    for kind in MongoError:
        app.add_exception_handler(kind, store_error)
    app.add_exception_handler(Exception, _unforeseen)


async def _unforeseen(request: Request, _: Exception) -> Response:
    return our_fault(request).response()


def _add_health(
    app: FastAPI, ready: Ready, notes: Callable[[], dict[str, str]], asyncapi: Callable[[], dict[str, Any]]
) -> None:
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"], responses={503: {"description": "what is wrong, by part"}})
    async def readyz() -> Response:
        """Kafka and MongoDB answer and consuming goes on; else 503 that says what is wrong."""
        wrong = dict(await ready())
        body = {"status": "not ready" if wrong else "ready", "wrong": wrong, "notes": notes()}
        return JSONResponse(body, status_code=503 if wrong else 200)

    @app.get("/metrics", tags=["health"], response_class=Response)
    async def metrics() -> Response:
        """Prometheus figures."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/asyncapi", tags=["health"])
    async def asyncapi_document() -> dict[str, Any]:
        """The AsyncAPI 3 document of the topics this service reads and writes."""
        return asyncapi()


def _add_sign_in(app: FastAPI, auth: Auth) -> None:
    @app.get("/login", tags=["people"], response_class=HTMLResponse)
    async def login_page() -> Response:
        """A form that trades a key for a session."""
        return HTMLResponse(sign_in_page(), headers=SAFE_HEADERS)

    @app.post("/login", tags=["people"], status_code=303, response_class=Response, responses=SIGN_IN)
    async def login(request: Request) -> Response:
        """Trade a key (form field or JSON member `key`) for an HttpOnly, SameSite cookie."""
        body = await request.body()
        form = parse_qs(body[:_MOST_LOGIN_BYTES].decode("utf-8", "replace"))
        is_json = request.headers.get("content-type", "").lower().startswith("application/json")
        secret = _json_key(body) if is_json else form.get("key", [""])[0]
        signed = auth.sign_in(secret)
        if signed is None:
            page = HTMLResponse(sign_in_page("That key is not known here."), status_code=401, headers=SAFE_HEADERS)
            return Problem(401, "no such key").response() if is_json else page
        response = RedirectResponse(here_or_home(request.query_params.get("next", "/")), status_code=303)
        response.set_cookie(
            COOKIE,
            signed[1],
            max_age=_SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    @app.post("/logout", tags=["people"], status_code=303, response_class=Response)
    async def logout() -> Response:
        """Forget the session cookie."""
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(COOKIE)
        return response


def _json_key(body: bytes) -> str:
    try:
        value = json.loads(body[:_MOST_LOGIN_BYTES])
    except (ValueError, RecursionError):
        raise Problem(400, "the body is no JSON") from None
    return str(value.get("key", "")) if isinstance(value, dict) else ""


class _NotYet:
    """While the service starts, only its health can be asked for; everything else is answered 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["app"].state.starting and scope["path"] not in _HEALTH:
            problem = Problem(503, "the service is starting; /readyz says what it waits for", headers=_SOON)
            await problem.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _RequestLine:
    """One log line and one observation a request; trace context from the caller."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"] if k.startswith(b"trace")]
        trace, tracestate = telemetry.trace_context(headers)
        scope.setdefault("state", {}).update(traceparent=trace, tracestate=tracestate)
        try:
            await self._app(scope, receive, note_status)
        except Exception:
            structlog.contextvars.bind_contextvars(trace=trace[3:35])  # for the line that the server logs next
            raise
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "unknown")
            count, times = _figures(self._service, scope["method"], route, status)
            count.inc()
            times.observe(seconds)
            if route not in _QUIET or status >= 400:  # noqa: PLR2004 - HTTP's own number
                with structlog.contextvars.bound_contextvars(trace=trace[3:35]):
                    taken = round(seconds * 1000, 1)
                    path = _OPENING.sub(r"/\1/…", scope["path"])
                    log.info("request", method=scope["method"], path=path, status=status, ms=taken)


@lru_cache(maxsize=1024)
def _figures(service: str, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return telemetry.REQUESTS.labels(service, method, route, status), telemetry.REQUEST_SECONDS.labels(service, route)
