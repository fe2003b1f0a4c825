"""Errors as RFC 9457 problem details, and the fields that are wrong."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

_TITLES = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Media type not supported",
    422: "Violates the contract",
    429: "Too many requests",
    500: "Our fault",
    503: "Not available now",
}


class Problem(Exception):
    """An answer that says what is wrong. `errors` are (JSON pointer, reason) pairs."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.title = title or _TITLES.get(status, "Error")
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"pointer": pointer, "reason": reason} for pointer, reason in self.errors]
        return body

    def response(self) -> JSONResponse:
        return JSONResponse(
            self.body(), status_code=self.status, media_type="application/problem+json", headers=self.headers
        )


def our_fault(request: Request) -> Problem:
    """What is answered to a request on which something went wrong that nobody foresaw."""
    trace: str = getattr(request.state, "traceparent", "")
    return Problem(
        500, f"this is our fault; the log has it under trace {trace[3:35]}" if trace else "this is our fault"
    )


def not_as_described(request: Request, error: RequestValidationError) -> Problem:
    """What is wrong with the parameters or the body: 400 for what is no JSON, 415 for what was not sent as such."""
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        return Problem(400, f"the body is no JSON: {found[0]['ctx']['error']}", errors=[("/body", "is no JSON")])
    if isinstance(error.body, bytes) and found[0]["loc"] == ("body",):
        stated = request.headers.get("content-type", "nothing")
        return Problem(415, f"the body must be sent as application/json, not as {stated}")
    return _violations(found)


def wrong_body(error: ValidationError) -> Problem:
    """What is wrong with a body that was read by a model of ours; pointers begin in it."""
    return _violations(error.errors(include_url=False, include_input=False))


def _violations(found: Sequence[Any]) -> Problem:
    errors = [(_pointer(item["loc"]), item["msg"].removeprefix("Value error, ")) for item in found]
    return Problem(422, "; ".join(f"{pointer}: {reason}" for pointer, reason in errors), errors=errors)


def _pointer(steps: Iterable[str | int]) -> str:
    """By RFC 6901, from where the request's parts are: `/body/rate`, `/query/limit`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
