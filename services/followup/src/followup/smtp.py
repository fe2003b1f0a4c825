"""One message to one mail server, and what can be said of it afterwards."""

import asyncio
import contextlib
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.policy import SMTPUTF8
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from followup.outcome import Outcome

_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_SECONDS: Final = 6.0
_ALL_SECONDS: Final = 11.0
_LEAVING_SECONDS: Final = 1.0
_PERMANENT: Final = 500
_SIGN_IN_FIRST: Final = 530
"""Also for want of encryption (RFC 4954 §6, RFC 3207 §4)."""
_NOBODY: Final = re.compile(r"5\.1\.(?:1|2|3|6|10)\b")
"""No such mailbox, domain or address, moved away, or a domain that takes no mail (RFC 3463 §3.2, RFC 7505)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, from `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None

    @classmethod
    def read(cls, url: str) -> "Server":
        """ValueError says what is wrong with the address, without its secrets."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("the mail server's address can't be read") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"the mail server's address must begin with one of {', '.join(_PORTS)}:// and name a host")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, password)


async def deliver(message: EmailMessage, sender: str, recipient: str, server: Server) -> Outcome:
    """
    Hand a message over.

    Until its text is on the way nothing has happened, and any trouble may be
    tried again; from then until the server's word, trouble means that nobody knows.
    A server that won't have us, or not like this, has said nothing of the message.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        timeout=_SECONDS,
        use_tls=server.scheme == "smtps",
        start_tls=server.scheme == "smtp+starttls",
    )
    try:
        outcome = await _hand_over(client, message, sender, recipient, server)
        if client.is_connected and outcome.result != "unknown":
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=_LEAVING_SECONDS)
    finally:
        client.close()
    return outcome


async def _hand_over(
    client: aiosmtplib.SMTP, message: EmailMessage, sender: str, recipient: str, server: Server
) -> Outcome:
    let_in = handing_over = False
    try:
        async with asyncio.timeout(_ALL_SECONDS):
            await client.connect()
            if server.user is not None:
                await client.login(server.user, server.password or "")
            options, policy = [], SMTP_POLICY
            if not (recipient.isascii() and sender.isascii()):
                await client.ehlo()  # without TLS nobody has asked yet what the server can do
                if not client.supports_extension("smtputf8"):
                    return Outcome("refused", "the mail server takes no addresses beyond ASCII")
                options, policy = ["SMTPUTF8"], SMTPUTF8
            let_in = True
            await client.mail(sender, options=options, encoding="utf-8")
            await client.rcpt(recipient, encoding="utf-8")
            handing_over = True
            await client.data(message.as_bytes(policy=policy))
    except aiosmtplib.SMTPAuthenticationError as error:
        return Outcome("later", f"not signed in: {error.code}")
    except aiosmtplib.SMTPResponseException as error:
        words = _without(recipient, " ".join(error.message.split()))[:200]
        final = let_in and error.code >= _PERMANENT and error.code != _SIGN_IN_FIRST
        nobody = final and isinstance(error, aiosmtplib.SMTPRecipientRefused) and bool(_NOBODY.match(words))
        return Outcome("refused" if final else "later", f"{error.code} {words}", nobody)
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Outcome("unknown" if handing_over else "later", type(error).__name__)
    return Outcome("sent")


def _without(address: str, words: str) -> str:
    """What a server said, less the address: reasons are told to others and outlive an erased customer."""
    return re.sub(re.escape(address), "…", words, flags=re.IGNORECASE)
