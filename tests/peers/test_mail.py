"""Mail arrives by SMTP, through apprise, at a server that speaks it: aiosmtpd."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from rapport.runtime.clock import SystemClock
from sla_monitor.delivery import Delivery, Letter

LETTER = Letter("msg_1", "BREACHED 12 min · first response · Ms Rossi – “wrong”", {}, title="BREACHED 12 min")


class Box:
    """Keeps what it is sent; can be told to refuse."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.refuses = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - its name
        if self.refuses:
            return self.refuses
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture
async def mailbox() -> AsyncIterator[tuple[Box, str]]:
    box = Box()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield box, f"mailto://127.0.0.1:{port}?from=rapport@example.org&to=ada@example.org&mode=insecure"
    server.close()
    await server.wait_closed()


async def test_a_message_arrives_as_mail(mailbox: tuple[Box, str]):
    box, url = mailbox
    delivery = Delivery(SystemClock(), timeout=60, allow_internal=True)
    outcome = await delivery.send(url, LETTER)
    assert outcome.ok, outcome.detail
    [envelope] = box.mails
    assert envelope.rcpt_tos == ["ada@example.org"]
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail["subject"] == "BREACHED 12 min"
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "Ms Rossi – “wrong”" in body.get_content()
    await delivery.close()


async def test_mail_that_is_refused_is_tried_again(mailbox: tuple[Box, str]):
    box, url = mailbox
    box.refuses = "451 later"
    delivery = Delivery(SystemClock(), timeout=10, allow_internal=True)
    outcome = await delivery.send(url, LETTER)
    assert (outcome.ok, outcome.again) == (False, True)
    await delivery.close()


async def test_no_mail_goes_to_this_machine_unless_allowed(mailbox: tuple[Box, str]):
    box, url = mailbox
    strict = Delivery(SystemClock(), timeout=10, allow_internal=False)
    outcome = await strict.send(url, LETTER)
    assert (outcome.ok, outcome.again, box.mails) == (False, False, [])
    await strict.close()
