"""A service put together: MongoDB, Kafka, HTTP and background work, started in order and stopped in reverse."""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from aiokafka.errors import KafkaError

from rapport.decision import Domain, State, Unreadable
from rapport.runtime import asyncapi, telemetry
from rapport.runtime.clock import Clock, SystemClock
from rapport.runtime.cluster import hold_to_cluster
from rapport.runtime.dead_letter import TooManyDeadLetters
from rapport.runtime.followed import Following
from rapport.runtime.forwarding import Forwarder
from rapport.runtime.http import Auth, create_http
from rapport.runtime.interpreter import collect_seldom, take_turns_soon
from rapport.runtime.kafka import Reader, ensure_topics, make_broker
from rapport.runtime.keys import Keys, Sessions
from rapport.runtime.lanes import Lanes
from rapport.runtime.mongo import MongoError, connect, hold_to_transactions
from rapport.runtime.mongo_health import MongoHealth
from rapport.runtime.patience import Patience
from rapport.runtime.processor import Processor, WrongCluster
from rapport.runtime.progress import Progress
from rapport.runtime.publisher import NotAcknowledged, Publisher
from rapport.runtime.retention import Over, forget_for_ever
from rapport.runtime.server import Server
from rapport.runtime.settings import Misconfigured, Settings, load, refuse
from rapport.runtime.store import Store
from rapport.runtime.subscribing import OnBatch
from rapport.runtime.sweep import publish_left_overs_for_ever, sweep_for_ever

log = telemetry.logger()

_PING_SECONDS: Final = 2.0
_WATCH_EVERY: Final = 5.0
_FINISH_SECONDS: Final = 3.0
_STOP_SECONDS: Final = 20.0

Background = Callable[[], Awaitable[None]]


class Stuck(Exception):
    """Records wait, Kafka and MongoDB answer, and still nothing has moved for too long."""


