"""uvicorn inside of our own event loop, with our own signals."""

import asyncio
import contextlib
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from rapport.runtime.clock import Clock
from rapport.runtime.connection import MOST_CONNECTIONS, Connection
from rapport.runtime.settings import Misconfigured


class Server(uvicorn.Server):
    """Serves an application; `url` is known once it has begun, for port 0 is any that is free."""

    def __init__(self, app: ASGIApp, host: str, port: int, clock: Clock) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            limit_concurrency=MOST_CONNECTIONS,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            timeout_keep_alive=75,
            server_header=False,
        )
        super().__init__(config)
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def begin(self) -> None:
        """Return when it listens; `Misconfigured` where it can't."""
        self._task = asyncio.create_task(self._served())
        self._task.add_done_callback(lambda task: None if task.cancelled() else task.exception())
        while not self.started:
            if self._task.done():
                raise Misconfigured(
                    f"HTTP can't listen on {self.config.host}:{self.config.port}: is the port taken, or not ours?"
                )
            await self._clock.sleep(0.01)

    async def _served(self) -> None:
        with contextlib.suppress(SystemExit):  # what uvicorn ends the process with where it can't listen
            await self.serve()

    async def end(self) -> None:
        self.should_exit = True
        if self._task:
            await self._task

    @property
    def url(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"
