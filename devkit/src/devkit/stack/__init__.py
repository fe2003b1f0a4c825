"""
A real Kafka and a real MongoDB on this machine: plain processes, no Docker, no system Java.

    with local_stack(ephemeral=True) as stack:
        stack.kafka, stack.mongodb

Both are gone when the block is left, and also when this process dies in whatever way.
"""

import contextlib
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from devkit.stack.cache import locked
from devkit.stack.data import DataFolder, remove_if_abandoned
from devkit.stack.distribution import KAFKA_VERSION, kafka_java
from devkit.stack.errors import StackError
from devkit.stack.kafka import KafkaServer
from devkit.stack.mongodb import MongoServer
from devkit.stack.ports import wanted_or_free
from devkit.stack.process import Server
from devkit.stack.progress import Say, say

__all__ = [
    "DEFAULT_DATA",
    "KAFKA_VERSION",
    "KafkaServer",
    "MongoServer",
    "Server",
    "Stack",
    "StackError",
    "local_stack",
]

DEFAULT_DATA = Path(".rapport", "stack")


class Stack:
    """
    Two running servers and the folder with their data; a context manager that stops them.

    Safe to use from any thread. `kafka_server` and `mongodb_server` may be
    killed, paused and started again: address and data stay theirs.
    """

    def __init__(self, folder: DataFolder, kafka: KafkaServer, mongodb: MongoServer, *, ephemeral: bool) -> None:
        self._folder = folder
        self._ephemeral = ephemeral
        self.kafka_server = kafka
        self.mongodb_server = mongodb

    @property
    def kafka(self) -> str:
        """Bootstrap servers, "host:port"."""
        return self.kafka_server.address

    @property
    def mongodb(self) -> str:
        """Connection string, of a replica set with one node."""
        return self.mongodb_server.address

    @property
    def data(self) -> Path:
        return self._folder.path

    @property
    def alive(self) -> bool:
        """Whether both servers run."""
        return self.kafka_server.alive and self.mongodb_server.alive

    @classmethod
    def start(
        cls,
        data: Path | None = None,
        *,
        ephemeral: bool = False,
        kafka_port: int | None = None,
        mongodb_port: int | None = None,
        partitions: int = 6,
        said: Say = say,
    ) -> Self:
        """
        Return when both servers serve clients; StackError, with nothing left running, when they can't.

        `data` (by default `.rapport/stack`) survives, unless `ephemeral`: then a folder
        of its own is used and thrown away. Ports that are not given are those of last
        time, else free ones. `partitions` is what a topic gets that does not say.
        """
        if sys.platform != "linux":
            raise StackError("the local stack runs on Linux only: use Docker here")
        if ephemeral and data is not None:
            raise StackError("an ephemeral stack keeps nothing: give it no data folder")
        java = kafka_java(said=said)
        folder = _ephemeral_folder(said) if ephemeral else DataFolder(data or DEFAULT_DATA, said=said)
        with contextlib.ExitStack() as undo:
            undo.callback(_give_back, folder, ephemeral=ephemeral)
            ports = _choose_ports(folder, kafka=kafka_port, mongodb=mongodb_port)
            kept = (folder.lock_fd,)
            kafka = KafkaServer(
                folder.path / "kafka",
                folder.path / "kafka.log",
                java=java,
                port=ports["kafka_port"],
                controller_port=ports["controller_port"],
                partitions=partitions,
                kept_fds=kept,
            )
            mongodb = MongoServer(
                folder.path / "mongodb", folder.path / "mongodb.log", port=ports["mongodb_port"], kept_fds=kept
            )
            _start_together(kafka, mongodb)
            folder.note(ready=True, **ports)
            undo.pop_all()
        return cls(folder, kafka, mongodb, ephemeral=ephemeral)

    def stop(self) -> None:
        """End both servers in good order, and give the data back (or throw it away); nothing the second time."""
        servers: tuple[Server, ...] = (self.kafka_server, self.mongodb_server)
        try:
            with ThreadPoolExecutor(len(servers)) as pool:
                for stopped in [pool.submit(server.stop) for server in servers]:
                    stopped.result()
        finally:
            for server in servers:
                server.kill()
            _give_back(self._folder, ephemeral=self._ephemeral)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


local_stack = Stack.start


def _choose_ports(folder: DataFolder, *, kafka: int | None, mongodb: int | None) -> dict[str, int]:
    ports: dict[str, int] = {}
    for name, key, wanted in (
        ("Kafka", "kafka_port", kafka),
        ("MongoDB", "mongodb_port", mongodb),
        ("Kafka's controller", "controller_port", None),
    ):
        taken = frozenset({*ports.values(), *(port for port in (kafka, mongodb) if port)})
        ports[key] = wanted_or_free(wanted, remembered=folder.remembered.get(key), taken=taken, name=name)
    return ports


def _start_together(*servers: Server) -> None:
    """Start them side by side; where one fails, or we are interrupted, none is left."""
    with ThreadPoolExecutor(len(servers)) as pool:
        starts = [pool.submit(server.start) for server in servers]
        try:
            for start in starts:
                start.result()
        except BaseException:
            for server in servers:
                server.kill()
            raise


def _ephemeral_folder(said: Say) -> DataFolder:
    """A new folder for a stack that keeps nothing; those of killed processes are swept up on the way."""
    place, prefix = Path(tempfile.gettempdir()), f"rapport-stack-{os.getuid()}-"
    # beside the folders, not in the cache: whoever sees the same folders must see the same lock
    with locked(place / f"{prefix}lock", said=lambda _: None, wait_for="makes one"):
        for left in place.glob(f"{prefix}*/"):
            with contextlib.suppress(OSError):
                remove_if_abandoned(left)
        return DataFolder(Path(tempfile.mkdtemp(prefix=prefix)), said=said)


def _give_back(folder: DataFolder, *, ephemeral: bool) -> None:
    if ephemeral:
        folder.remove()
    else:
        folder.close()
