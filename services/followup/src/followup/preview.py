"""Every message that a plays file can send, as it reads for a sample customer, and what is missing or falls back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage, MIMEPart
from typing import Any, Final

from rapport.contracts.fields import SurveyKind
from rapport.contracts.vocabulary import meant
from rapport.runtime import telemetry

from followup.domain.plays import TEXT_CHANNELS, Plays, Sender, Step
from followup.domain.reach import Route
from followup.domain.rule_book import RuleBook
from followup.domain.sending import Taken
from followup.domain.state import Contact, CustomerState, Followup, Value
from followup.mails import Links, Writer
from followup.tokens import Seal
from followup.wording import Chosen, TemplateFile, Unwritable, Wording

log = telemetry.logger()

_TOKEN: Final = "sample"  # noqa: S105 - of a link that leads nowhere
_LINKS: Final = Links("https://care.example.org", Seal(b"preview"))
_PROMISED_IN: Final = timedelta(hours=4)
_CUSTOMER: Final[dict[str, Value]] = {"name": "Ada Rossi", "title": "Dr."}
_MAIL: Final = "ada@example.org"
_PHONE: Final = "+49301234567"
_CONTACT: Final[dict[str, Value]] = {"subject": "Invoice 4711", "reference": "T-2026-17", "channel": "email"}
_SENDER: Final = Sender.model_validate({"from": "care@example.org", "url": "smtp://localhost"})


@dataclass(frozen=True, slots=True)
class Use:
    """What a template is used for, and the steps of plays that use it so."""

    template: str
    survey: SurveyKind | None
    purpose: str
    way: Route
    steps: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        return self.way.channel != "email"


@dataclass(slots=True)
class Rendering:
    """
    One message in one language and form of address.

    `notes` say what falls back, `problems` why a customer of this kind would get no message, or a useless one.
    """

    use: Use
    language: str
    form: str | None
    wanted: str | None = None
    file: str | None = None
    subject: str = ""
    text: str = ""
    html: str | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What its file would be called, if each had its own."""
        short = "short" if self.use.is_text else None
        return ".".join(part for part in (self.use.template, self.language, self.form, short) if part)

    @property
    def falls_back(self) -> bool:
        return self.file != self.wanted

    def document(self) -> dict[str, Any]:
        return {
            "template": self.use.template,
            "survey": self.use.survey,
            "purpose": self.use.purpose,
            "channel": self.use.way.channel,
            "steps": self.use.steps,
            "language": self.language,
            "form_of_address": self.form,
            "wanted": self.wanted,
            "file": self.file,
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "notes": self.notes,
            "problems": self.problems,
        }


def preview(plays: Plays, wording: Wording, now: datetime) -> list[Rendering]:
    """
    All messages of the plays, in each language and form of address that any template is written in.

    Each is made twice: for a customer of whom all is known, which is shown, and for
    one of whom nothing is.
    """
    written = wording.files()
    lacking = missing(plays, wording)
    languages = sorted({wording.language, *(file.language for file in written)})
    found = []
    for use in uses(plays):
        if use.template not in lacking:
            wanted = [(language, form) for language in languages for form in _forms(use.template, language, written)]
            found += [_rendered(Rendering(use, language, form), plays, wording, now) for language, form in wanted]
        else:
            found.append(Rendering(use, wording.language, None, problems=[lacking[use.template]]))
    return found


def missing(plays: Plays, wording: Wording) -> dict[str, str]:
    """The templates that plays name and that are nowhere, each with what to say of it."""
    names = {file.name for file in wording.files()}
    wanted = {use.template for use in uses(plays)} - names
    return {name: f"no template is called {name!r}{meant(name, names)}" for name in sorted(wanted)}


def warn_of_missing(wording: Wording, book: RuleBook) -> None:
    """Log what the newest plays name and nobody has written: each message of it would fail when it is due."""
    _, newest = book.versions[-1]
    for name, reason in missing(newest.plays, wording).items():
        log.warning("a template is missing; what it should say can't be sent", template=name, reason=reason)


def uses(plays: Plays) -> list[Use]:
    """What the plays use templates for, as mails and as texts, in the order of the file."""
    found: dict[tuple[str, SurveyKind | None, str, Route], list[str]] = {}
    for play in plays.plays:
        for number, step in enumerate(play.steps, start=1):
            if step.do != "check_in" and step.template:
                for way in _ways(step, plays):
                    name = f"{play.name}, step {number}"
                    found.setdefault((step.template, step.survey, step.purpose, way), []).append(name)
    return [Use(*use, tuple(steps)) for use, steps in found.items()]


