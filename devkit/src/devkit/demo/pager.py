"""Who is on call in the demo: a webhook receiver that notes down what it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from devkit.stack.ports import HOST


class Pager:
    """Listens at a free port; a context manager that ends it. `messages` are by their webhook id: repeats are one."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.repeats = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="pager", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    def _take(self, name: str, body: bytes) -> None:
        with self._lock:
            self.repeats += name in self.messages
            self.messages[name] = json.loads(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                take(self.headers.get("webhook-id", ""), body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Its requests are counted, not logged."""

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
