"""How values and names of rules are held against those of events."""

import pytest
from rapport.contracts.matching import leaves, plain


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (3, "3"), (3.0, "3"), (3.5, "3.5"), ("3", "3"), ("no", "no")]
)
def test_values_compare_by_what_they_say(value: object, text: str):
    assert plain(value) == text


def test_what_is_no_object_is_found_by_its_path_in_the_order_of_names():
    members = {"b": [1, {"x": 2}], "a": {"z": None, "c": {"d": "deep"}}, "e": {}}
    assert list(leaves(members)) == [("a.c.d", "deep"), ("a.z", None), ("b", [1, {"x": 2}])]
