"""What a search of a customer's timeline looks at."""

import json

import pytest
from metrics.domain.search import held, words_of


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("Straße", {"strasse"}),
        ("  ÉTÉ \n invoice ", {"été", "invoice"}),
        ('said "no"', {"said", '"no"'}),
        ("spring", {"spring"}),
        ("subject", set()),
        ("agent-7", set()),
        ("K-1", set()),
        ("", set()),
    ],
)
def test_words_are_found_in_what_was_said_however_it_is_written(sought: str, found: set[str], *, ascii_only: bool):
    data = {
        "customer_id": "K-1",
        "agent_id": "agent-7",
        "subject": 'In der STRASSE: "No", he said',
        "attributes": {"notes": ["the été", {"Invoice": "invoices of Spring"}], "visits": 3, "vip": True},
    }
    assert held(words_of(sought), json.dumps({"type": "x", "data": data}, ensure_ascii=ascii_only)) == found