class Service:
    """
    What `create_app` puts together and `run` runs.

    `http` is the FastAPI application, `store` makes the store of declared kinds,
    `consume` subscribes a processor, `background` and `on_start` add work.
    """

    def __init__(self, name: str, settings: Settings, clock: Clock | None = None) -> None:
        self.name = name
        telemetry.speak_as(name)
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.patiently = Patience(name, self.clock)
        self.client = connect(settings.mongodb_uri)
        self.database = self.client[settings.database_prefix + name.replace("-", "_")]
        self._mongo = MongoHealth(name, self.database, self.clock)
        self.publisher = Publisher(
            settings.kafka_bootstrap_servers, client_id=f"rapport-{name}", topic_prefix=settings.topic_prefix
        )
        self.broker = make_broker(settings, name)
        self.keys = Keys(settings.keys_file)
        secret = settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(32)
        auth = Auth(self.keys, Sessions(self.keys, secret), self.clock, settings.user_header)
        self.http = create_http(name, auth=auth, ready=self.wrong, notes=self._notes, asyncapi=self._asyncapi)
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.url = ""
        self.starting = True
        self._receives: list[str] = []
        self._sends: list[str] = []
        self._stores: list[Store] = []
        self._readers: list[Reader] = []
        self._progress = Progress()
        self._lanes: list[Lanes] = []
        self._backgrounds: list[Background] = []
        self._starts: list[Background] = []
        self._stops: list[Background] = []
        self._followed: list[Following] = []
        self.follow(Following("keys", self.keys, telemetry.KEYS_WRONG.labels(name)))

    # --- putting together -----------------------------------------------------------

    def store(self, *kinds: type[State], editions: Container[str] = ()) -> Store:
        """Collections named in `editions` have several, of which one stands."""
        store = Store(self.client, self.database, kinds, editions)
        self._stores.append(store)
        return store

    def consume(self, domain: Domain, *, topics: Sequence[str], store: Store, sends: Sequence[str]) -> Processor:
        """Feed these topics through the domain, sweep its states, publish its events to `sends`."""
        processor = Processor(
            self.name,
            domain,
            store,
            self.publisher,
            self.clock,
            backfill_quiet=self.settings.backfill_quiet,
            dead_letter_share=self.settings.dead_letter_share,
        )
        reader = Reader(self.broker, self.settings, self.name, topics, processor, store, self.fail)
        processor.horizons = reader.horizons
        lanes = Lanes(processor.process, at_once=self.settings.batch_records, fail=self.fail)
        reader.attach(lanes.feed)
        self._lanes.append(lanes)
        self._readers.append(reader)
        self._progress.watch(reader)
        self._receives += topics
        self._sends += sends
        self.background(lambda: sweep_for_ever(processor, reader, self.clock))
        self.background(lambda: publish_left_overs_for_ever(processor))
        self.background(reader.commit_for_ever)
        return processor

    def forward(self, topic: str, on_batch: OnBatch, *, sends: Sequence[str] = ()) -> None:
        """Hand batches of a topic to a handler that keeps no state; at least once, by Kafka's own offsets."""
        self._progress.watch(Forwarder(self.broker, self.settings, self.name, topic, on_batch, self.fail, self.clock))
        self._receives.append(topic)
        self._sends += sends

    def forget(self, store: Store, *overs: Over) -> None:
        """Delete these states when their time has passed."""
        self.background(lambda: forget_for_ever(self.name, store, overs, self.clock))

    def follow(self, file: Following) -> None:
        """Have a changed file in force within seconds (SIGHUP: at once); `/readyz` notes what is wrong with it."""
        self._followed.append(file)
        self.background(lambda: file.for_ever(self.clock))

    def look_at_files(self) -> None:
        for file in self._followed:
            file.look()

    def background(self, work: Background) -> None:
        """Run beside everything else until the stop; an error in it ends the service."""
        self._backgrounds.append(work)

    def on_start(self, work: Background) -> None:
        """Run once, when MongoDB answers and before anything is consumed."""
        self._starts.append(work)

    def on_stop(self, work: Background) -> None:
        """Run once at the end, when nothing is answered or consumed any longer; for a few seconds at most."""
        self._stops.append(work)

    def fail(self, error: BaseException) -> None:
        """End the service; the first error is the one that is told."""
        if not self.failed.done():
            self.failed.set_result(error)

    # --- running --------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """
        Everything started; at the end stopped in reverse: no new records, batch finished, group left.

        HTTP is served as soon as MongoDB and Kafka answer: after a crash, Kafka lets a member into its group only
        when the session of its former life is over, and nobody who sends shall wait for that.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.client.close)
            stack.push_async_callback(self.publisher.stop)
            stack.push_async_callback(self._finish)
            self.http.state.starting = True
            await self._listen(stack)
            await self.patiently("MongoDB and Kafka", self._prepare)
            for lanes in self._lanes:
                stack.push_async_callback(lanes.stop)
            stack.push_async_callback(self.broker.stop)
            tasks = [asyncio.create_task(self._guard(work)) for work in (*self._backgrounds, self._watch)]
            stack.push_async_callback(_cancel, tasks)
            self.http.state.starting = False
            log.info("ready", service=self.name, url=self.url)
            await self.patiently("Kafka", self.broker.start)
            self.starting = False
            yield self

    async def _prepare(self) -> None:
        await hold_to_transactions(self.client)
        for store in self._stores:
            await store.prepare(self.settings.partitions)
        for work in self._starts:
            await work()
        await hold_to_cluster(self.database, self.settings.kafka_bootstrap_servers)
        await ensure_topics(self.settings)
        await self.publisher.start()

    async def _finish(self) -> None:
        for work in self._stops:
            try:
                async with asyncio.timeout(_FINISH_SECONDS):
                    await work()
            except (TimeoutError, *MongoError) as error:
                log.warning("could not finish", service=self.name, error=type(error).__name__)

    async def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        server = Server(self.http, self.settings.host, self.settings.port, self.clock)
        await server.begin()
        stack.push_async_callback(server.end)
        self.url = server.url

    async def _guard(self, work: Background) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - told by `run`, with its traceback
            self.fail(error)

    # --- health ---------------------------------------------------------------------

    async def wrong(self) -> Mapping[str, str]:
        """What keeps this replica from its work, by part; empty when nothing does."""
        found: dict[str, str] = {}
        if why := await self._mongo.wrong():
            found["mongodb"] = why
        try:
            await asyncio.wait_for(self.publisher.ping(), _PING_SECONDS)
        except (TimeoutError, NotAcknowledged, KafkaError) as error:
            found["kafka"] = f"does not answer: {type(error).__name__}"
        idle = self._progress.idle(self.clock.now())
        if not found and idle > self.settings.stuck_after / 2:
            found["consumer"] = f"records wait, but nothing has moved for {idle.total_seconds():.0f} s"
        if self.http.state.starting and not found:
            found["service"] = "starting"
        if self.failed.done():
            found["service"] = str(self.failed.result())
        return found

    def horizons(self) -> dict[int, datetime]:
        """Up to which instant each partition that this replica owns has been read, by all its readers."""
        now = self.clock.now()
        found: dict[int, datetime] = {}
        for reader in self._readers:
            for partition, horizon in reader.horizons(now).items():
                found[partition] = min(horizon, found.get(partition, horizon))
        return found

    async def _watch(self) -> None:
        """End the process when it is stuck; the supervisor starts it anew."""
        while True:
            await self.clock.sleep(_WATCH_EVERY)
            await self._progress.look(self.clock.now())
            await self._mongo.try_a_write()
            if set(await self.wrong()) - {"consumer"}:
                self._progress.forgive()
            idle = self._progress.idle(self.clock.now())
            if idle > self.settings.stuck_after:
                raise Stuck(f"no progress for {idle.total_seconds():.0f} s despite lag")

    def _notes(self) -> dict[str, str]:
        joining = {"consumer": "joining its group"} if self.starting else {}
        clock = {"clock": self._mongo.note} if self._mongo.note else {}
        return joining | clock | {file.name: file.note for file in self._followed if file.note}

    def _asyncapi(self) -> dict[str, Any]:
        return asyncapi.document(
            self.name,
            receives=self._receives,
            sends=self._sends,
            server=self.settings.kafka_bootstrap_servers,
            partitions=self.settings.partitions,
            prefix=self.settings.topic_prefix,
        )


