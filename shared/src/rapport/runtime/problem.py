"""Errors as RFC 9457 problem details, and the fields that are wrong."""

from collections.abc import Iterable, Mapping
from typing import Any

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
