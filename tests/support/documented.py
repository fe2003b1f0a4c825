"""The law of what is answered: nothing but what the service's own OpenAPI document says it answers."""

from typing import Any, Final

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from rapport.runtime.openapi import routes_of

_OF_ANY_REQUEST: Final = {405, 408, 413, 414, 431, 500}
"""What is answered before a route is found, or by mistake."""


def as_documented(app: FastAPI) -> dict[str, Any]:
    """Hooks for a client of httpx: they fail the test that gets an answer of which the document says nothing."""

    async def judge(response: httpx.Response) -> None:
        said = _answers(app, response.request.method, response.request.url.path)
        if said is None or response.status_code in _OF_ANY_REQUEST:
            return
        asked = f"{response.request.method} {response.request.url.path}"
        assert str(response.status_code) in said, (
            f"{asked} was answered {response.status_code}: only {sorted(said)} are"
        )
        kinds = said[str(response.status_code)].get("content", {})
        kind = response.headers.get("content-type", "").partition(";")[0]
        assert not kind or not kinds or kind in kinds, f"{asked} was answered with {kind}: only {sorted(kinds)} are"

    return {"response": [judge]}


def _answers(app: FastAPI, method: str, path: str) -> dict[str, Any] | None:
    """What the document says is answered there; None where it says nothing of it."""
    route = next((one for one in routes_of(app.routes) if _serves(one, method, path)), None)
    if not isinstance(route, APIRoute) or not route.include_in_schema:
        return None
    of_path = app.openapi()["paths"][route.path_format]
    answers: dict[str, Any] = (of_path.get(method.lower()) or of_path["get"])["responses"]
    return answers


def _serves(route: Any, method: str, path: str) -> bool:
    methods = route.methods or set()
    served = method in methods or (method == "HEAD" and "GET" in methods)
    return bool(served and route.path_regex.match(path))
