"""
A real Kafka and MongoDB for tests, from the first of these that is there.

1. KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI, when both are set.
2. Containers, where Docker answers and has the images.
3. devkit's local stack, ephemeral.

One for a whole run: under xdist the controller has it, and its workers ask for it.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from devkit.stack import local_stack
from devkit.stack.ports import free_port

_DOCKER_SECONDS = 5
_MONGO = "mongo:8.0"
_KAFKA = "apache/kafka:4.3.1"
_PRIMARY = (
    "try { rs.status() } catch (e) { rs.initiate() };"
    " let left = 100; while (!db.hello().isWritablePrimary && left--) sleep(100);"
    " quit(db.hello().isWritablePrimary ? 0 : 1)"
)


@dataclass(frozen=True)
class Addresses:
    """Where tests find Kafka ("host:port") and MongoDB (a connection string)."""

    kafka: str
    mongodb: str


def unique(stem: str) -> str:
    """A name that no other test and no other run uses: for topics, databases, groups."""
    return f"{stem}-{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def real_stack() -> Iterator[Addresses]:
    kafka, mongodb = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("MONGODB_URI")
    if kafka and mongodb:
        yield Addresses(kafka, mongodb)
    elif _docker_answers() and all(map(_have_image, (_MONGO, _KAFKA))):
        with _containers() as addresses:
            yield addresses
    else:
        with local_stack(ephemeral=True) as stack:
            yield Addresses(stack.kafka, stack.mongodb)


class SharedStack:
    """
    The stack of this run: started when first asked for, stopped by `close`.

    `door` is a socket at which other processes get its addresses, as JSON; a
    stack that can't be had is told there in the same way.
    """

    def __init__(self) -> None:
        self._opened = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._addresses: Addresses | None = None
        self._listener: socket.socket | None = None

    def addresses(self) -> Addresses:
        with self._lock:
            if self._addresses is None:
                self._addresses = self._opened.enter_context(real_stack())
            return self._addresses

    def door(self) -> str:
        """The path of the socket; opened when first asked for."""
        if self._listener is None:
            folder = Path(tempfile.mkdtemp(prefix="tests-"))
            self._opened.callback(shutil.rmtree, folder, ignore_errors=True)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(folder / "stack"))
            self._listener.listen()
            threading.Thread(target=self._answer, args=(self._listener,), daemon=True).start()
        return str(self._listener.getsockname())

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            self._opened.close()

    def _answer(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                asker, _ = listener.accept()
                with asker:
                    asker.sendall(self._answer_text().encode())

    def _answer_text(self) -> str:
        try:
            return json.dumps(asdict(self.addresses()))
        except Exception as why:  # noqa: BLE001 - told to the worker that asked, which fails with it
            return json.dumps({"error": f"{type(why).__name__}: {why}"})


def ask_at(door: str) -> Addresses:
    """The addresses that the process behind `door` gives."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(door)
        with asking.makefile() as answer:
            told = json.load(answer)
    if "error" in told:
        raise RuntimeError(told["error"])
    return Addresses(**told)


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return (
            subprocess.run([docker, "info"], capture_output=True, timeout=_DOCKER_SECONDS, check=False).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _have_image(name: str) -> bool:
    """Whether that image is here or can be fetched; said where it can't."""
    look, fetch = ["docker", "image", "inspect", name], ["docker", "pull", "--quiet", name]
    if any(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in (look, fetch)):
        return True
    sys.stderr.write(f"\ndocker answers, but has no image {name}: a local stack instead\n")
    return False


@contextlib.contextmanager
def _containers() -> Iterator[Addresses]:
    # read when testcontainers is imported; its reaper's image is not to be had everywhere
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import ExecWaitStrategy, LogMessageWaitStrategy  # noqa: PLC0415

    mongodb = (
        DockerContainer(_MONGO)
        .with_command("--replSet rs0 --bind_ip_all --wiredTigerCacheSizeGB 0.5")
        .with_exposed_ports(27017)
        .waiting_for(ExecWaitStrategy(["mongosh", "--quiet", "--eval", _PRIMARY]))
    )
    port = free_port()
    kafka = DockerContainer(_KAFKA).with_bind_ports(9092, port)
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": "PLAINTEXT://:9092,BROKER://:9094,CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port},BROKER://localhost:9094",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "INTER_BROKER_LISTENER_NAME": "BROKER",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "MESSAGE_MAX_BYTES": "2162688",
        "REPLICA_FETCH_MAX_BYTES": "2162688",
    }
    for name, value in settings.items():
        kafka = kafka.with_env(f"KAFKA_{name}", value)
    kafka = kafka.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    with mongodb, kafka:
        host, exposed = mongodb.get_container_host_ip(), mongodb.get_exposed_port(27017)
        yield Addresses(f"localhost:{port}", f"mongodb://{host}:{exposed}/?directConnection=true&replicaSet=rs0")
