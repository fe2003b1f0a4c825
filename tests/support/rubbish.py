"""Requests that no sane client sends: near misses of valid ones, and noise, for Hypothesis to put together."""

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.support.intake import BATCH, STRUCTURED, data, event

texts = st.text(max_size=30)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    texts,
    st.sampled_from(
        [
            *("", " ", "\0", "\ud800", "9" * 400, "x" * 5000),
            *("2026-13-01T00:00:00Z", "2026-03-02T08:59:00"),
            *(
                "0000-01-01T00:00:00Z",
                "0001-01-01T00:00:00+01:00",
                "9999-12-31T23:59:59-01:00",
                "9999-12-31T23:59:59.999Z",
            ),
        ]
    ),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
names = (
    st.sampled_from([*event(), "subject", "datacontenttype", "dataschema", "data_base64", "sequence", "Ünïcode"])
    | texts
)
data_names = st.sampled_from([*data(), "priority", "attributes", "promised_by", "kind", "purchase_id"]) | texts

noise = st.binary(max_size=400)
visible = st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte > 0x20 and byte != 0x7F))
"""What a header may carry on the wire."""


@dataclass(frozen=True)
class Head:
    """All of a request but its body."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]


@st.composite
def events(draw: st.DrawFn) -> Any:
    """A valid event with a few things wrong; now and then with nothing wrong."""
    made = event(id=draw(st.uuids()).hex, type=draw(st.sampled_from(["contact.received", "contact.resolved", "x"])))
    for _ in range(draw(st.integers(0, 3))):
        where, name = (made, draw(names)) if draw(st.booleans()) else (made.get("data"), draw(data_names))
        if not isinstance(where, dict):
            continue
        if draw(st.booleans()):
            where.pop(name, None)
        else:
            where[name] = draw(values)
    return made


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    written = draw(
        st.one_of(
            events().map(as_json),
            st.lists(events(), max_size=5).map(as_json),
            values.map(as_json),
            noise,
            st.integers(1, 3000).map(lambda depth: b"[" * depth),
        )
    )
    if draw(st.integers(0, 5)) == 0:
        written = written[: draw(st.integers(0, len(written)))]
    packed = draw(st.sampled_from([None, None, None, gzip.compress, zlib.compress]))
    return packed(written) if packed else written


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


media_types = st.sampled_from(
    [STRUCTURED, BATCH, "application/json", STRUCTURED + "; charset=utf-16", STRUCTURED + ";=;", "text/plain", "*/*"]
).map(str.encode)
attributes = st.tuples(
    st.sampled_from([b"ce-id", b"ce-source", b"ce-type", b"ce-time", b"ce-specversion", b"ce-x", b"ce-", b"ce-data"]),
    visible | st.sampled_from([b"1.0", b"%", b"%zz", b"%E2%82", b"contact.received", b"/crm", b"2026-03-02T08:59:00Z"]),
)
oddities = st.one_of(
    st.tuples(
        st.just(b"content-encoding"), st.sampled_from([b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip"]) | visible
    ),
    st.tuples(st.just(b"traceparent"), visible),
    st.tuples(st.just(b"accept"), visible),
    attributes,
)
keys = st.sampled_from(
    [*[b"Bearer all-key"] * 6, b"Bearer emit-key", b"Bearer watch-key", b"Bearer nobody", b"Basic x", b""]
)
places = st.sampled_from(
    [
        ("POST", "/v1/events"),
        ("POST", "/v1/hooks/zendesk"),
        ("POST", "/v1/dead-letters/replay"),
        ("POST", "/v1/dead-letters/drop"),
        ("GET", "/v1/dead-letters?limit=-1"),
        ("GET", "/v1/dead-letters?cursor=%00%ff"),
        ("GET", "/v1/sources?silent=perhaps"),
        ("DELETE", "/v1/events"),
        ("PATCH", "/v1/%2e%2e/events"),
        ("GET", "/readyz"),
    ]
)


@st.composite
def heads(draw: st.DrawFn) -> Head:
    """Mostly for /v1/events."""
    method, path = draw(places) if draw(st.integers(0, 4)) == 0 else ("POST", "/v1/events")
    headers = [(b"content-type", draw(media_types | media_types | visible)), (b"authorization", draw(keys))]
    headers += draw(st.lists(oddities, max_size=2))
    return Head(method, path, tuple(headers))
