"""Instants as people and programs write them into addresses."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError
from rapport.runtime.instants import AskedInstant

ASKED: TypeAdapter[datetime] = TypeAdapter(AskedInstant)


@pytest.mark.parametrize(
    "text",
    ["2026-03-02T09:00:00+01:00", "2026-03-02T09:00:00 01:00", "2026-03-02T08:00:00Z", "2026-03-02T08:00:00.000999Z"],
)
def test_a_plus_that_became_a_blank_on_the_way_is_a_plus_again(text: str):
    assert ASKED.validate_python(text) == datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9999-12-31T23:59:59-10:00", "between the years 1 and 9999"),
        ("0001-01-01T00:00:00+10:00", "between the years 1 and 9999"),
        ("2026-03-02T09:00:00", "timezone"),
        ("soon", "datetime"),
    ],
)
def test_what_is_no_instant_is_refused_with_its_reason(text: str, reason: str):
    with pytest.raises(ValidationError, match=reason):
        ASKED.validate_python(text)
