"""A receiver of messages: a real HTTP server that keeps what it is sent, and can be told to fail."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What one POST brought."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.content)
        return decoded


@dataclass
class Receiver:
    """`url` is its address; `statuses` are answered in turn, then 200; `held` makes it never answer."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    held: threading.Event | None = None
    seen: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)

    @property
    def address(self) -> str:
        """As a policy writes it."""
        return f"webhook:{self.url}"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One receiver on a free port of this machine."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, content)
            made.seen.append(request)
            if made.held:
                made.held.wait(30)
            status = made.statuses.pop(0) if made.statuses else 200
            if status < 300:
                made.taken.append(request)
            self.send_response(status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with _serving(Handler) as address:
        made.url = f"{address}/hook"
        try:
            yield made
        finally:
            if made.held:
                made.held.set()


@dataclass
class Answering:
    """`url` is where it is; `asked` are the paths that were asked for."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def answering(body: Any) -> Iterator[Answering]:
    """Answers every GET with that JSON; with None it never answers."""
    made, over = Answering(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            if body is None:
                over.wait(60)
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with _serving(Handler) as made.url:
        try:
            yield made
        finally:
            over.set()


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
