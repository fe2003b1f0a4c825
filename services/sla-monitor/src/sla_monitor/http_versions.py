"""`/v1/policy`: the policy in force and before, its schema, what a change would do, and the change."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from rapport.contracts import format_instant
from rapport.rule_file import Fault
from rapport.runtime.clock import Clock
from rapport.runtime.http import require
from rapport.runtime.keys import Key
from rapport.runtime.openapi import refusals
from rapport.runtime.problem import Problem

from sla_monitor.access import team_condition
from sla_monitor.applying import Applications, Superseded
from sla_monitor.domain.applying import Effect, effects, summed
from sla_monitor.domain.policy_book import PolicyBook, PolicyRefused, PolicyVersion, publish
from sla_monitor.domain.policy_schema import policy_schema
from sla_monitor.domain.states import ContactState
from sla_monitor.policies import Policies
from sla_monitor.store import Queries

Watcher = Annotated[Key, Depends(require("watch"))]
Admin = Annotated[Key, Depends(require("admin"))]

_MOST_TEXT: Final = 1_000_000
_SHOWN: Final = 100
Document = Annotated[str, Field(min_length=1, max_length=_MOST_TEXT)]


class Wanted(BaseModel):
    """A policy file's text, as YAML."""

    model_config = ConfigDict(extra="forbid")

    document: Document


class Asked(BaseModel):
    """
    What to look at: a text that is not in force yet, or without one the version in force.

    The answer speaks of `limit` open contacts; `cursor` asks for the next ones.
    """

    model_config = ConfigDict(extra="forbid")

    document: Document | None = None
    limit: int = Field(500, ge=1, le=2000)
    cursor: str = ""


class Application(BaseModel):
    """The version to put upon what is open; it must be the newest."""

    model_config = ConfigDict(extra="forbid")

    version: int


