import pytest
from devkit.commands.emit import data_of
from devkit.errors import CommandFailed


def test_a_number_is_text_where_the_contract_wants_text_and_a_number_elsewhere():
    assert data_of("contact.received", ["contact_id=4711", "priority=high", "sentiment=0.5", "ours=7"]) == {
        "contact_id": "4711",
        "priority": "high",
        "sentiment": 0.5,
        "ours": 7,
    }
    assert data_of("purchase.made", ["amount=19.90"]) == {"amount": "19.90"}
    assert data_of("survey.answered", ["score=4", "comment=true"]) == {"score": 4, "comment": "true"}


def test_quotes_and_null_mean_what_they_mean_in_json():
    assert data_of("customer.updated", ['name="4"', "title=null", "language=de"]) == {
        "name": "4",
        "title": None,
        "language": "de",
    }
    assert data_of("contact.reclassified", ['attributes={"a": 1}']) == {"attributes": {"a": 1}}


def test_of_a_type_that_is_not_known_everything_is_read_as_json():
    assert data_of("x.y", ["a=1", "b=x=y"]) == {"a": 1, "b": "x=y"}


def test_a_field_without_a_value_is_told():
    with pytest.raises(CommandFailed, match="FIELD=VALUE"):
        data_of("contact.received", ["contact_id"])
