"""What a message says to a customer: a mail in plain text and HTML, or a text for a telephone."""

import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime as rfc5322
from typing import Any, Final
from urllib.parse import quote

from babel import Locale, UnknownLocaleError
from rapport.contracts.fields import SCORE_RANGE
from rapport.lines import cut, one_line

from followup.domain.addresses import mailbox
from followup.domain.plays import Plays
from followup.domain.sending import Taken
from followup.domain.timetable import zone_of
from followup.headers import MAIL
from followup.times import spoken
from followup.tokens import Seal
from followup.wording import Chosen, Wording, unwritable

_MOST: Final = 150


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses in a message that lead back to us."""

    base: str
    seal: Seal

    def survey(self, token: str, score: int | None = None) -> str:
        return f"{self.base}/s/{quote(token)}" + ("" if score is None else f"?score={score}")

    def unsubscribe(self, customer_id: str, purpose: str) -> str:
        return f"{self.base}/u/{self.seal.close(customer_id, purpose)}"


class Writer:
    """Makes messages of what templates say."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording

    def choose(self, taken: Taken) -> Chosen:
        """The best template that there is for this customer."""
        language = language_of(taken, self._wording.language)
        form = taken.customer.text("form_of_address")
        return self._wording.choose(taken.followup.template or "", language, form, short=taken.way.channel != "email")

    def write(
        self, taken: Taken, chosen: Chosen, token: str, plays: Plays, links: Links, now: datetime
    ) -> EmailMessage:
        """
        The message of a follow-up to its customer.

        Its Message-ID comes from the follow-up, so that a repeat is recognised as one.
        """
        followup = taken.followup
        sender = plays.senders[taken.way.sender]
        try:
            facts = self.facts(taken, token, plays, links, chosen.language)
            subject, _, body = chosen.text.render(**facts).partition("\n")
            message = EmailMessage(policy=MAIL)
            message["Subject"] = " ".join(subject.removeprefix("Subject:").split())
            message["From"] = from_ = mailbox(sender.from_ or "")
            message["To"] = mailbox(taken.way.address or "")
            if sender.reply_to:
                message["Reply-To"] = mailbox(sender.reply_to)
            message["Date"] = rfc5322(now)
            message["Message-ID"] = f"<{followup.id}@{from_.domain}>"
            message["Auto-Submitted"] = "auto-generated"
            message["X-Auto-Response-Suppress"] = "OOF, AutoReply"  # the same for Exchange (MS-OXCMAIL §2.1.3.2.20)
            message["List-Unsubscribe"] = f"<{facts['unsubscribe_url']}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            message.set_content(body.lstrip("\n"))
            if chosen.html:
                message.add_alternative(chosen.html.render(**facts), subtype="html")
            message["Content-Language"] = chosen.language
        except Exception as error:  # a template is anybody's: whatever it raises is its mistake
            raise unwritable(followup.template or "", error) from error
        return message

    def write_text(self, taken: Taken, chosen: Chosen, token: str, plays: Plays, links: Links) -> str:
        """The text of a follow-up for a telephone: no subject, and always a way to get no more of them."""
        facts = self.facts(taken, token, plays, links, chosen.language)
        try:
            said = chosen.text.render(**facts)
        except Exception as error:  # a template is anybody's: whatever it raises is its mistake
            raise unwritable(taken.followup.template or "", error) from error
        subject, _, body = said.partition("\n")
        text = (body if subject.startswith("Subject:") else said).strip()
        return text if facts["unsubscribe_url"] in text else f"{text}\n{facts['unsubscribe_url']}"

    def facts(self, taken: Taken, token: str, plays: Plays, links: Links, language: str) -> dict[str, Any]:
        """The variables that a template may use."""
        followup, customer = taken.followup, taken.customer
        fields = taken.contact.fields if taken.contact else {}
        low, high = SCORE_RANGE[followup.survey] if followup.survey else (1, 0)
        locale = _locale(language)
        promised = followup.promised_at
        zone = zone_of(customer, plays)
        return {
            "name": _in_a_line(customer.text("name")),
            "title": _in_a_line(customer.text("title")),
            "subject": _in_a_line(fields.get("subject")),
            "reference": _in_a_line(fields.get("reference") or followup.contact_id),
            "promised": spoken(promised, zone, locale) if promised else "",
            "survey_url": links.survey(token) if followup.survey else "",
            "scores": [(score, links.survey(token, score)) for score in range(low, high + 1)],
            "unsubscribe_url": links.unsubscribe(customer.id, followup.purpose),
            "language": language,
            "direction": "rtl" if locale.text_direction == "rtl" else "ltr",
        }


def language_of(taken: Taken, default: str) -> str:
    """The customer's language, else the contact's, as far as it is one that has a name."""
    of_contact = taken.contact.field("language") if taken.contact else None
    for one in (taken.customer.text("language"), of_contact):
        if isinstance(one, str) and re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", one):
            return one
    return default


def _in_a_line(text: object) -> str:
    """
    What somebody wrote, as a piece of our sentence.

    Without what breaks the line or turns the direction of all that follows, and no
    longer than a headline: anybody may write to us in a customer's name, and we
    would carry their letter there.
    """
    return cut(one_line(str(text or "")), _MOST)


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-" if "-" in language else "_")
    except (UnknownLocaleError, ValueError):
        return Locale("en")
