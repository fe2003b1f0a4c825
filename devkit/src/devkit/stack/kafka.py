"""A real Apache Kafka of one node (KRaft), broker and controller in one process."""

import base64
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from devkit.stack.errors import StackError
from devkit.stack.ports import HOST
from devkit.stack.process import Server

_MIB = 1024 * 1024
_LARGEST_TOPIC_MESSAGE = 2 * _MIB + 64 * 1024
_READY = "Kafka Server started"
_FORMAT_SECONDS = 60

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # the broker's limit is for the largest topic (dead letters); topics say their own
    "message.max.bytes": _LARGEST_TOPIC_MESSAGE,
    "replica.fetch.max.bytes": _LARGEST_TOPIC_MESSAGE,
    "log.segment.bytes": 64 * _MIB,
    "metadata.log.segment.bytes": 16 * _MIB,
    "log.cleaner.dedupe.buffer.size": 32 * _MIB,
    # after a kill -9 the broker is let in again only when its former session has ended
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 3_000,
}


class KafkaServer(Server):
    """
    Kafka with its data in `folder`; the folder is formatted before its first life.

    `java` is the command up to the class to run: the program, its archive of
    classes and the class path. `run_with`: further options of the broker alone.
    """

    def __init__(
        self,
        folder: Path,
        log: Path,
        *,
        java: list[str],
        port: int,
        controller_port: int,
        partitions: int = 6,
        run_with: Sequence[str] = (),
        kept_fds: tuple[int, ...] = (),
    ) -> None:
        super().__init__("Kafka", log, kept_fds=kept_fds)
        self._folder = folder
        self._java = java
        self._port = port
        self._controller_port = controller_port
        self._partitions = partitions
        self._run_with = run_with

    @property
    def address(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def _properties(self) -> Path:
        return self.log.with_name("kafka.properties")

    def _command(self) -> list[str]:
        quiet = [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        ]
        memory = ["-Xmx512m", "-Xms128m"]
        return [self._java[0], *memory, *quiet, *self._run_with, *self._java[1:], "kafka.Kafka", str(self._properties)]

    def _prepare(self) -> None:
        here = f"BROKER://{HOST}:{self._port}"
        own = {
            "listeners": f"{here},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": here,
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "log.dirs": self._folder,
            "num.partitions": self._partitions,
        }
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in {**_SETTINGS, **own}.items()))
        if not (self._folder / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # an id that begins with "-" would be taken for an option
        cluster = "R" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        made = subprocess.run(
            [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)],
            capture_output=True,
            text=True,
            timeout=_FORMAT_SECONDS,
            check=False,
        )
        if made.returncode:
            raise StackError(f"Kafka could not format {self._folder}: {(made.stderr or made.stdout).strip()[-1500:]}")

    def _look_ready(self) -> bool:
        return _READY in self.log_of_this_life()
