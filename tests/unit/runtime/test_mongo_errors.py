"""What an error of MongoDB means: try again, read anew, blame the data, or none of these."""

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    OperationFailure,
    WTimeoutError,
)
from rapport.runtime.mongo import is_conflict, is_transient
from rapport.runtime.store import Refused, is_refusal


def written(code: int) -> BulkWriteError:
    return BulkWriteError({"writeErrors": [{"code": code}]})


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("away"),
        ConfigurationError("Sessions are not supported by this MongoDB deployment"),
        WTimeoutError("no majority"),
        OperationFailure("Transaction numbers are only allowed on a replica set member or mongos", 20),
        OperationFailure("no replset config has been received", 94),
        OperationFailure("No committed OpTime for snapshot read", 246),
        written(14031),
    ],
)
def test_what_may_succeed_later_is_waited_for(error: Exception):
    assert (is_transient(error), is_conflict(error), is_refusal(error)) == (True, False, False)


@pytest.mark.parametrize("error", [OperationFailure("conflict", 112), written(11000)])
def test_what_somebody_else_changed_is_read_anew(error: Exception):
    assert (is_conflict(error), is_refusal(error)) == (True, False)


@pytest.mark.parametrize("error", [OperationFailure("not authorized", 13), OperationFailure("wrong password", 18)])
def test_who_we_are_is_no_fault_of_the_data_and_nothing_to_wait_for(error: Exception):
    assert (is_transient(error), is_conflict(error), is_refusal(error)) == (False, False, False)


@pytest.mark.parametrize(
    "error", [DocumentTooLarge("17 MiB"), InvalidDocument("a NUL"), written(2), OperationFailure("no", 52), Refused("")]
)
def test_what_never_succeeds_is_refused(error: Exception):
    assert (is_transient(error), is_conflict(error), is_refusal(error)) == (False, False, True)
