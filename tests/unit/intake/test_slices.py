import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.domain import slices

documents = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud83d", '"]', "\\", "[{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
spaces = st.text(" \t\r\n", max_size=3).map(str.encode)


@given(elements=st.lists(documents, min_size=1, max_size=5), space=spaces, escaped=st.booleans())
def test_an_array_is_cut_into_what_it_was_put_together_from(elements, space, escaped):
    written = [json.dumps(one, ensure_ascii=escaped).encode(errors="surrogatepass") for one in elements]
    body = space + b"[" + (space + b"," + space).join(written) + space + b"]" + space
    assert slices(body, 10) == written


@given(st.integers(1, 4000), st.sampled_from([b"[", b'{"a]":', b'[{"\\"":[']))
def test_however_deep_an_element_is_its_end_is_found(depth: int, opening: bytes):
    closing = b"".join(b"]" if one == ord("[") else b"}" for one in reversed(opening) if one in b"[{")
    deep = opening * depth + b"1" + closing * depth
    assert slices(b"[1," + deep + b',{"id":"x"}]', 10) == [b"1", deep, b'{"id":"x"}']


def test_no_more_is_cut_than_is_asked_for():
    assert slices(b"[" + b"1," * 5000 + b"1]", 3) == [b"1"] * 3


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"[1", b"[1,]", b"[1]]", b'["a]', b"[1 2]", b"[,1]", b"[{]}"])
def test_what_is_no_array_is_not_cut(body: bytes):
    assert slices(body, 10) is None


def test_deep_elements_past_all_measure_are_given_up_on():
    assert slices(b"[" + b",".join([b'{"a":' * 20_000 + b"1" + b"}" * 20_000] * 50) + b"]", 1000) is None
