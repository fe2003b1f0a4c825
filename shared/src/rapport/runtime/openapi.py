"""What is the same in every service's OpenAPI document: who may call, how errors look, who is asked."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

PROBLEM: Final = "#/components/schemas/Problem"

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details; `errors` says what is wrong where.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "reason"],
                "properties": {"pointer": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key of the keys file"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rapport_session",
        "description": "for people, from POST /login",
    },
}
_TITLES: Final = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    408: "Too slow",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    414: "Request-URI Too Long",
    415: "Media type not supported",
    422: "Violates the contract",
    429: "Too many requests",
    431: "Request Header Fields Too Large",
    503: "Not available now",
}
_TAGS: Final = {
    "health": "Alive, ready, figures, documents.",
    "people": "Sign in and out.",
    "events": "What other systems send.",
    "hooks": "What other products' webhooks send.",
    "dead letters": "What was refused, and another try.",
    "sources": "Who sends, and who has fallen silent.",
}


def problem(status: int, description: str, **errors: str) -> dict[str, Any]:
    """An answer that is a problem, with an example; `errors` are reasons by the name of a field in `data`."""
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": description,
    }
    if errors:
        example["errors"] = [{"pointer": f"/data/{name}", "reason": reason} for name, reason in errors.items()]
    content = {"application/problem+json": {"schema": {"$ref": PROBLEM}, "example": example}}
    return {"description": description, "content": content}


def refusals(why: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Answers that are problems, each with its example, by their status."""
    return {status: problem(status, description) for status, description in why.items()}


BACK: Final[dict[int | str, dict[str, Any]]] = {303: {"description": "done, or refused in words: back to the page"}}
PAGE: Final[dict[str, Any]] = {"content": {"text/html": {"schema": {"type": "string"}}}}
CSV: Final[dict[str, Any]] = {"content": {"text/csv": {"schema": {"type": "string"}}}}


def _beside_a_page(answer: dict[str, Any]) -> dict[str, Any]:
    """The same, where whoever came with a form gets a page instead."""
    return {**answer, "content": {**answer["content"], **PAGE["content"]}}


SIGN_IN: Final[dict[int | str, dict[str, Any]]] = {
    303: {"description": "signed in"},
    400: problem(400, "the body is no JSON"),
    401: _beside_a_page(problem(401, "no such key")),
    413: problem(413, "the body is larger than 4194304 bytes"),
}


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What makes the document of an application, once all its routes are there."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    return openapi


def _complete(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description="Errors are RFC 9457 problem details. Instants are RFC 3339. Lists page by `limit` and `cursor`.",
        routes=app.routes,
        servers=[{"url": "/", "description": "this service"}],
        contact={"name": "whoever operates this Rapport"},
        license_info={"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    schemas.update(getattr(app.state, "schemas", {}))
    components["securitySchemes"] = _SCHEMES
    used: dict[str, None] = {}
    names: set[str] = set()
    for route, operation in _operations(app, document):
        used.update(dict.fromkeys(operation.get("tags", ())))
        _name(route, operation, names)
        _say_who_may(route, operation)
        _say_how_it_fails(operation)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["tags"] = [{"name": name, "description": _TAGS.get(name, name)} for name in used]
    return document


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    for route in routes_of(app.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield route, document["paths"][route.path_format][method.lower()]


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Those of included routers too, in which FastAPI keeps them, and the one that leads to the document."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from routes_of(router.routes)


def _name(route: APIRoute, operation: dict[str, Any], names: set[str]) -> None:
    """By the function; where two functions have one name, by its place too."""
    place = "_".join(re.findall(r"\w+", route.path_format))
    name = route.name if route.name not in names else f"{route.name}_{place}"
    names.add(name)
    operation["operationId"] = name
    operation.setdefault("description", operation["summary"])


def _say_who_may(route: APIRoute, operation: dict[str, Any]) -> None:
    """Which role is needed, as the route's dependency says."""
    role = next(_roles(route.dependant), None)
    if role is None:
        return
    operation["security"] = [{"bearer": []}, {"session": []}]
    operation["description"] = f"{operation['description']}\n\nNeeds the role `{role}`."
    if "text/html" in operation["responses"].get("200", {}).get("content", {}):
        operation["responses"].setdefault("303", {"description": "a browser that is not signed in is led to /login"})
    operation["responses"].setdefault("401", problem(401, "send `Authorization: Bearer <key>`, or sign in at /login"))
    operation["responses"].setdefault("403", problem(403, f"the key 'crm' has not the role '{role}'"))
    operation["responses"].setdefault("414", problem(414, "the address has more than 8192 bytes"))
    operation["responses"].setdefault("503", problem(503, "MongoDB is away; send again"))


def _roles(dependant: Dependant) -> Iterator[str]:
    for needed in dependant.dependencies:
        role = getattr(needed.call, "role", None)
        if role is not None:
            yield role
        yield from _roles(needed)


def _say_how_it_fails(operation: dict[str, Any]) -> None:
    """FastAPI's own form of a refused parameter is not what is answered, and of what is no JSON it says nothing."""
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        operation["responses"].setdefault("400", problem(400, "the body is no JSON"))
        operation["responses"].setdefault("413", problem(413, "the body is larger than 4194304 bytes"))
        operation["responses"].setdefault("415", problem(415, "the body must be sent as application/json"))
    refused = operation["responses"].get("422", {})
    if "HTTPValidationError" in str(refused):
        operation["responses"]["422"] = problem(422, "/query/limit: Input should be greater than or equal to 1")
