"""Routes that are asked for thousands of times a second, reached without the framework's way through its layers."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rapport.runtime.problem import our_fault


def field(request: Request, name: bytes) -> str | None:
    """A header field as it came; where there is none, Starlette's own way costs an exception that it catches."""
    for other, value in request.scope["headers"]:
        if other == name:
            return str(value, "latin-1")
    return None


class Bare(APIRoute):
    """A route that FastAPI documents, but neither reads the body nor solves dependencies for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


class Application(FastAPI):
    """
    A FastAPI application in which a POST to a `Bare` route takes a short cut.

    Such a route is documented and found like any other, and answered in the same
    way, its errors too; the layers between the server and it are left out, but
    for those in `around`. They cost twice as much as the whole rest of a request.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.around: list[Callable[[ASGIApp], ASGIApp]] = []
        self._short: dict[str, ASGIApp] = {}

    def include_router(self, router: APIRouter, *args: Any, **settings: Any) -> None:
        super().include_router(router, *args, **settings)
        for route in router.routes:
            if isinstance(route, Bare) and route.methods == {"POST"} and not route.param_convertors:
                app: ASGIApp = _Shortcut(self, route)
                for layer in self.around:
                    app = layer(app)
                self._short[route.path] = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._short:
            scope["app"] = self
            await self._short[scope["path"]](scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class _Shortcut:
    """Calls an endpoint, and answers its errors as the application would."""

    def __init__(self, app: FastAPI, route: Bare) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            response = await self._answered(request)
        except Exception:
            await our_fault(request).response()(scope, receive, send)
            raise  # for the server's log
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        try:
            return await self._route.endpoint(request)  # type: ignore[no-any-return]
        except Exception as error:
            kinds = type(error).__mro__[: -len(Exception.__mro__)]
            handler: Any = next(filter(None, map(self._app.exception_handlers.get, kinds)), None)
            if handler is None:
                raise
            return await handler(request, error)  # type: ignore[no-any-return]
