"""Handing a message to a mail server, and what may be said of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from followup.smtp import Server, deliver

from tests.support.followup_world import MailServer, mail_server


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running


def message() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Wie waren wir? ✓"
    mail["From"] = "care@example.org"
    mail["To"] = "ada@example.org"
    mail.set_content("Grüße\n")
    return mail


async def send(url: str, to: str = "ada@example.org") -> tuple[str, str]:
    outcome = await deliver(message(), "care@example.org", to, Server.read(url))
    return outcome.result, outcome.reason


async def test_a_message_arrives_as_it_was_written(server: MailServer):
    assert await send(server.url) == ("sent", "")
    [mail] = server.mails
    assert mail["Subject"] == "Wie waren wir? ✓"
    assert mail.get_content().splitlines() == ["Grüße"]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("450 try later", "later"),
        ("421 too busy", "later"),
        ("550 no such user", "refused"),
        ("553 bad name", "refused"),
    ],
)
async def test_what_the_server_says_decides_whether_to_try_again(server: MailServer, answer, result):
    server.answers = [answer]
    assert (await send(server.url))[0] == result
    assert server.mails == []


async def test_whoever_is_done_says_goodbye(server: MailServer):
    await send(server.url)
    server.answers = ["550 no such user"]
    await send(server.url)
    assert server.left == 2


async def test_a_server_that_asks_to_sign_in_first_has_said_nothing_of_the_message(server: MailServer):
    server.to_senders = "530 5.7.0 authentication required"
    assert await send(server.url) == ("later", "530 5.7.0 authentication required")
    server.to_senders = "550 5.7.1 this sender is not known"
    assert (await send(server.url))[0] == "refused"


@pytest.mark.parametrize("greeting", ["554 5.7.1 no service for you", "421 later"])
async def test_nor_has_one_that_does_not_let_us_in(greeting: str):
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{greeting}\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as closed:
        port = closed.sockets[0].getsockname()[1]
        assert await send(f"smtp://127.0.0.1:{port}") == ("later", greeting)


async def test_the_reason_leaves_out_the_address_that_the_server_repeats(server: MailServer):
    server.answers = ["550 5.1.1 <Ada@example.org>: no such user"]
    assert await send(server.url) == ("refused", "550 5.1.1 <…>: no such user")


@pytest.mark.parametrize(
    ("answer", "nobody"),
    [
        ("550 5.1.1 no such user", True),
        ("556 5.1.10 this domain takes no mail", True),
        ("450 5.1.1 perhaps", False),
        ("550 no such user", False),
        ("550 5.1.8 bad sender", False),
        ("552 5.2.2 mailbox full", False),
        ("550 5.7.1 you are blocked, see 5.1.1", False),
    ],
)
async def test_only_a_server_that_says_so_makes_an_address_nobodys(server: MailServer, answer: str, *, nobody: bool):
    server.answers = [answer]
    outcome = await deliver(message(), "care@example.org", "ada@example.org", Server.read(server.url))
    assert outcome.nobody is nobody


async def test_a_server_that_is_away_is_tried_again_later():
    assert (await send("smtp://127.0.0.1:1"))[0] == "later"


async def test_a_line_that_breaks_after_the_text_went_out_leaves_it_unknown(server: MailServer):
    server.hang_up = True
    assert (await send(server.url))[0] == "unknown"


async def test_what_should_be_encrypted_is_never_sent_in_the_clear(server: MailServer):
    assert (await send(server.url.replace("smtp://", "smtp+starttls://")))[0] == "later"
    assert server.mails == []


async def test_an_address_the_server_can_not_take_is_refused(server: MailServer):
    assert (await send(server.url, "jürgen@example.org"))[0] == "refused"


async def test_an_address_beyond_ascii_is_written_to_where_the_server_takes_such():
    async with mail_server(utf8=True) as server:
        assert await send(server.url, "jürgen@exämple.org") == ("sent", "")
        assert len(server.mails) == 1


def test_an_address_of_a_server_is_read_without_telling_its_secrets():
    read = Server.read("smtp+starttls://user:p%40ss@mail.example.org")
    assert (read.host, read.port, read.user, read.password) == ("mail.example.org", 587, "user", "p@ss")
    for wrong in ("http://user:hush@x", "smtp://", "smtp://user:hush@host:port"):
        with pytest.raises(ValueError, match="address") as caught:
            Server.read(wrong)
        assert "hush" not in str(caught.value)
