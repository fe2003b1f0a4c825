"""The sender under its lease: one at a time, and what a crash left on its way is never sent again."""

import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from followup.domain.state import Message, SurveyLink
from followup.mails import Links, Writer
from followup.playbook import Outlet, Version
from followup.sender import Sender
from followup.smtp import Server
from followup.texts import Gateway, deliver_text
from followup.tokens import Seal
from followup.wording import Wording
from pymongo.errors import AutoReconnect
from rapport.decision import Ref
from rapport.runtime.addresses import Expanded
from rapport.runtime.through_apprise import ThroughApprise

from tests.support.clock import ManualClock
from tests.support.followup import PLAYS, Story, at, profile, received, resolved
from tests.support.followup_world import MailServer, mail_server
from tests.support.receivers import Receiver, receiver


class StoryStore:
    """The store of a story; understands what the sender asks for."""

    def __init__(self, told: Story) -> None:
        self._told = told

    async def find(self, kind: type[Any], where: Mapping[str, Any], **_: Any) -> list[Any]:
        found = [state for (one, _id), state in self._told.states.items() if one is kind]
        due = where.get("next_at", {"$lte": self._told.now})["$lte"]
        return [s for s in found if s.status == where["status"] and s.next_at <= due]  # type: ignore[attr-defined]

    async def get(self, kind: type[Any], name: str) -> Any:
        return self._told.states.get((kind, name))


class StoryProcessor:
    """Decides on the states of a story, one decision at a time."""

    def __init__(self, told: Story) -> None:
        self._told = told

    async def act(self, kind: type[Any], name: str, decide: Any, *, touches: Any = ()) -> Any:
        states = self._told.loaded([Ref(kind, name), *touches])
        decision = decide(states.get(kind, name), states, self._told.now)
        self._told.apply(decision, states)
        return decision

    async def patiently(self, _: str, attempt: Callable[[], Awaitable[Any]]) -> Any:
        return await attempt()


class ProcessorInDoubt(StoryProcessor):
    """Its first decision is carried out, and MongoDB is gone before it has said so."""

    async def act(self, *args: Any, **kwargs: Any) -> Any:
        await super().act(*args, **kwargs)
        self.act = super().act  # type: ignore[method-assign]
        raise AutoReconnect


class HeldLease:
    def __init__(self, token: int | None) -> None:
        self.token = token
        self.lasts = token is not None

    async def held(self) -> int | None:
        return self.token


class StoreThatEnds(StoryStore):
    """Its answers come when the lease is over: the process stood still."""

    def __init__(self, told: Story, lease: HeldLease) -> None:
        super().__init__(told)
        self._lease = lease

    async def find(self, *args: Any, **kwargs: Any) -> list[Any]:
        found = await super().find(*args, **kwargs)
        self._lease.lasts = False
        return found


class ProcessorThatEnds(StoryProcessor):
    """What it decides is carried out when the lease is over: the process stood still."""

    def __init__(self, told: Story, lease: HeldLease) -> None:
        super().__init__(told)
        self._lease = lease

    async def act(self, *args: Any, **kwargs: Any) -> Any:
        self._lease.lasts = False
        return await super().act(*args, **kwargs)


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


def waiting() -> tuple[Story, Message]:
    told = Story().take_in(profile(), received("0 08:00"), resolved("0 10:00"))
    told.look(at("1 10:00"), send=False)
    [message] = told.pending()
    return told, message


def gateway(texts: Receiver) -> Gateway:
    return Gateway.read(Expanded(texts.url.replace("http://", "json://") + "/{phone}", ()))