def _ways(step: Step, plays: Plays) -> list[Route]:
    """A mail and a text, where the step asks for neither; all channels for texts get the same."""
    asked = {step.via} if step.via else plays.senders.keys()
    text = next((channel for channel in TEXT_CHANNELS if channel in asked), None)
    ways = [Route("email", step.sender, _MAIL)] if step.via in {None, "email"} else []
    return [*ways, Route(text, text, _PHONE)] if text else ways


def _forms(template: str, language: str, written: Iterable[TemplateFile]) -> list[str | None]:
    """No form of address, and those that somebody has written this template in."""
    forms = {one.form for one in written if (one.name, one.language) == (template, language) and one.form}
    return [None, *sorted(forms)]


def _rendered(one: Rendering, plays: Plays, wording: Wording, now: datetime) -> Rendering:
    writer = Writer(wording)
    sender = one.use.way.sender
    plays = plays.model_copy(update={"senders": {sender: plays.senders.get(sender, _SENDER)}})
    taken = _sample(one, now, known=True)
    try:
        chosen = writer.choose(taken)
        one.wanted, one.file = chosen.wanted, chosen.file
        one.notes += _fall_backs(chosen, one.use)
        known = writer.facts(taken, _TOKEN, plays, _LINKS, chosen.language).keys()
        one.problems += _unknown(chosen, wording, frozenset(known))
        if one.problems:
            return one
        for who in (_sample(one, now, known=False), taken):
            if one.use.is_text:
                one.text = writer.write_text(who, chosen, _TOKEN, plays, _LINKS)
            else:
                _keep(one, writer.write(who, chosen, _TOKEN, plays, _LINKS, now))
    except Unwritable as error:
        one.problems.append(str(error))
        return one
    one.problems += _left_out(one)
    return one


def _keep(one: Rendering, mail: EmailMessage) -> None:
    one.subject = mail["Subject"]
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    one.text = _read(text) if text else ""
    one.html = _read(html) if html else None


def _read(part: MIMEPart) -> str:
    said: str = part.get_content()
    return said.replace("\r\n", "\n")


def _fall_backs(chosen: Chosen, use: Use) -> Iterator[str]:
    if chosen.falls_back:
        yield f"falls back: there is no {chosen.wanted}, {chosen.file} is sent"
    if chosen.html is None and not use.is_text:
        yield f"there is no HTML beside {chosen.file}: text alone is sent"


def _unknown(chosen: Chosen, wording: Wording, known: frozenset[str]) -> Iterator[str]:
    """Variables that nobody fills, also where this sample's message gets along without them."""
    for part in filter(None, (chosen.text, chosen.html)):
        for file, variable in wording.asked(part.name or ""):
            if variable not in known:
                yield f"{file}: there is no variable {variable!r}{meant(variable, known)}"


def _left_out(one: Rendering) -> Iterator[str]:
    if not one.subject and not one.use.is_text:
        yield f"{one.file}: has no subject; the first line is it"
    for form, said in (("text", one.text), ("HTML", one.html)):
        if said is not None and one.use.survey and _LINKS.survey(_TOKEN) not in said:
            yield f"{one.file}: the {form} has no link to the survey; {{{{ survey_url }}}} is it"


def _sample(one: Rendering, now: datetime, *, known: bool) -> Taken:
    key = (int(now.timestamp() * 1000), -1, "", 0, "preview")
    profile = {"language": one.language, "form_of_address": one.form, **(_CUSTOMER if known else {})}
    customer = CustomerState(id="K-1", partition=0, profile={name: (key, value) for name, value in profile.items()})
    contact = Contact(opened=(key, _CONTACT if known else {}), touched_at=now)
    followup = Followup(
        id="fu-sample",
        play="",
        step=0,
        do="survey" if one.use.survey else "message",
        survey=one.use.survey,
        template=one.use.template,
        purpose=one.use.purpose,
        sender=one.use.way.sender,
        trigger_type="",
        trigger_key=key,
        contact_id="C-1",
        promised_at=now + _PROMISED_IN if known else None,
        due_at=now,
        patient_until=now,
        release_at=now,
    )
    return Taken(followup, customer.but(contacts={"C-1": contact}), contact, None, one.use.way)
