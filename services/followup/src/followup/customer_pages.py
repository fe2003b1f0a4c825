"""The two pages that customers see: a survey, and what they want to get from us. No login, no script."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from rapport.contracts.fields import SCORE_RANGE
from rapport.decision import Decision, Ref, States
from rapport.runtime.clock import Clock
from rapport.runtime.openapi import PAGE, refusals
from rapport.runtime.pages import templates
from rapport.runtime.problem import Problem
from rapport.runtime.processor import Processor
from starlette.responses import HTMLResponse

from followup.domain import surveys
from followup.domain.state import CustomerState, Posting, SurveyLink
from followup.domain.timetable import zone_of
from followup.playbook import Playbook
from followup.postings import Postbox
from followup.store import Followup
from followup.telemetry import ANSWERS
from followup.times import spoken
from followup.tokens import Seal, hashed
from followup.words import PURPOSES, WORDS, accepted, direction, speak

_MOST_BYTES: Final = 64_000
_MOST_TOKEN: Final = 2_000
_MOST_PURPOSE: Final = 200
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}


class CustomerPages:
    """Answers with pages in the customer's language; what a customer sends is kept before anything is said."""

    def __init__(
        self,
        processor: Processor,
        store: Followup,
        postbox: Postbox,
        seal: Seal,
        playbook: Playbook,
        clock: Clock,
        language: str,
    ) -> None:
        self._processor = processor
        self._store = store
        self._postbox = postbox
        self._seal = seal
        self._playbook = playbook
        self._clock = clock
        self._language = language
        self._pages = templates("followup")

    # --- the survey -----------------------------------------------------------------

    async def survey(self, request: Request, token: str) -> HTMLResponse:
        """The question. A score in the address is only chosen beforehand: mail scanners follow links."""
        link, customer = await self._find(token)
        if link is None:
            return self._say(request, None, "unknown", 404)
        if why := surveys.closed(link, customer, self._clock.now()):
            return self._say(request, customer, why, 410)
        given = link.answer
        score = _number(request.query_params.get("score")) if given is None else given.score
        if "score" in request.query_params:
            score = _number(request.query_params["score"])
        return self._question(request, link, customer, score, (given.comment if given else None) or "")

    async def answer(self, request: Request, token: str) -> HTMLResponse:
        """Keep the answer, hand it to intake, and say truly which of the two has happened."""
        link, customer = await self._find(token)
        if link is None:
            return self._say(request, None, "unknown", 404)
        form = await _form(request)
        score, comment = _number(form.get("score")), _written(form.get("comment", "")) or None
        low, high = SCORE_RANGE[link.survey]
        if score is None or not low <= score <= high:
            return self._question(request, link, customer, None, comment or "", error="choose")
        if comment and len(comment) > surveys.MOST_COMMENT:
            return self._question(request, link, customer, score, comment, error="too_long")
        why: str | None = None
        number = 0

        def decide(current: SurveyLink | None, states: States, now: datetime) -> Decision[Any]:
            nonlocal why, number
            found = current or link
            why = surveys.closed(found, states.get(CustomerState, found.customer_id), now)
            if why:
                return Decision(why=why)
            decision = surveys.answer(found, score, comment, now)
            newest = next((state for state in decision.states if isinstance(state, SurveyLink)), found)
            number = newest.answer.number if newest.answer else 0
            return decision

        await self._processor.act(SurveyLink, link.id, decide)
        if why:
            return self._say(request, customer, why, 410)
        ANSWERS.labels(link.survey).inc()
        taken = await self._postbox.post(surveys.posting_id(link.id, number))
        until = self._until(request, link, customer)
        return self._say(request, customer, "thanks" if taken else "kept", 200 if taken else 202, until=until)

    # --- what to get ------------------------------------------------------------------

    async def choice(self, request: Request, token: str) -> HTMLResponse:
        """What the link is about, with a button, and what else there is to choose. Looking changes nothing."""
        opened = self._seal.open(token[:_MOST_TOKEN])
        if opened is None:
            return self._say(request, None, "unknown", 404)
        if await self._store.was_erased(opened[0]):
            return self._say(request, None, "stopped", 200)
        customer = await self._store.customer(opened[0])
        wishes = surveys.wishes(customer, opened[1], self._playbook.in_force.rules)
        return self._page("choice.html", request, customer, purpose=opened[1], purposes=PURPOSES, wishes=wishes)

    async def choose(self, request: Request, token: str) -> HTMLResponse:
        """
        Stop messages of one purpose, start them again, or choose for each.

        A mail program sends `List-Unsubscribe=One-Click` (RFC 8058) without anybody
        looking at the page; that stops those that the link is about. Of a choice for
        each only what differs from what the page showed is taken as said.
        """
        opened = self._seal.open(token[:_MOST_TOKEN])
        if opened is None:
            return self._say(request, None, "unknown", 404)
        customer_id, purpose = opened
        form = await _form(request)
        if await self._store.was_erased(customer_id):
            return self._say(request, None, "stopped", 200)
        customer = await self._store.customer(customer_id)
        now = self._clock.now()
        name = f"consent:{hashed(token)[:24]}:{int(now.timestamp() * 1000)}"
        chosen, word = _chosen(form, purpose)
        home = customer.partition if customer else 0
        postings = [f"{name}:{one}" for one in sorted(chosen)]

        def decide(_: Posting | None, __: States, at: datetime) -> Decision[Any]:
            return surveys.change_consent(customer_id, home, chosen, at, name)

        if postings:
            touches = [Ref(Posting, one) for one in postings]
            await self._processor.act(Posting, postings[0], decide, touches=touches, partition=home)
        taken = [await self._postbox.post(posting) for posting in postings]
        if not all(taken):
            return self._say(request, customer, "choice_kept", 202)
        return self._say(request, customer, word, 200)

    # --- pages ------------------------------------------------------------------------

    async def _find(self, token: str) -> tuple[SurveyLink | None, CustomerState | None]:
        link = await self._store.link(hashed(token[:_MOST_TOKEN]))
        return link, await self._store.customer(link.customer_id) if link else None

    def _question(
        self,
        request: Request,
        link: SurveyLink,
        customer: CustomerState | None,
        score: int | None,
        comment: str,
        error: str | None = None,
    ) -> HTMLResponse:
        low, high = SCORE_RANGE[link.survey]
        return self._page(
            "survey.html",
            request,
            customer,
            status=422 if error else 200,
            survey=link.survey,
            scores=range(low, high + 1),
            chosen=score,
            comment=comment,
            error=error,
            most=surveys.MOST_COMMENT,
        )

    def _say(
        self, request: Request, customer: CustomerState | None, word: str, status: int, until: str = ""
    ) -> HTMLResponse:
        return self._page("said.html", request, customer, status=status, word=word, until=until)

    def _until(self, request: Request, link: SurveyLink, customer: CustomerState | None) -> str:
        plays = self._playbook.in_force.plays
        zone = zone_of(customer, plays) if customer else ZoneInfo(plays.timezone)
        return spoken(link.expires_at, zone, self._speak(request, customer))

    def _speak(self, request: Request, customer: CustomerState | None) -> str:
        wish = request.query_params.get("lang")
        own = customer.text("language") if customer else None
        return speak(wish, own, *accepted(request.headers.get("accept-language")), self._language)

    def _page(
        self, name: str, request: Request, customer: CustomerState | None, *, status: int = 200, **facts: Any
    ) -> HTMLResponse:
        language = self._speak(request, customer)
        page = self._pages.get_template(name).render(
            words=WORDS[language],
            language=language,
            direction=direction(language),
            languages=[(code, WORDS[code]["language"]) for code in WORDS],
            **facts,
        )
        return HTMLResponse(page, status, headers={**_HEADERS, "Content-Language": language})