async def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Return when all have ended; a library may swallow a cancellation, so it is said again."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)


S = TypeVar("S", bound=Settings)


def run(create_app: Callable[[S], Service], kind: type[S]) -> None:
    """Run a service until SIGTERM or SIGINT; the exit status is 2 for a wrong setting, 1 for a failure."""
    settings = load(kind)
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        raise SystemExit(runner.run(_run(create_app, settings)))


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop that services run on; None for Python's own."""
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return,unused-ignore]


async def _run(create_app: Callable[[S], Service], settings: S) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        telemetry.configure(settings.log_level)
        service = create_app(settings)
        collect_seldom()
        take_turns_soon()
        loop.add_signal_handler(signal.SIGHUP, service.look_at_files)
        return await _until(service, stopped)
    except Misconfigured as error:
        refuse(str(error))


async def _until(service: Service, stopped: asyncio.Event) -> int:
    """Run until told to stop or failed; past 20 s of stopping, go without waiting any longer."""
    stopping = asyncio.create_task(stopped.wait())
    body = asyncio.create_task(_body(service, stopping))
    ends: set[asyncio.Future[Any]] = {stopping, body, service.failed}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    error = service.failed.result() if service.failed.done() else None
    if service.starting:
        body.cancel()
    done, _ = await asyncio.wait({body}, timeout=_STOP_SECONDS)
    if error is not None:
        expected = isinstance(error, Misconfigured | TooManyDeadLetters | Unreadable | WrongCluster | Stuck)
        log.error("failed", error=str(error), exc_info=None if expected else error)
    if not done:
        log.error("not stopped in time; going all the same", seconds=_STOP_SECONDS)
    elif not body.cancelled():
        body.result()
    return 0 if done and error is None else 1


async def _body(service: Service, stopping: "asyncio.Task[Any]") -> None:
    async with service.running():
        await asyncio.wait({stopping, service.failed}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
