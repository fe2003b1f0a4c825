import gzip
import os
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.domain import NotCompressed, TooMuch, UnknownEncoding, inflate

LIMIT = 4 << 20


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


@given(st.binary(max_size=5000))
def test_what_was_packed_is_opened(body: bytes):
    assert inflate("gzip", gzip.compress(body), LIMIT) == body
    assert inflate("X-GZIP ", gzip.compress(body[:9]) + gzip.compress(body[9:]), LIMIT) == body
    assert inflate("deflate", zlib.compress(body), LIMIT) == body
    assert inflate("identity", body, LIMIT) == body


def test_deflate_without_its_wrapper_is_opened_too():
    assert inflate("deflate", raw_deflate(b'{"a":1}' * 20), LIMIT) == b'{"a":1}' * 20


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=300))
def test_rubbish_never_gets_through(encoding: str, body: bytes):
    try:
        inflate(encoding, body, LIMIT)
    except (NotCompressed, TooMuch):
        return
    assert body  # a few bytes may happen to be a stream; none are not


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_costs_no_more_memory_than_the_limit(encoding: str):
    body = bytes(100 << 20)
    bomb = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    del body
    tracemalloc.start()
    with pytest.raises(TooMuch):
        inflate(encoding, bomb, LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * LIMIT


def test_many_small_members_count_together():
    with pytest.raises(TooMuch):
        inflate("gzip", gzip.compress(b"x" * 1000) * 11, 10_000)


def test_a_body_may_have_64_members_and_a_million_empty_ones_are_given_up_on_at_once():
    assert inflate("gzip", gzip.compress(b"x") * 64, LIMIT) == b"x" * 64
    with pytest.raises(TooMuch, match="64 gzip members"):
        inflate("gzip", gzip.compress(b"") * 65, LIMIT)


@given(st.integers((1 << 16) - 40, (1 << 16) + 40), st.integers(0, 30))
def test_it_does_not_matter_where_one_piece_ends_and_the_next_begins(first: int, second: int):
    noise = os.urandom(first)
    packed = gzip.compress(noise, compresslevel=0) + gzip.compress(noise[:second])
    assert inflate("gzip", packed, LIMIT) == noise + noise[:second]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_other_encodings_are_not_read(encoding: str):
    with pytest.raises(UnknownEncoding):
        inflate(encoding, b"", LIMIT)


def test_a_body_cut_off_is_not_taken_for_a_whole_one():
    for packed in (gzip.compress(b"hello" * 50), zlib.compress(b"hello" * 50)):
        for end in range(len(packed)):
            with pytest.raises(NotCompressed):
                inflate("gzip" if packed[0] == 0x1F else "deflate", packed[:end], LIMIT)
