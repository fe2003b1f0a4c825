"""What stands in a mail before it leaves, to the byte: mail servers and mailbox providers read it to the letter."""

from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path

import pytest
from followup.domain.addresses import mailbox
from followup.domain.plays import Sender
from followup.domain.plays_file import parse_plays
from followup.mails import Writer
from followup.wording import Unwritable, Wording

from tests.support.followup import PLAYS
from tests.unit.followup.test_mails import LINKS, MAIL, NOW, taken

UUID = "0191f7c2-1111-7222-8333-abcdefabcdef"


def written(*, to: str = "ada@example.org", from_: str = "care@example.org", customer: str = "K-1") -> EmailMessage:
    one = taken(way=replace(MAIL, address=to))
    one = replace(one, customer=one.customer.but(id=customer))
    writer = Writer(Wording(None, "en"))
    plays = parse_plays(PLAYS)
    sender = Sender.model_validate({"from": from_, "reply_to": from_, "url": "smtp://localhost"})
    plays = plays.model_copy(update={"senders": {"default": sender}})
    return writer.write(one, writer.choose(one), "T", plays, LINKS, NOW)


def lines(mail: EmailMessage) -> list[bytes]:
    head, _, _ = mail.as_bytes(policy=SMTP).partition(b"\r\n\r\n")
    return head.split(b"\r\n")


def test_the_page_to_unsubscribe_stands_in_its_header_as_it_is_however_long():
    mail = written(customer=UUID)
    page = LINKS.unsubscribe(UUID, "survey")
    assert len(page) > 78
    assert f"List-Unsubscribe: <{page}>".encode() in lines(mail)
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines(mail)


def test_robots_and_absentees_are_asked_not_to_answer():
    mail = written()
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "OOF, AutoReply")


def test_letters_beyond_ascii_before_the_at_are_written_as_they_are_where_the_server_takes_them():
    mail = written(to="jörg@exämple.org").as_bytes(policy=SMTPUTF8)
    assert "\r\nTo: jörg@xn--exmple-cua.org\r\n".encode() in mail


def test_a_long_name_with_a_comma_stays_one_sender():
    name = "Rossi, Bianchi & Sons, the Society for Customers Who Are Content, North, East, South"
    read = message_from_bytes(written(from_=f'"{name}" <care@example.org>').as_bytes(), policy=SMTP)
    assert [(one.display_name, one.addr_spec) for one in read["From"].addresses] == [(name, "care@example.org")]


def test_a_domain_beyond_ascii_is_written_as_every_server_takes_it():
    mail = written(to="ada@Exämple.org", from_="Bücher <care@bücher.example>")
    assert b"To: ada@xn--exmple-cua.org" in lines(mail)
    assert b"From: =?utf-8?q?B=C3=BCcher?= <care@xn--bcher-kva.example>" in lines(mail)
    assert b"Reply-To: =?utf-8?q?B=C3=BCcher?= <care@xn--bcher-kva.example>" in lines(mail)
    assert mail["Message-ID"].endswith("@xn--bcher-kva.example>")


def test_a_domain_that_the_codec_would_take_for_another_is_left():
    assert mailbox("ada@faß.example").domain == "faß.example"
    assert mailbox("jörg@例え.example").addr_spec == "jörg@xn--r8jz45g.example"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@example.org, eve@example.org",
        "ada@ex ample.org",
        "ada@example.org>",
        "ada@example.org\r\nBcc: eve@example.org",
        "undisclosed: ;",
        "Rossi, Ada <ada@example.org>",
        "Ada @ Home <ada@example.org>",
    ],
)
def test_nothing_is_written_to_what_is_not_one_address(address: str):
    with pytest.raises(ValueError, match="e-mail address"):
        mailbox(address)
    with pytest.raises(Unwritable, match="e-mail address"):
        written(to=address)


@pytest.mark.parametrize(
    "address", ["Ada Rossi <ada@example.org>", '"Rossi, Ada" <ada@example.org>', " ada@example.org "]
)
def test_an_address_may_have_a_name_before_it(address: str):
    assert mailbox(address).addr_spec == "ada@example.org"


def test_no_byte_of_a_mail_is_beyond_ascii_and_no_line_too_long(tmp_path: Path):
    (tmp_path / "thanks.en.txt").write_text("Subject: Grüße\n\nGrüße, {{ name }}\n" + "ü" * 1_500)
    writer = Writer(Wording(tmp_path, "en"))
    one = taken(name="Jörg")
    mail = writer.write(one, writer.choose(one), "T", parse_plays(PLAYS), LINKS, NOW).as_bytes(policy=SMTP)
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.replace(b"\r\n", b"")


def test_what_others_wrote_breaks_no_line_turns_no_direction_and_brings_no_letter_along():
    subject = "Prize!\n\n-- \nclick \x00\u202ehere\u2066 " + "now " * 100
    mail = writer_of("received", subject)
    [line] = [line for line in mail.splitlines() if "Prize" in line]
    assert "“Prize! -- click here now now" in line
    assert line.count("now") < 40
    assert "…”" in line


def writer_of(template: str, subject: str) -> str:
    one = taken(template, subject=subject)
    writer = Writer(Wording(None, "en"))
    body = writer.write(one, writer.choose(one), "T", parse_plays(PLAYS), LINKS, NOW).get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text
