"""
The MongoDB driver, named nowhere else.

Motor is the driver the product was asked to use; it is deprecated in favour of
PyMongo's own async API. docs/decisions/0001 says when and how to switch.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient  # noqa: TID251 - the one place
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from rapport.runtime.settings import Misconfigured

Client = Any
Database = Any
Collection = Any
Session = Any

__all__ = [
    "Client",
    "Collection",
    "Database",
    "DeleteOne",
    "DuplicateKeyError",
    "InsertOne",
    "MongoError",
    "ReplaceOne",
    "Session",
    "UpdateOne",
    "answered_at_once",
    "connect",
    "end_abandoned_transactions",
    "finished",
    "hold_to_transactions",
    "is_conflict",
    "is_no_fault_of_the_data",
    "is_transient",
    "one_instant",
    "transaction",
]

MongoError = (PyMongoError, BSONError)

T = TypeVar("T")

_WRITE_CONFLICT = 112
_DUPLICATE_KEY = 11000
_FOR_NOW: Final = frozenset(
    {
        20,  # IllegalOperation: a member that does not know its set yet has no transactions
        94,  # NotYetInitialized
        134,  # ReadConcernMajorityNotAvailableYet
        211,  # KeyNotFound: of the set's clock
        246,  # SnapshotUnavailable
        14031,  # OutOfDiskSpace
    }
)
"""What a server answers while it starts, or until somebody gives it room; whatever was asked, it will take it then."""

_WHO_WE_ARE: Final = frozenset({13, 18})
"""Unauthorized, AuthenticationFailed."""

_APP: Final = "rapport"
_ABANDONED_AFTER: Final = 5_000_000
"""Microseconds without a word. Ours last milliseconds; one that only seemed abandoned is decided again."""


def connect(uri: str) -> Client:
    """
    A client whose failures come within seconds, and whose writes are acknowledged by a majority.

    `Misconfigured` for what is no address of a MongoDB; what it says holds no password.
    """
    try:
        return AsyncIOMotorClient(
            uri,
            appname=_APP,
            tz_aware=True,
            w="majority",
            journal=True,
            serverSelectionTimeoutMS=3000,
            connectTimeoutMS=3000,
            socketTimeoutMS=30_000,
            retryWrites=True,
        )
    except (ConfigurationError, ValueError) as error:
        raise Misconfigured(f"MONGODB_URI: {error}") from error


async def hold_to_transactions(client: Client) -> None:
    """Return when MongoDB answers; `Misconfigured` where it is a single server, which has no transactions."""
    hello = await client.admin.command("hello")
    if not ("setName" in hello or "isreplicaset" in hello or hello.get("msg") == "isdbgrid"):
        raise Misconfigured("MONGODB_URI: that MongoDB is no replica set, and transactions need one (--replSet)")


def answered_at_once(collection: Collection) -> Collection:
    """The same collection, whose writes are answered before they are safe: for what is harmless when it is lost."""
    return collection.with_options(write_concern=WriteConcern(1, j=False))


def safe_within(collection: Collection, milliseconds: int) -> Collection:
    """The same collection, whose writes fail when they are not safe with a majority after so long."""
    return collection.with_options(write_concern=WriteConcern("majority", j=True, wtimeout=milliseconds))


@asynccontextmanager
async def transaction(client: Client) -> AsyncIterator[Session]:
    """Commits at the end, aborts on any error. Nothing in it is ever sent again by itself."""
    async with await client.start_session() as session:
        session.start_transaction(write_concern=WriteConcern("majority"), max_commit_time_ms=20_000)
        try:
            yield session
        except BaseException:
            await finished(session.abort_transaction())
            raise
        await finished(session.commit_transaction())


@asynccontextmanager
async def one_instant(client: Client) -> AsyncIterator[Session]:
    """A session in which all that is read is as it was when the first of it was."""
    async with await client.start_session(snapshot=True) as session:
        yield session


async def finished(operation: Awaitable[T]) -> T:
    """
    The answer of one operation in a transaction; a cancellation waits for it.

    The driver's thread goes on whatever we do here: aborting at the same time could
    leave a transaction open on the server, which locks others out for a minute.
    """
    future = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        if not future.cancelled():
            future.exception()
        raise


async def end_abandoned_transactions(client: Client) -> int:
    """
    Abort transactions of ours that nobody has spoken in for 5 s; answers how many.

    MongoDB itself keeps what a killed process has left open for a minute, and with it the rows that it wrote.
    """
    stages = [
        {"$currentOp": {"idleSessions": True}},
        {"$match": {"appName": _APP, "transaction.timeInactiveMicros": {"$gt": _ABANDONED_AFTER}}},
    ]
    abandoned = [{"id": op["lsid"]["id"]} async for op in client.admin.aggregate(stages)]
    if abandoned:
        await client.admin.command("killSessions", abandoned)
    return len(abandoned)


def is_conflict(error: BaseException) -> bool:
    """Somebody else changed what we had read: read it again and decide again."""
    return bool(_codes(error) & {_WRITE_CONFLICT, _DUPLICATE_KEY})


def is_taken(error: BaseException) -> bool:
    """Whether an id that was to be new was there already."""
    return _DUPLICATE_KEY in _codes(error)


def _codes(error: BaseException) -> set[Any]:
    written = error.details.get("writeErrors", []) if isinstance(error, BulkWriteError) else []
    return {error.code, *(item.get("code") for item in written)} if isinstance(error, OperationFailure) else set()


def is_no_fault_of_the_data(error: BaseException) -> bool:
    """Whether anything else would be answered the same: for now, or because of who we are."""
    return is_transient(error) or bool(_codes(error) & _WHO_WE_ARE)


def is_transient(error: BaseException) -> bool:
    """
    The same may succeed later, as far as the store can say.

    A ConfigurationError in the midst of work is of a connection that was made while its server was starting.
    """
    if isinstance(error, DocumentTooLarge):
        return False
    if isinstance(error, ConnectionFailure | ConfigurationError | ExecutionTimeout | WTimeoutError):
        return True
    if _codes(error) & _FOR_NOW:
        return True
    if isinstance(error, PyMongoError):
        return any(
            error.has_error_label(label)
            for label in ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
        )
    return False
