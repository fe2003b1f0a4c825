"""Versions of the policy from the operator's side: shown, previewed, published, applied; over HTTP and by command."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sla_monitor.domain.policy_schema import policy_schema

from tests.support.rapport import rapport
from tests.support.sla_service import RunningSla, policy, running_sla, until
from tests.support.stack import Addresses
from tests.support.stack import unique as unique_name

Unique = Callable[[str], str]

NOWHERE = "webhook:http://127.0.0.1:9/"
CONTACTS = 7


@pytest.fixture(scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningSla]:
    """The service with some contacts open that have four hours left, for those who change nothing."""
    async with with_contacts(tmp_path_factory.mktemp("seen"), stack, unique_name("versions")) as running:
        yield running


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Unique) -> AsyncIterator[RunningSla]:
    """The same for one test alone."""
    async with with_contacts(tmp_path, stack, unique("versions")) as running:
        yield running


@contextlib.asynccontextmanager
async def with_contacts(folder: Path, stack: Addresses, name: str) -> AsyncIterator[RunningSla]:
    path = policy(folder, NOWHERE, NOWHERE, within="4h")
    async with running_sla(folder, stack, name, policy=path) as running:
        for number in range(CONTACTS):
            await running.tell("contact.received", f"C-{number}", ago=3600, customer_id=f"K-{number % 3}")
        await until(lambda: all_open(running))
        yield running


async def all_open(sla: RunningSla) -> bool:
    return len((await sla.get("/v1/contacts", status="open")).json()["contacts"]) == CONTACTS


def text(folder: Path, within: str) -> str:
    """A policy that is sent; the file that the service follows stays as it is."""
    aside = folder / "aside"
    aside.mkdir(exist_ok=True)
    return policy(aside, NOWHERE, NOWHERE, within=within).read_text("utf-8")


async def command(sla: RunningSla, *arguments: str, key: str = "admin-key", fails: bool = False) -> str:
    where = ("--url", sla.service.url, "--key", key)
    ended = await asyncio.to_thread(rapport, "policy", *arguments, *where)
    assert (ended.returncode != 0) == fails, ended.stderr + ended.stdout
    return ended.stderr if fails else ended.stdout


async def done_with(sla: RunningSla, version: int) -> dict[str, Any]:
    found = await until(lambda: finished(sla, version))
    assert found
    return found


async def finished(sla: RunningSla, version: int) -> dict[str, Any] | None:
    found: dict[str, Any] = (await sla.get(f"/v1/policy/apply/{version}")).json()
    return found if found["finished_at"] else None


async def test_a_preview_counts_what_would_move_and_breach_at_once_and_changes_nothing(
    seen: RunningSla, tmp_path: Path
):
    answer = (await seen.post("/v1/policy/preview", {"document": text(tmp_path, "2h")}, "watch-key")).json()
    assert (answer["contacts"], answer["moves"], answer["breaches"]) == (CONTACTS, CONTACTS, 0)
    answer = (
        await seen.post("/v1/policy/preview", {"document": text(tmp_path, "30m"), "limit": 3}, "watch-key")
    ).json()
    assert (answer["contacts"], answer["breaches"]) == (3, 3)
    assert answer["cursor"] == "C-2"
    assert {change["kind"] for change in answer["changes"]} == {"breaches"}
    assert (await seen.get("/v1/policy")).json()["version"] == 1


async def test_a_team_previews_its_own_contacts_alone(seen: RunningSla, tmp_path: Path):
    answer = (await seen.post("/v1/policy/preview", {"document": text(tmp_path, "2h")}, "mail-key")).json()
    assert answer["contacts"] == 0


async def test_a_text_that_is_wrong_is_refused_with_line_and_column(seen: RunningSla, tmp_path: Path):
    wrong = text(tmp_path, "2h").replace("name: quick", "nam: quick")
    for path, key in (("/v1/policy/preview", "watch-key"), ("/v1/policy", "admin-key")):
        answer = await seen.post(path, {"document": wrong}, key)
        assert answer.status_code == 422
        assert "did you mean 'name'?" in answer.json()["detail"]
        assert answer.json()["errors"][0]["pointer"].startswith("/document:")
    assert (await seen.get("/v1/policy")).json()["version"] == 1


async def test_only_an_admin_publishes_and_applies(seen: RunningSla, tmp_path: Path):
    assert (await seen.post("/v1/policy", {"document": text(tmp_path, "2h")}, "ada-key")).status_code == 403
    assert (await seen.post("/v1/policy/apply", {"version": 1}, "ada-key")).status_code == 403
    assert (await seen.post("/v1/policy/apply", {"version": 7}, "admin-key")).status_code == 409
    assert (await seen.get("/v1/policy/apply/1")).status_code == 404
    assert (await seen.get(f"/v1/policy/apply/{1 << 64}")).status_code == 422


async def test_what_is_applied_is_listed_and_never_paged_and_asking_again_changes_nothing(
    sla: RunningSla, tmp_path: Path
):
    published = (await sla.post("/v1/policy", {"document": text(tmp_path, "30m")}, "admin-key")).json()
    assert (published["version"], published["published_by"]) == (2, "root")
    asked = await sla.post("/v1/policy/apply", {"version": 2}, "admin-key")
    assert asked.status_code == 202
    done = await done_with(sla, 2)
    assert (done["contacts"], done["breaches"], done["moves"]) == (CONTACTS, CONTACTS, 0)

    async def all_listed() -> bool:
        alerts = (await sla.get("/v1/alerts")).json()["alerts"]
        return len([one for one in alerts if one["state"] == "breached"]) == CONTACTS

    await until(all_listed)
    alerts = (await sla.get("/v1/alerts")).json()["alerts"]
    assert not any(alert["paged"] or alert["next_step_at"] for alert in alerts)

    async def all_told() -> list[dict[str, Any]]:
        events = await sla.told("sla.rescheduled")
        return events if len(events) >= CONTACTS else []

    moved = await until(all_told)
    assert {event["data"]["cause"] for event in moved} == {"policy.published"}
    assert {event["causationid"] for event in moved} == {"policy/2"}

    await sla.post("/v1/policy/apply", {"version": 2}, "admin-key")
    assert (await done_with(sla, 2))["contacts"] == CONTACTS
    assert len(await until(all_told)) == CONTACTS


async def test_an_application_goes_on_where_it_stopped(sla: RunningSla, tmp_path: Path):
    """Stopped in the middle and asked for anew by the start of a service: everything is done, and counted once."""
    rows = sla.service.database["policy_applications"]
    await sla.post("/v1/policy", {"document": text(tmp_path, "2h")}, "admin-key")
    await sla.post("/v1/policy/apply", {"version": 2}, "admin-key")
    await done_with(sla, 2)
    await rows.update_one({"_id": 2}, {"$set": {"after": "C-2", "finished_at": None}})
    done = await done_with(sla, 2)
    assert (done["contacts"], done["moves"]) == (CONTACTS, CONTACTS)


async def test_a_version_that_a_newer_one_overtakes_is_given_up(sla: RunningSla, tmp_path: Path):
    rows = sla.service.database["policy_applications"]
    for within in ("2h", "3h"):
        await sla.post("/v1/policy", {"document": text(tmp_path, within)}, "admin-key")
    row = {"_id": 2, "by": "root", "asked_at": sla.service.clock.now(), "after": "", "open": 0}
    await rows.insert_one({**row, "finished_at": None, "superseded": False})
    assert (await done_with(sla, 2))["superseded"]
    assert (await sla.get("/v1/contacts/C-0")).json()["policy_version"] == 1


async def test_a_changed_file_is_taken_over_without_a_restart_and_a_wrong_one_is_not(sla: RunningSla, tmp_path: Path):
    policy(tmp_path, NOWHERE, NOWHERE, within="2h")

    async def version() -> int | None:
        found = (await sla.get("/v1/policy")).json()
        return found["version"] if found["version"] > 1 else None

    assert await until(version) == 2
    (tmp_path / "policy.yaml").write_text("policies: [", "utf-8")

    async def refused() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await sla.get("/v1/policy")).json()["refused"]
        return found

    [fault] = await until(refused)
    assert fault["line"] == 1
    assert await version() == 2


async def test_a_file_that_says_nothing_or_is_not_there_changes_nothing_and_is_told(sla: RunningSla, tmp_path: Path):
    async def refused(reason: str) -> bool:
        found = (await sla.get("/v1/policy")).json()
        assert found["version"] == 1
        return any(reason in fault["reason"] for fault in found["refused"])

    file = tmp_path / "policy.yaml"
    sound = file.read_text("utf-8")
    for written in (b"", b"# soon\n---\n"):
        file.write_bytes(written)
        await until(lambda: refused("says nothing"))
    file.write_bytes(b"\xff")
    await until(lambda: refused("can't be read"))
    file.unlink()
    await until(lambda: refused("No such file"))
    file.write_text(sound, "utf-8")

    async def sound_again() -> bool:
        return not (await sla.get("/v1/policy")).json()["refused"]

    await until(sound_again)
    assert (await sla.get("/v1/policy")).json()["version"] == 1


async def test_what_somebody_published_outlives_a_restart_with_the_old_file(
    tmp_path: Path, stack: Addresses, unique: Unique
):
    name, path = unique("versions"), policy(tmp_path, NOWHERE, NOWHERE, within="4h")
    old = path.read_text("utf-8")
    async with running_sla(tmp_path, stack, name, keep=True, policy=path) as sla:
        await sla.post("/v1/policy", {"document": old.replace("4h", "3h")}, "admin-key")
        assert (await sla.get("/v1/policy")).json()["version"] == 2
    async with running_sla(tmp_path, stack, name, policy=path) as sla:
        assert (await sla.get("/v1/policy")).json()["version"] == 2
        assert (await sla.get("/v1/policy", version=1)).json()["document"] == old
        assert (await sla.get("/v1/policy", version=9)).status_code == 404
        assert (await sla.http.get("/v1/policy/schema")).json() == policy_schema()


async def test_the_commands_show_preview_and_apply(sla: RunningSla, tmp_path: Path):
    shown = json.loads(await command(sla, "show", key="watch-key"))
    assert shown["version"] == 1
    assert await command(sla, "show", "--document", "--version", "1", key="watch-key") == shown["document"]

    new = tmp_path / "new.yaml"
    new.write_text(shown["document"].replace("within: 4h", "within: 30m"), "utf-8")
    said = await command(sla, "preview", str(new), key="watch-key")
    assert "of 7 open contacts 7 are touched: 7 clocks move, 7 breach at once (listed, not paged)" in said
    as_json = json.loads(await command(sla, "preview", str(new), "--json", key="watch-key"))
    assert as_json["breaches"] == CONTACTS
    assert (await sla.get("/v1/policy")).json()["version"] == 1

    assert "403" in await command(sla, "apply", str(new), "--yes", key="ada-key", fails=True)
    said = await command(sla, "apply", str(new), "--yes")
    assert "version 2 is in force" in said
    assert "version 2 is applied to 7 contacts: 7 clocks moved, 7 breached at once" in said
    said = await command(sla, "apply", "--yes")
    assert "of 7 open contacts 0 are touched" in said


async def test_a_policy_can_be_put_in_force_for_new_contacts_alone(sla: RunningSla, tmp_path: Path):
    new = tmp_path / "new.yaml"
    new.write_text(text(tmp_path, "4h").replace("within: 4h", "within: 2h"), "utf-8")
    assert "version 2 is in force" in await command(sla, "apply", str(new), "--yes", "--new-only")
    assert (await sla.get("/v1/policy/apply/2")).status_code == 404
    assert (await sla.get("/v1/contacts/C-0")).json()["policy_version"] == 1
    await sla.tell("contact.received", "C-new", customer_id="K-9")

    async def opened() -> bool:
        answer = await sla.get("/v1/contacts/C-new")
        return answer.status_code == 200 and answer.json()["policy_version"] == 2

    await until(opened)
