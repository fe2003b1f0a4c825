"""A server in the shape of PagerDuty: its Events API v2, which refuses what the real one refuses, and its webhooks."""

import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

KEY = "0123456789abcdef0123456789abcdef"
SECRET = "pagerduty's own"

_SEVERITIES = {"critical", "error", "warning", "info"}
_LARGEST = 512 * 1024

Status = Literal["triggered", "acknowledged", "resolved"]


@dataclass
class Incident:
    """What PagerDuty shows people."""

    key: str
    summary: str
    severity: str
    status: Status = "triggered"
    told: int = 1


@dataclass
class PagerDuty:
    """
    `statuses` are answered in turn instead of taking anything; `events` are all that were taken.

    Where `at_once` is given it takes so many, answers the next 429, and takes as many again.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    opened: list[Incident] = field(default_factory=list)
    at_once: int = 0
    taken: int = 0

    @property
    def address(self) -> str:
        """As a policy writes it."""
        return f"pagerduty:{self.url}#key={KEY}"

    def open(self, key: str) -> Incident | None:
        """The incident that stands under that key."""
        return next((one for one in self.opened if one.key == key and one.status != "resolved"), None)

    def take(self, content: bytes) -> tuple[int, dict[str, Any]]:
        """https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and what its answers say."""
        if self.statuses:
            return self.statuses.pop(0), {"status": "error", "message": "as the test wants it"}
        wrong = faults(content)
        if wrong:
            self.refused += wrong
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
        if self.at_once and self.taken >= self.at_once:
            self.taken = 0
            return 429, {"status": "error", "message": "Request Limit Exceeded"}
        event = json.loads(content)
        self.taken += 1
        self.events.append(event)
        self._apply(event)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}

    def _apply(self, event: dict[str, Any]) -> None:
        known = self.open(event["dedup_key"])
        action = event["event_action"]
        if action == "trigger" and known is None:
            payload = event["payload"]
            self.opened.append(Incident(event["dedup_key"], payload["summary"], payload["severity"]))
        elif action == "trigger" and known is not None:
            known.told += 1
        elif known is not None:
            known.status = "acknowledged" if action == "acknowledge" else "resolved"


def faults(content: bytes) -> list[str]:
    """What the real one refuses an event for."""
    if len(content) > _LARGEST:
        return ["the event is larger than 512 KB"]
    try:
        event = json.loads(content)
    except ValueError:
        return ["the body is no JSON"]
    found = []
    if event.get("routing_key") != KEY:
        found.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    action = event.get("event_action")
    if action not in ("trigger", "acknowledge", "resolve"):
        found.append("'event_action' is missing or not a valid type")
    key = event.get("dedup_key", "")
    if len(key) > 255 or (action != "trigger" and not key):
        found.append("'dedup_key' is missing or too long")
    if action == "trigger":
        found += _payload_faults(event.get("payload") or {})
        found += [f"link without href: {link}" for link in event.get("links", []) if not link.get("href")]
    return found


def _payload_faults(payload: dict[str, Any]) -> list[str]:
    found = [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
    if payload.get("severity") not in _SEVERITIES:
        found.append("'payload.severity' is invalid (must be one of: 'critical', 'warning', 'error' or 'info')")
    if len(payload.get("summary", "")) > 1024:
        found.append("'payload.summary' is too long (1024 characters)")
    if "timestamp" in payload:
        try:
            datetime.fromisoformat(payload["timestamp"])
        except ValueError:
            found.append("'payload.timestamp' is no ISO 8601")
    return found


def webhook(kind: str, key: str | None, who: str = "Ada Lovelace", **data: Any) -> tuple[bytes, dict[str, str]]:
    """What PagerDuty tells of an incident, version 3: the body, and the headers with its signature."""
    incident = {
        "id": "PGR0VU2",
        "type": "incident",
        "number": 2,
        "status": "acknowledged",
        "incident_key": key,
        "resolve_reason": None,
        **data,
    }
    return signed(
        {
            "event": {
                "id": "01BBYA7BNDQ5LXBEFQ1F9J6SMO",
                "event_type": kind,
                "resource_type": "incident",
                "occurred_at": "2026-03-02T17:00:00.000Z",
                "agent": {"id": "PLH1HKV", "type": "user_reference", "summary": who},
                "client": None,
                "data": incident,
            }
        }
    )


def signed(body: Any) -> tuple[bytes, dict[str, str]]:
    """As PagerDuty signs it while one secret takes over from another."""
    content = json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), content, "sha256").hexdigest()
    headers = {"x-pagerduty-signature": f"v1={'0' * 64},v1={signature}", "content-type": "application/json"}
    return content, headers


@contextmanager
def pagerduty() -> Iterator[PagerDuty]:
    """One on a free port of this machine."""
    made = PagerDuty()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", "0")))
            status, body = made.take(content)
            answer = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/v2/enqueue"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
