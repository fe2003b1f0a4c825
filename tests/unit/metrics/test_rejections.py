"""What can be told of a refused record."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from metrics.rejections import rejection_of
from rapport.runtime.dead_letter import dead_letter

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def letter(value: bytes | None, headers: tuple[tuple[str, bytes], ...] = (), reason: str = "no contact_id") -> Any:
    """A record as it lies in the dead letters."""
    came = SimpleNamespace(key=b"K-1", value=value, headers=headers, topic="x.contact-events", partition=3, offset=7)
    out = dead_letter(came, service="sla-monitor", pointer="/data", reason=reason, now=AT)
    return SimpleNamespace(key=out.key, value=out.value, headers=out.headers, timestamp=0)


def test_who_refused_which_event_and_why_is_told():
    found = rejection_of(letter(json.dumps({"source": "/crm", "id": "7"}).encode()), "x.")
    assert found is not None
    assert (found.source, found.event_id, found.at) == ("/crm", "7", AT)
    assert (found.service, found.topic, found.reason, found.pointer) == (
        "sla-monitor",
        "contact-events",
        "no contact_id",
        "/data",
    )


def test_an_event_in_binary_mode_is_named_by_its_headers():
    found = rejection_of(letter(b"{}", (("ce_source", b"/crm"), ("ce_id", b"8"))))
    assert found is not None
    assert (found.source, found.event_id) == ("/crm", "8")


def test_what_can_not_be_told_to_be_an_event_has_no_fate():
    for value in (None, b"", b"\xff", b"[1]", b"{}", b'{"source": "/crm", "id": 7}', b'{"source": "", "id": "7"}'):
        assert rejection_of(letter(value)) is None


def test_delivered_twice_it_is_one_rejection():
    value = json.dumps({"source": "/crm", "id": "7"}).encode()
    first, again, other = (rejection_of(letter(value, reason=why)) for why in ("a", "a", "b"))
    assert first
    assert again
    assert other
    assert (first.name == again.name, first.name == other.name) == (True, False)


def test_an_instant_that_makes_no_sense_is_replaced_by_the_records_own():
    beyond = (b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+14:00")
    for wrong in (b"", b"soon", b"2026-03-02T09:00:00", *beyond):
        record = letter(b'{"source": "/crm", "id": "7"}')
        record.headers = [(name, wrong if name == "rapport-at" else value) for name, value in record.headers]
        found = rejection_of(record)
        assert found is not None
        assert found.at == datetime.fromtimestamp(0, UTC)
