"""
The MongoDB driver, named nowhere else.

Motor is the driver the product was asked to use; it is deprecated in favour of
PyMongo's own async API. docs/decisions/0001 says when and how to switch.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient  # noqa: TID251 - the one place
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

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
    "connect",
    "is_conflict",
    "is_transient",
    "transaction",
]

MongoError = (PyMongoError, BSONError)

_WRITE_CONFLICT = 112
_DUPLICATE_KEY = 11000


def connect(uri: str) -> Client:
    """A client whose failures come within seconds, and whose writes are acknowledged by a majority."""
    return AsyncIOMotorClient(
        uri,
        tz_aware=True,
        w="majority",
        journal=True,
        serverSelectionTimeoutMS=3000,
        connectTimeoutMS=3000,
        socketTimeoutMS=30_000,
        retryWrites=True,
    )


@asynccontextmanager
async def transaction(client: Client) -> AsyncIterator[Session]:
    """Commits at the end, aborts on any error. Nothing in it is ever sent again by itself."""
    async with (
        await client.start_session() as session,
        session.start_transaction(write_concern=WriteConcern("majority"), max_commit_time_ms=20_000),
    ):
        yield session


def is_conflict(error: BaseException) -> bool:
    """Somebody else changed what we had read: read it again and decide again."""
    if isinstance(error, BulkWriteError):
        codes = {item.get("code") for item in error.details.get("writeErrors", [])} | {error.code}
        return bool(codes & {_WRITE_CONFLICT, _DUPLICATE_KEY})
    if isinstance(error, DuplicateKeyError):
        return True
    return isinstance(error, OperationFailure) and error.code == _WRITE_CONFLICT


def is_transient(error: BaseException) -> bool:
    """The same may succeed later, as far as the store can say."""
    if isinstance(error, DocumentTooLarge):
        return False
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError):
        return True
    if isinstance(error, PyMongoError):
        return any(
            error.has_error_label(label)
            for label in ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
        )
    return False