def routes(policies: Policies, applications: Applications, queries: Queries, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/policy", tags=["policy"])

    @router.get("", responses=refusals({404: "there is no version 7 of the policy"}))
    async def get_policy(_: Watcher, version: Annotated[int | None, Query(ge=1)] = None) -> dict[str, Any]:
        """The policy in force, or that version, as written (secrets unexpanded); since when every version counts."""
        return shown(policies, _known(policies.book, version, clock.now()))

    @router.get("/schema")
    async def get_schema() -> dict[str, Any]:
        """JSON Schema of the policy file, for editors; nobody has to sign in for it."""
        return policy_schema()

    _add_changes(router, policies, queries, clock)
    _add_applications(router, policies, applications)
    return router


def _add_changes(router: APIRouter, policies: Policies, queries: Queries, clock: Clock) -> None:
    @router.post("")
    async def post_policy(wanted: Wanted, key: Admin) -> dict[str, Any]:
        """Put a text in force from now on, for contacts opened after it."""
        try:
            version = await policies.publish(wanted.document, key.name)
        except PolicyRefused as error:
            raise _refusal(error) from None
        return shown(policies, version)

    @router.post("/preview")
    async def post_preview(asked: Asked, key: Watcher) -> dict[str, Any]:
        """What putting a version upon what is open would do: clocks that move, breach at once, begin, and end."""
        now, book = clock.now(), policies.book
        after = _after(book, asked.document, now)
        where = {"$and": [{"open": True, "_id": {"$gt": asked.cursor}}, team_condition(key, None)]}
        contacts = await queries.store.find(ContactState, where, limit=asked.limit)
        customers = await queries.customers(contact.customer_id for contact in contacts)
        found: list[tuple[ContactState, Effect]] = []
        for contact in contacts:
            known = customers.get(contact.customer_id)
            found += [(contact, effect) for effect in effects(contact, known, book, after, now)]
        return {
            "version": after.latest.number,
            "cautions": _faults(after.latest.cautions),
            "contacts": len(contacts),
            "touched": len({contact.id for contact, _ in found}),
            **summed([effect for _, effect in found]),
            "policies": _moves(found),
            "changes": [_change(contact, effect) for contact, effect in _worst(found)],
            "cursor": contacts[-1].id if len(contacts) == asked.limit else None,
        }


def _add_applications(router: APIRouter, policies: Policies, applications: Applications) -> None:
    @router.post("/apply", status_code=202, responses=refusals({409: "version 2 is not the newest, which is 3"}))
    async def post_apply(application: Application, key: Admin) -> dict[str, Any] | None:
        """Put the newest version upon everything that is open; done in the background, and once however often asked."""
        try:
            await applications.ask(application.version, key.name)
        except Superseded:
            newest = policies.book.latest.number
            raise Problem(409, f"version {application.version} is not the newest, which is {newest}") from None
        return await applications.shown(application.version)

    @router.get("/apply/{version}", responses=refusals({404: "nobody has asked for version 3 to be applied"}))
    async def get_application(version: Annotated[int, Path(ge=1, lt=1 << 31)], _: Watcher) -> dict[str, Any]:
        """How far putting that version upon what is open has come, and what it has changed."""
        found = await applications.shown(version)
        if found is None:
            raise Problem(404, f"nobody has asked for version {version} to be applied")
        return found


def shown(policies: Policies, version: PolicyVersion) -> dict[str, Any]:
    """A version as the API shows it, beside all others."""
    return {
        "version": version.number,
        "effective_from": format_instant(version.effective_from),
        "published_by": version.published_by,
        "tzdata": version.tzdata,
        "policies": [policy.name for policy in version.file.policies],
        "cautions": _faults(version.cautions),
        "document": version.source,
        "refused": _faults(policies.refused.faults) if policies.refused else [],
        "versions": [
            {
                "version": one.number,
                "effective_from": format_instant(one.effective_from),
                "published_by": one.published_by,
            }
            for one in policies.book.versions
        ],
    }


def _known(book: PolicyBook, number: int | None, now: datetime) -> PolicyVersion:
    if number is None:
        return book.in_force(now)
    version = book.version(number)
    if version.number != number:
        raise Problem(404, f"there is no version {number} of the policy")
    return version


def _after(book: PolicyBook, document: str | None, now: datetime) -> PolicyBook:
    """The book with that text as its next version; as it is where that says nothing new."""
    if document is None or (book.latest.number and book.latest.source == document):
        return book
    since = max(now, book.latest.effective_from)
    try:
        after = book.with_version(publish(document, number=book.latest.number + 1, effective_from=since))
    except PolicyRefused as error:
        raise _refusal(error) from None
    return after.with_closures(book.latest.closures) if book.latest.closures else after


def _refusal(error: PolicyRefused) -> Problem:
    wrong = [(f"/document:{fault.line}:{fault.column}", f"{fault.path}: {fault.reason}") for fault in error.faults]
    return Problem(422, str(error), errors=wrong)


def _faults(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [{"line": f.line, "column": f.column, "path": f.path, "reason": f.reason} for f in faults]


def _moves(found: Sequence[tuple[ContactState, Effect]]) -> list[dict[str, Any]]:
    """How many clocks go from which policy to which."""
    counted = Counter((effect.policy, effect.becomes, effect.kind) for _, effect in found)
    return [
        {"from": before, "to": after, "kind": kind, "clocks": count}
        for (before, after, kind), count in counted.most_common()
    ]


def _worst(found: list[tuple[ContactState, Effect]]) -> list[tuple[ContactState, Effect]]:
    """The first hundred to look at: breaches before everything else, then what falls due first."""

    def order(one: tuple[ContactState, Effect]) -> tuple[bool, bool, str, str]:
        effect = one[1]
        due = format_instant(effect.due_after) if effect.due_after else ""
        return effect.kind != "breaches", effect.due_after is None, due, one[0].id

    return sorted(found, key=order)[:_SHOWN]


def _change(contact: ContactState, effect: Effect) -> dict[str, Any]:
    return {
        "contact_id": contact.id,
        "team": contact.team,
        "owner": contact.owner,
        "target": effect.target,
        "kind": effect.kind,
        "policy": effect.policy,
        "becomes": effect.becomes,
        "due_before": format_instant(effect.due_before) if effect.due_before else None,
        "due_after": format_instant(effect.due_after) if effect.due_after else None,
    }
