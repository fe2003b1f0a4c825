"""A running metrics service on a real Kafka and MongoDB, fed by records and asked over HTTP."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from metrics.app import create_app
from metrics.settings import MetricsSettings
from rapport.contracts import TOPIC_OF, Data, Event
from rapport.runtime.clock import Clock, SystemClock
from rapport.runtime.publisher import Outgoing
from rapport.runtime.service import Service

from tests.support.documented import as_documented

_PATIENCE = 30.0
KEYS = {"watch": ("watch", ()), "team-a": ("watch", ("a",)), "emit": ("emit", ()), "admin": ("admin", ())}


def keys_file(folder: Path) -> Path:
    """Keys `watch`, `emit`, `admin`, and `team-a`, which may see team a only; each is its own secret."""
    keys = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "roles": [role], "teams": list(teams)}
        for name, (role, teams) in KEYS.items()
    ]
    path = folder / "keys.yaml"
    path.write_text(yaml.safe_dump({"keys": keys}))
    return path


class RunningMetrics:
    def __init__(self, service: Service, http: httpx.AsyncClient) -> None:
        self.service = service
        self.http = http
        self._sent = 0

    async def feed(self, *events: Event[Data]) -> None:
        """Publish events to their topics and wait until all are taken in."""
        records = [Outgoing(TOPIC_OF[one.type], _key(one), _value(one)) for one in events]
        await self.service.publisher.publish(records)
        self._sent += len(records)
        clock = SystemClock()
        deadline = clock.now().timestamp() + _PATIENCE
        while (await self.get("/v1/balance"))["total"]["taken"] < self._sent:
            assert clock.now().timestamp() < deadline, "the events are not taken in"
            await clock.sleep(0.05)

    async def feed_raw(self, kind: str, document: Mapping[str, Any]) -> None:
        """Publish what need not be an event to the topic of a type of event."""
        await self.service.publisher.publish([Outgoing(TOPIC_OF[kind], b"", json.dumps(document).encode())])

    async def eventually(self, path: str, **parameters: Any) -> Any:
        """What is answered once there is something."""
        clock = SystemClock()
        deadline = clock.now().timestamp() + _PATIENCE
        while (await self.ask(path, **parameters)).status_code == 404:
            assert clock.now().timestamp() < deadline, "nothing is there"
            await clock.sleep(0.05)
        return await self.get(path, **parameters)

    async def gone(self, path: str) -> None:
        """Wait until nothing is there any more."""
        clock = SystemClock()
        deadline = clock.now().timestamp() + _PATIENCE
        while (await self.ask(path)).status_code != 404:
            assert clock.now().timestamp() < deadline, "it is still there"
            await clock.sleep(0.05)

    async def get(self, path: str, **parameters: Any) -> Any:
        response = await self.ask(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    async def ask(self, path: str, *, key: str = "watch", **parameters: Any) -> httpx.Response:
        params = {name.rstrip("_"): value for name, value in parameters.items()}
        return await self.http.get(path, params=params, headers={"Authorization": f"Bearer {key}"})

    async def rows(self, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("/v1/report", **parameters))["rows"]
        return found


def _key(one: Event[Data]) -> bytes:
    return str(getattr(one.data, "customer_id", "")).encode()


def _value(one: Event[Data]) -> bytes:
    return one.model_dump_json(exclude_unset=True).encode()


@contextlib.asynccontextmanager
async def running_metrics(
    folder: Path, kafka: str, mongodb: str, name: str, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[RunningMetrics]:
    """`name` is a prefix that nobody else uses."""
    service = create_app(
        MetricsSettings(
            kafka_bootstrap_servers=kafka,
            mongodb_uri=mongodb,
            port=0,
            partitions=3,
            topic_prefix=f"{name}.",
            database_prefix=f"{name}_",
            keys_file=keys_file(folder),
            **settings,
        ),
        clock,
    )
    async with (
        service.running(),
        httpx.AsyncClient(base_url=service.url, timeout=30, event_hooks=as_documented(service.http)) as http,
    ):
        yield RunningMetrics(service, http)
