"""Where a local platform's mails go: a small SMTP server that keeps them as files and sends nothing on."""

import itertools
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller

from devkit.stack.ports import HOST, free_port


class MailSink:
    """Takes every mail and writes it to `folder` as a numbered .eml file; a context manager that ends it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        taken = [int(path.stem) for path in folder.glob("*.eml") if path.stem.isdecimal()]
        self._numbers = itertools.count(max(taken, default=0) + 1)
        self._lock = threading.Lock()
        self._port = free_port()
        self._controller = Controller(self, hostname=HOST, port=self._port)

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self._port}"

    @property
    def mails(self) -> list[Path]:
        """What has come so far, oldest first."""
        return sorted(self.folder.glob("*.eml"))

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        with self._lock:
            path = self.folder / f"{next(self._numbers):06d}.eml"
        scratch = path.with_suffix(".new")
        to = ", ".join(envelope.rcpt_tos)
        scratch.write_bytes(f"X-Envelope-To: {to}\r\n".encode() + (envelope.original_content or b""))
        scratch.replace(path)
        return "250 Kept"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._controller.stop()
