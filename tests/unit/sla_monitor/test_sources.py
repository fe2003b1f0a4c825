"""What intake says of silent sources, and that nothing hangs on its saying so."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from sla_monitor.sources import Sources

from tests.support.clock import EPOCH, ManualClock

CRM = {"source": "/crm", "last_event_at": "2026-03-02T08:00:00Z", "silent": True}
Answer = Callable[[httpx.Request], httpx.Response]


def slow(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("nothing within 5 s", request=request)


def known(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"items": [CRM]})


async def ask(sources: Sources, answer: Answer) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        await sources.ask(http)


def asking(clock: ManualClock) -> Sources:
    return Sources(clock, url="http://intake:8001/", key=SecretStr("watch-key"))


async def test_intake_is_asked_with_the_key_for_those_that_are_silent():
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return known(request)

    sources = asking(ManualClock(EPOCH))
    await ask(sources, answer)
    assert list(sources.silent) == ["/crm"]
    assert str(asked[0].url) == "http://intake:8001/v1/sources?silent=true"
    assert asked[0].headers["authorization"] == "Bearer watch-key"


async def test_who_speaks_again_is_silent_no_more():
    sources = asking(ManualClock(EPOCH))
    await ask(sources, known)
    await ask(sources, lambda _: httpx.Response(200, json={"items": []}))
    assert sources.silent == {}


WRONG: dict[str, Answer] = {
    "slow": slow,
    "away": lambda _: httpx.Response(503, text="Kafka is away"),
    "not for us": lambda _: httpx.Response(403, json={"title": "Forbidden"}),
    "moved": lambda _: httpx.Response(302, headers={"location": "/login"}),
    "a page": lambda _: httpx.Response(200, text="<html>"),
    "another shape": lambda _: httpx.Response(200, json={"items": [{"name": "/crm"}]}),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_intake_does_not_say_holds_nothing_back(wrong: str):
    clock = ManualClock(EPOCH)
    sources = asking(clock)
    await ask(sources, WRONG[wrong])
    assert sources.silent == {}


@pytest.mark.parametrize("wrong", WRONG)
async def test_the_last_answer_is_believed_for_three_quarters_of_a_minute(wrong: str):
    clock = ManualClock(EPOCH)
    sources = asking(clock)
    await ask(sources, known)
    clock.advance(44)
    await ask(sources, WRONG[wrong])
    assert list(sources.silent) == ["/crm"]
    clock.advance(1)
    assert sources.silent == {}
    assert clock.now() - EPOCH == timedelta(seconds=45)


def test_who_is_not_told_where_intake_is_takes_nobody_for_silent():
    assert Sources(ManualClock(EPOCH)).silent == {}
