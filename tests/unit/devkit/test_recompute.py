"""What `rapport recompute` shows of a comparison."""

from devkit.commands.recompute import differences

PAIR = {"old": 2, "new": 3}
SAME = {"old": 5, "new": 5}
NONE = {"facts": 5, "differ": 0, "first": []}


def test_what_differs_is_a_line_each_and_what_does_not_is_none():
    contacts = {"facts": 20, "differ": 12, "first": ["C-1", "C-2"]}
    figures = {"csat": {"answers": PAIR, "sum": SAME}}
    comparison = {"equal": False, "figures": figures, "hourly": figures, "contacts": contacts, "customers": NONE}
    assert list(differences(comparison)) == [
        "csat.answers: 2 → 3",
        "hourly rows: csat.answers: 2 → 3",
        "12 of 20 contacts differ: C-1, C-2, …",
    ]


def test_equal_figures_are_said_to_be():
    figures = {"csat": {"answers": SAME}}
    comparison = {"equal": True, "figures": figures, "hourly": figures, "contacts": NONE, "customers": NONE}
    assert list(differences(comparison)) == ["The new figures are the same as the old."]
