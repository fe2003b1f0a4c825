"""Events made from the models of the contract."""

from datetime import UTC, datetime
from json import dumps

import pytest
from pydantic import ValidationError
from rapport.client import event
from rapport.contracts import decode
from rapport.contracts.contact_events import ContactPromised, ContactReceived, CustomerUpdated

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_the_type_is_that_of_the_model_and_only_what_was_given_is_said():
    received = ContactReceived(customer_id="K-5", contact_id="4711", channel="email")
    assert event(received, source="/crm", id="mail-99", time=AT, sequence="7", more={"ours": 1}) == {
        "specversion": "1.0",
        "id": "mail-99",
        "source": "/crm",
        "type": "contact.received",
        "time": "2026-03-02T09:00:00Z",
        "datacontenttype": "application/json",
        "sequence": "7",
        "data": {"ours": 1, "customer_id": "K-5", "contact_id": "4711", "channel": "email"},
    }


def test_a_none_that_was_given_clears():
    assert event(CustomerUpdated(customer_id="K", email=None), source="/crm")["data"] == {
        "customer_id": "K",
        "email": None,
    }


def test_instants_are_written_as_the_contract_wants_them():
    promised = ContactPromised(customer_id="K", contact_id="C", promised_by=AT)
    assert event(promised, source="/crm")["data"]["promised_by"] == "2026-03-02T09:00:00Z"


def test_a_time_without_a_zone_is_nobodys_to_guess():
    received = ContactReceived(customer_id="K-5", contact_id="4711", channel="email")
    with pytest.raises(ValueError, match="no zone"):
        event(received, source="/crm", time=AT.replace(tzinfo=None))


def test_what_is_made_is_what_services_read():
    made = event(ContactReceived(customer_id="K", contact_id="C", channel="sms"), source="/crm")
    assert decode(dumps(made).encode()).id == made["id"]


def test_a_wrong_field_is_found_where_it_is_written():
    with pytest.raises(ValidationError, match="channel"):
        ContactReceived(customer_id="K", contact_id="C", channel="fax")