def routes(pages: CustomerPages) -> APIRouter:
    router = APIRouter(tags=["customers' pages"], default_response_class=HTMLResponse)
    answers: dict[int | str, dict[str, Any]] = {
        404: {"description": "no such link", **PAGE},
        410: {"description": "expired, or withdrawn since the contact was opened again", **PAGE},
    }
    formed = {
        **refusals({400: "not a form of ours", 413: "a form here has at most 64000 bytes"}),
        202: {"description": "kept; intake gets it later", **PAGE},
    }

    @router.get("/s/{token}", responses=answers)
    async def survey(request: Request, token: str) -> HTMLResponse:
        """One question and a comment. `?lang=` chooses the language, `?score=` chooses a score beforehand."""
        return await pages.survey(request, token)

    @router.post(
        "/s/{token}",
        responses={**answers, **formed, 422: {"description": "no score that the question has", **PAGE}},
    )
    async def answer(request: Request, token: str) -> HTMLResponse:
        """Form fields `score` and `comment`. An answer may be given anew until the link expires; the last counts."""
        return await pages.answer(request, token)

    @router.get("/u/{token}", responses={404: answers[404]})
    async def choice(request: Request, token: str) -> HTMLResponse:
        """What a customer is about to stop getting, and what they get else."""
        return await pages.choice(request, token)

    @router.post("/u/{token}", responses={**formed, 404: answers[404]})
    async def choose(request: Request, token: str) -> HTMLResponse:
        """One-click unsubscribe (RFC 8058), or the form field `choice`: stop, start, or save a choice for each."""
        return await pages.choose(request, token)

    return router


async def _form(request: Request) -> dict[str, str]:
    """The fields of a plain form, the last of each; Problem 413 for what is larger than any comment."""
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MOST_BYTES:
            raise Problem(413, f"a form here has at most {_MOST_BYTES} bytes")
        chunks.append(chunk)
    text = b"".join(chunks).decode("utf-8", "replace")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=60)
    except ValueError:
        raise Problem(400, "not a form of ours") from None
    return {name: values[-1] for name, values in fields.items()}


def _chosen(form: dict[str, str], purpose: str) -> tuple[dict[str, bool], str]:
    """By purpose what a form grants or withdraws, and the word that says so."""
    choice = form.get("choice")
    if choice != "save":
        return {purpose: choice == "start"}, "started" if choice == "start" else "stopped"
    shown = {name.removeprefix("had."): had == "yes" for name, had in form.items() if name.startswith("had.")}
    wanted = {one: f"want.{one}" in form for one in shown if 0 < len(one) <= _MOST_PURPOSE}
    return {one: granted for one, granted in wanted.items() if granted != shown[one]}, "saved"


def _written(text: str) -> str:
    """What somebody wrote into a box; a form sends each line's end as two characters, which the box counts as one."""
    return text.replace("\r\n", "\n").replace("\0", "").strip()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 2 else None  # noqa: PLR2004 - no score is longer