def sender(
    told: Story,
    mails: MailServer,
    token: int | None,
    processor: StoryProcessor | None = None,
    texts: Receiver | None = None,
    *,
    store: StoryStore | None = None,
    lease: HeldLease | None = None,
    clock: ManualClock | None = None,
) -> Sender:
    parts: tuple[Any, ...] = (
        processor or StoryProcessor(told),
        store or StoryStore(told),
        lease or HeldLease(token),
        clock or ManualClock(told.now),
    )
    outlets: dict[str, Outlet] = {"default": Server.read(mails.url)}
    if texts:
        outlets["sms"] = gateway(texts)
    playbook = SimpleNamespace(in_force=Version(1, told.now, "", told.rules, outlets))
    links = Links("https://care.example.org", Seal(b"secret"))
    make: Any = Sender  # the fakes have no more than it asks for
    made: Sender = make(*parts, playbook, Writer(Wording(None, "en")), lambda: links, told.domain.of_customer)
    return made


async def test_what_waits_is_sent_once(mails: MailServer):
    told, message = waiting()
    sending_now = sender(told, mails, token=1)
    assert [await sending_now.round(), await sending_now.round()] == [1, 0]
    assert [one["To"] for one in mails.mails] == ["ada@example.org"]
    assert [one.followup_id for one in told.of("followup.sent")] == [message.id]


async def test_what_a_server_puts_off_is_sent_at_the_next_try_with_a_link_of_its_own(mails: MailServer):
    told, message = waiting()
    mails.answers = ["450 come back later"]
    assert await sender(told, mails, token=1).round() == 1
    first = told.states[SurveyLink, message.id]
    told.now = told.message(message.id).next_at
    assert await sender(told, mails, token=1).round() == 1
    assert [one["To"] for one in mails.mails] == ["ada@example.org"]
    assert [one.followup_id for one in told.of("followup.sent")] == [message.id]
    assert told.states[SurveyLink, message.id] != first


async def test_a_domain_beyond_ascii_is_written_to_through_a_server_that_knows_none(mails: MailServer):
    told = Story().take_in(profile(email="Ada@exämple.org"), received("0 08:00"), resolved("0 10:00"))
    told.look(at("1 10:00"), send=False)
    assert await sender(told, mails, token=1).round() == 1
    assert mails.recipients == ["Ada@xn--exmple-cua.org"]


async def test_an_address_that_a_server_calls_nobodys_is_remembered(mails: MailServer):
    told, _ = waiting()
    mails.answers = ["550 5.1.1 no such user"]
    assert await sender(told, mails, token=1).round() == 1
    assert told.customer().blocked == {"ada@example.org": "bounced"}


async def test_without_the_lease_nothing_is_sent(mails: MailServer):
    told, _ = waiting()
    assert await sender(told, mails, token=None).round() == 0
    assert mails.mails == []


async def test_what_a_crash_left_on_its_way_has_failed_and_is_not_sent_again(mails: MailServer):
    told, message = waiting()
    assert told.take(message, fence=1)  # and here the process died

    assert await sender(told, mails, token=2).round() == 0
    assert mails.mails == []
    assert [one.reason for one in told.of("followup.failed")] == ["unknown"]
    assert [slot.followup_id for slot in told.customer().slots] == [message.id]


async def test_who_stood_still_past_its_lease_takes_nothing_up(mails: MailServer):
    told, message = waiting()
    lease = HeldLease(1)
    await sender(told, mails, 1, store=StoreThatEnds(told, lease), lease=lease).round()
    assert (mails.mails, told.message(message.id).status) == ([], "pending")
    assert await sender(told, mails, token=2).round() == 1
    assert len(mails.mails) == len(told.of("followup.sent")) == 1


async def test_what_was_taken_up_while_the_lease_ended_is_not_handed_over_and_waits_for_the_next_try(mails: MailServer):
    told, message = waiting()
    lease = HeldLease(1)
    await sender(told, mails, 1, ProcessorThatEnds(told, lease), lease=lease).round()
    assert (mails.mails, told.message(message.id).status) == ([], "pending")
    told.now = told.message(message.id).next_at
    assert await sender(told, mails, token=2).round() == 1
    assert len(mails.mails) == len(told.of("followup.sent")) == 1


