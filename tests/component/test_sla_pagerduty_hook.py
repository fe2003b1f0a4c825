"""PagerDuty as it is: what it tells back is taken, or it would switch that off; what it is told, it limits."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sla_monitor.domain.grouping import STORM

from tests.support.pagerduty import SECRET, PagerDuty, signed, webhook
from tests.support.sla_service import RunningSla, policy, running_sla, until
from tests.support.stack import Addresses

ALERT = "C-1/first_response/1"
Start = Callable[..., AbstractAsyncContextManager[RunningSla]]


@pytest.fixture
def start(tmp_path: Path, stack: Addresses, unique: Callable[[str], str], pager: PagerDuty) -> Start:
    def begin(**given: Any) -> AbstractAsyncContextManager[RunningSla]:
        path = policy(tmp_path, pager.address, pager.address, **given)
        return running_sla(tmp_path, stack, unique("hook"), policy=path, pagerduty_secret=SECRET)

    return begin


async def told_back(sla: RunningSla, told: tuple[bytes, dict[str, str]]) -> Any:
    content, headers = told
    answer = await sla.http.post("/v1/hooks/pagerduty", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


NOT_OURS = [
    webhook("incident.acknowledged", None),  # opened by hand, or of several alerts grouped
    webhook("incident.resolved", "somebody-elses"),
    signed({"event": {"event_type": "pagey.ping", "agent": None, "data": {"message": "Hi", "type": "ping"}}}),
    signed({"event": {"event_type": "incident.annotated", "data": {"incident": {"id": "P1"}, "content": "calling"}}}),
    signed({"event": {"event_type": "service.updated", "agent": None, "client": None, "data": {"id": "PF9KMXH"}}}),
    signed({"event": {"event_type": "incident.resolved", "agent": "scheduled", "data": ["of", "another", "shape"]}}),
]


async def test_what_an_account_tells_that_is_not_about_our_alerts_is_taken_and_changes_nothing(start: Start):
    async with start() as sla:
        await sla.tell("contact.received")
        await sla.alert(ALERT, "breached")
        for told in NOT_OURS:
            assert (await told_back(sla, told)).get("alerts", 0) == 0
        await sla.alert(ALERT, "breached")


async def test_an_incident_that_is_merged_into_another_is_taken_and_not_over(start: Start):
    async with start() as sla:
        await sla.tell("contact.received")
        await sla.alert(ALERT, "breached")
        reason = {"type": "merge_resolve_reason", "incident": {"id": "P1", "type": "incident_reference"}}
        assert (await told_back(sla, webhook("incident.resolved", ALERT, resolve_reason=reason)))["alerts"] == 1
        assert (await sla.alert(ALERT, "acknowledged"))["by"] == "Ada Lovelace (PagerDuty)"


async def test_very_many_incidents_are_all_told_of_what_is_done_though_pagerduty_takes_few_at_a_time(
    start: Start, pager: PagerDuty
):
    async with start(wait="3s", interval="1s") as sla:
        for lot in range(3):
            for number in range(15):
                await sla.tell("contact.received", f"C-{lot}-{number}", customer_id=f"K-{lot}-{number}")
            await until(partial(having, pager, 15 * (lot + 1)))
        assert not [one for one in pager.opened if one.key.startswith("storm/")]
        pager.at_once = 25
        done = await sla.post("/v1/alerts/bulk", {"group": "billing/quick", "action": "acknowledge"})
        assert done.json()["done"] == 45
        await until(lambda: having(pager, 45, "acknowledged"))


async def test_a_storm_is_taken_to_its_end_though_pagerduty_waits_no_longer(
    start: Start, pager: PagerDuty, monkeypatch: pytest.MonkeyPatch
):
    async with start(within="4s", wait="3s") as sla:
        for number in range(STORM):
            await sla.tell("contact.received", f"C-{number}", customer_id=f"K-{number}")
        await until(partial(having, pager, 1))
        [incident] = pager.opened
        assert incident.key.startswith("storm/")
        monkeypatch.setattr("sla_monitor.http_pagerduty._PATIENCE", timedelta())
        content, headers = webhook("incident.acknowledged", incident.key)
        answer = await sla.http.post("/v1/hooks/pagerduty", content=content, headers=headers)
        assert answer.status_code == 503
        for number in range(STORM):
            await sla.alert(f"C-{number}/first_response/1", "acknowledged")


async def having(pager: PagerDuty, count: int, status: str = "triggered") -> bool:
    return sum(one.status == status for one in pager.opened) == count
