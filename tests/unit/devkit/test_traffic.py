import json
from collections import Counter
from datetime import UTC, datetime
from itertools import islice

import pytest
from devkit.demo.people import survey_in
from devkit.traffic import company, endless
from rapport.contracts import UndecodableEvent, decode

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def is_sound(event) -> bool:
    try:
        decode(json.dumps(event).encode())
    except UndecodableEvent:
        return False
    return True


def test_the_same_seed_tells_the_same_and_another_seed_something_else():
    assert company(1, 20, 10) == company(1, 20, 10)
    assert company(1, 20, 10) != company(2, 20, 10)


def test_all_that_is_told_meets_the_contract_but_the_rubbish():
    told = company(3, 30, 10)
    unsound = {one.id for one in told if not is_sound(one.event(START))}
    assert unsound == {one.id for one in told if one.id.endswith("-rubbish")}
    assert unsound


def test_it_comes_in_the_order_of_sending_some_of_it_late_twice_and_differing():
    told = company(1, 60, 10)
    assert [one.sent for one in told] == sorted(one.sent for one in told)
    assert all(one.sent >= one.at for one in told)
    assert any(one.sent > one.at for one in told)
    times = Counter((one.source, one.id) for one in told)
    assert 0 < sum(count > 1 for count in times.values()) < len(times) / 5
    contents = {(one.source, one.id, json.dumps(one.data, sort_keys=True)) for one in told}
    assert len(contents) > len(times)


def test_without_an_end_it_goes_on_minute_after_minute_in_order_and_nothing_is_left_out():
    told = list(islice(endless(1, 2), 3000))
    assert told[-1].sent > 120
    assert [one.sent for one in told] == sorted(one.sent for one in told)
    first_minute = {one.id for one in company(1_000_000, 60, 2)}
    assert first_minute <= {one.id for one in told}


def test_a_company_has_all_kinds_of_customers_channels_and_ends():
    told = [one for one in company(1, 60, 10) if is_sound(one.event(START))]
    customers = [one.data for one in told if one.type == "customer.updated"]
    assert {data["language"] for data in customers} >= {"ar", "de", "ja", "pt-BR"}
    channels = {one.data["channel"] for one in told if one.type == "contact.received" and "channel" in one.data}
    assert len(channels) == 9
    assert {one.type for one in told} >= {
        "contact.promised", "contact.reopened", "contact.merged", "contact.abandoned", "purchase.delivered",
    }  # fmt: skip


def test_a_promise_is_told_as_an_instant():
    (first, *_) = (one.event(START) for one in company(1, 20, 10) if "promised_by" in one.data)
    assert first["data"]["promised_by"].startswith("2026-03-02T09:00:")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("Please say: http://127.0.0.1:8003/s/abc-DEF_1?score=4 or so", ("f-1", "http://127.0.0.1:8003/s/abc-DEF_1")),
        ("Welcome!", None),
    ],
)
def test_a_survey_is_found_in_its_mail(body, found):
    mail = f"Message-ID: <f-1@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    assert survey_in(mail.encode()) == found
