"""A MongoDB that is none of a set, or does not know its set yet: what is said of it, and that no data is blamed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from devkit.stack.mongodb import MongoServer
from devkit.stack.ports import HOST, free_port
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from rapport.runtime.mongo import MongoError, connect, hold_to_transactions, is_transient, transaction
from rapport.runtime.settings import Misconfigured
from rapport.runtime.store import is_refusal


class Unfounded(MongoServer):
    """A member of a set that nobody has founded, as one is that has just been started."""

    @property
    def address(self) -> str:
        return f"mongodb://{HOST}:{self._port}/?directConnection=true"

    def _look_ready(self) -> bool:
        with MongoClient[dict[str, object]](self.address, serverSelectionTimeoutMS=200) as client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
        return True


class Single(Unfounded):
    """A server without a set."""

    def _command(self) -> list[str]:
        command = super()._command()
        place = command.index("--replSet")
        return command[:place] + command[place + 2 :]


@pytest.fixture(params=[Unfounded, Single])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MongoServer]:
    made: MongoServer = request.param(tmp_path / "mongodb", tmp_path / "mongodb.log", port=free_port())
    made.start()
    yield made
    made.stop()


async def test_what_it_can_not_do_yet_is_no_fault_of_the_data(server: MongoServer):
    client = connect(server.address)
    with pytest.raises(MongoError) as caught:
        async with transaction(client) as session:
            await client["any"]["states"].replace_one({"_id": 1}, {"_id": 1}, upsert=True, session=session)
    assert is_transient(caught.value)
    assert not is_refusal(caught.value)
    client.close()


async def test_a_single_server_ends_the_start_and_a_member_of_a_set_is_waited_for(server: MongoServer):
    client = connect(server.address)
    if isinstance(server, Single):
        with pytest.raises(Misconfigured, match="MONGODB_URI: that MongoDB is no replica set"):
            await hold_to_transactions(client)
    else:
        await hold_to_transactions(client)
    client.close()