async def test_what_somebody_takes_without_a_lease_and_leaves_has_failed_under_the_same_sender(mails: MailServer):
    told, message = waiting()
    clock = ManualClock(told.now)
    holding = sender(told, mails, token=2, clock=clock)
    mails.answers = ["450 come back later"]
    assert await holding.round() == 1
    told.now = told.message(message.id).next_at
    assert told.take(told.message(message.id), fence=1)  # and here the process died, whose lease was over

    clock.advance(5)
    assert await holding.round() == 0
    assert [one.reason for one in told.of("followup.failed")] == ["unknown"]
    assert mails.mails == []


async def test_a_message_of_which_nobody_said_whether_it_is_taken_up_goes_out_later(mails: MailServer):
    told, message = waiting()
    doubtful = sender(told, mails, 1, ProcessorInDoubt(told))
    with pytest.raises(AutoReconnect):
        await doubtful.round()
    assert (await doubtful.round(), mails.mails) == (0, [])
    told.now = told.message(message.id).next_at
    assert await sender(told, mails, 1).round() == 1
    assert len(mails.mails) == len(told.of("followup.sent")) == 1


async def test_the_replica_that_holds_the_lease_leaves_its_own_messages_alone(mails: MailServer):
    told, message = waiting()
    assert told.take(message, fence=2)
    assert await sender(told, mails, token=2).round() == 0
    assert told.of("followup.failed") == []


TEXTED = PLAYS.replace("senders: {", 'senders: {sms: {url: "json://gateway/{phone}"}, ')
NUMBER = "+491701234567"


async def test_a_text_goes_to_the_number_of_whoever_prefers_texts(mails: MailServer):
    told = Story(TEXTED, frozenset({"default", "sms"}))
    told.take_in(profile(phone="+49 170 1234567", preferred_channel="sms"), received("0 08:00"), resolved("0 10:00"))
    told.look(at("1 10:00"), send=False)
    with receiver() as texts:
        texts.statuses = [503]
        assert await sender(told, mails, token=1, texts=texts).round() == 1
        [message] = [one for one in told.states.values() if isinstance(one, Message)]
        assert (message.status, message.reason) == ("pending", "the service did not take it (error 503)")
        told.now = message.next_at
        assert await sender(told, mails, token=1, texts=texts).round() == 1
        [text] = texts.taken
    assert text.path == "/hook/+491701234567"
    assert "https://care.example.org/s/" in text.body["message"]
    assert "https://care.example.org/u/" in text.body["message"]
    assert (mails.mails, [one.channel for one in told.of("followup.sent")]) == ([], ["sms"])


class Logged(logging.Handler):
    """What reaches the log of the process."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[Logged]:
    made, root = Logged(), logging.getLogger()
    root.addHandler(made)
    yield made
    root.removeHandler(made)


def leading_to(url: str) -> Gateway:
    return Gateway.read(Expanded(url, ()))


async def test_what_becomes_of_a_text_is_said_without_number_or_address(logged: Logged):
    apprise = ThroughApprise(allow_internal=True)
    with receiver() as texts:
        texts.statuses = [404]
        refused = await deliver_text("fu-1", "error=200 Caused by NewConnectionError", NUMBER, gateway(texts), apprise)
        texts.held = threading.Event()
        slow = leading_to(gateway(texts).address.url + "?rto=0.2")
        unheard = await deliver_text("fu-1", "error=200 Caused by NewConnectionError", NUMBER, slow, apprise)
    away = await deliver_text("fu-1", "Hello", NUMBER, gateway(texts), apprise)
    nowhere = await deliver_text("fu-1", "Hello", NUMBER, leading_to("json://no.such.host.example/{phone}"), apprise)
    unknown = await deliver_text("fu-1", "Hello", NUMBER, Gateway(Expanded("nosuch://x/{phone}", ())), apprise)
    assert (refused.result, refused.reason) == ("refused", "the service did not take it (error 404)")
    assert unheard.result == "unknown"
    assert (away.result, away.reason) == ("later", "the service can't be reached")
    assert (nowhere.result, unknown.result) == ("later", "refused")
    reasons = f"{refused.reason}{unheard.reason}{away.reason}{nowhere.reason}{unknown.reason}"
    assert "491701234567" not in reasons + "".join(logged.lines)
    assert "json://" not in reasons
