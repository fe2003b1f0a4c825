"""Cursors are read as we wrote them, nothing else is taken for one; a page goes on after the last that was shown."""

import base64
from datetime import datetime
from typing import Any

import pytest
from rapport.runtime.problem import Problem
from sla_monitor.domain.states import ContactState
from sla_monitor.paging import _read, _write, order_of

from tests.support.sla import at

ORDER = order_of("-due_at", ("due_at",))


def contact(due: datetime | None) -> ContactState:
    return ContactState(id="C-1", partition=0, customer_id="K-1", due_at=due)


@pytest.mark.parametrize(("number", "due"), [(0, at("12:00")), (1, None)])
def test_a_cursor_names_the_part_of_the_list_and_the_last_that_was_shown(number: int, due: datetime | None):
    assert _read(_write(number, contact(due), ORDER), ORDER) == (number, due, "C-1")


@pytest.mark.parametrize(
    "text",
    [
        "[2,1,'a']",
        '[1.0,1,"a"]',
        '[null,"a"]',
        '[[],1,"a"]',
        '["0",1,"a"]',
        '[0,{"$gt":1},"a"]',
        "{}",
        "x",
        f'[0,{1 << 64},"a"]',
        '[0,{"t":1e300},"a"]',
        r'[0,"\ud800","a"]',
        r'[0,null,"\ud800"]',
        "[0,null,1]",
        "[" * 5000,
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(text: str):
    with pytest.raises(Problem) as refused:
        _read(base64.urlsafe_b64encode(text.encode()).decode(), ORDER)
    assert refused.value.status == 422


def test_a_page_goes_on_after_the_last_whichever_way_the_list_runs():
    falling, lacking = ORDER
    after: dict[str, Any] = falling.beyond(at("12:00"), "C-1")
    [bound, either] = after["$and"]
    assert bound == {"due_at": {"$lte": at("12:00")}}
    assert either["$or"] == [{"due_at": {"$lt": at("12:00")}}, {"due_at": at("12:00"), "_id": {"$gt": "C-1"}}]
    assert lacking.beyond(None, "C-1") == {"_id": {"$gt": "C-1"}}
