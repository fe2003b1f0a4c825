"""What is held back, what is folded, what is told again; and links that nobody can forge."""

import re
import string
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sla_monitor.domain.audit import Finding, Report, listeners
from sla_monitor.domain.grouping import AT_ONCE, folded, in_pieces, rest_after, to_repeat
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy import Grouping
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.silences import Endless, Silence, judge
from sla_monitor.links import Link, Links, NoLink
from sla_monitor.policies import Policies
from sla_monitor.settings import SlaSettings
from sla_monitor.silences import Holding, Silences
from sla_monitor.sources import Sources
from sla_monitor.store import Reading

from tests.support.clock import ManualClock
from tests.support.sla import at, book, policy, targets
from tests.support.sla import notification as waiting

NOON = at("12:00")


@pytest.mark.parametrize(("look", "rest"), [(0.01, 0.25), (0.5, 4.5), (600, 5.0), (-3600, 0.25)])
def test_the_sender_rests_after_a_long_look_but_not_as_long_as_an_outage_or_a_jump_of_the_clock(look, rest):
    assert rest_after(timedelta(seconds=look)) == rest


def test_a_message_that_an_older_version_wrote_is_read_without_what_it_kept_besides():
    older = waiting().stored().replace("{", '{"text":"BREACHED 1 s · #4711 · Ms Rossi",', 1)
    assert NotificationState.restored(older) == waiting()


class _Silences(Silences):
    def __init__(self, *active: Silence) -> None:
        self._known = list(active)

    async def since(self, instant: datetime) -> list[Silence]:
        return [one for one in self._known if one.starts_at <= NOON and one.ends_at > instant]


class _Reading(Reading):
    def __init__(self, stamps: dict[int, datetime]) -> None:
        self._stamps = stamps

    async def stamps(self) -> dict[int, datetime]:
        return self._stamps


class _Sources(Sources):
    def __init__(self, *silent: str) -> None:
        self._known = dict.fromkeys(silent, at("11:00"))

    @property
    def silent(self) -> dict[str, datetime]:
        return self._known


class _Policies(Policies):
    def __init__(self, under: PolicyBook) -> None:
        self.book = under


async def holding(
    *silences: Silence,
    read: dict[int, datetime] | None = None,
    silent: Sources | None = None,
    under: PolicyBook | None = None,
    now: datetime = NOON,
) -> Holding:
    limit, hold = timedelta(seconds=60), timedelta(hours=1)
    known = _Policies(under or book())
    found = (_Silences(*silences), _Reading(read or {}), silent or _Sources(), known, ManualClock(now))
    made = Holding(*found, lag_limit=limit, silent_hold=hold)
    await made.refresh()
    return made


def silence(**match: tuple[str, ...]) -> Silence:
    return Silence("s-1", match, at("11:00"), at("13:00"), "moving", "ada")


async def test_a_message_waits_since_the_last_silence_that_muted_it_and_no_longer_than_that():
    ended = Silence("s-2", {"team": ("billing",)}, at("09:00"), at("11:59"), "moving", "ada")
    long_ago = Silence("s-3", {"team": ("shop",)}, at("-2 09:00"), at("-1 11:00"), "moving", "ada")
    held = await holding(ended, long_ago, silence(team=("mail",)))
    assert held.silencing({"team": "billing"}) is None
    assert held.silenced_until({"team": "billing"}) == at("11:59")
    assert held.silenced_until({"team": "shop"}) < at("-1 12:00")
    assert held.silencing({"team": "mail"})
    assert held.silenced_until({"team": "mail"}) == at("13:00")


async def test_breaches_of_a_partition_whose_events_lag_are_held_back_and_no_others():
    held = await holding(read={0: at("11:58"), 1: at("11:59:30")})
    assert held.why(waiting(), {}) == "its events lag"
    assert held.why(waiting(partition=1), {}) == ""
    assert held.why(waiting(kind="warning"), {}) == ""
    assert held.why(waiting(kind="cleared"), {}) == ""
    assert held.lagging == {0: at("11:58")}


async def test_breaches_of_a_source_that_has_fallen_silent_are_held_back_for_an_hour_and_no_others():
    held = await holding(silent=_Sources("/crm"))
    assert held.why(waiting(source="/crm"), {}) == "its source is silent"
    assert held.why(waiting(source="/shop"), {}) == ""
    assert held.why(waiting(source="/crm", kind="warning"), {}) == ""
    assert held.why(waiting(source="/crm", kind="cleared"), {}) == ""
    assert held.why(waiting(source="/crm", due=at("11:00")), {}) == ""


async def test_a_silence_holds_back_what_matches_all_of_it_and_never_that_all_is_well():
    held = await holding(silence(team=("billing", "sales"), target=("first_response",)))
    facts = {"team": "billing", "target": "first_response"}
    assert held.why(waiting(), facts) == "silenced by ada until 2026-03-02 13:00 UTC"
    assert held.why(waiting(), {**facts, "team": "mail"}) == ""
    assert held.why(waiting(), {**facts, "target": "update"}) == ""
    assert held.why(waiting(kind="cleared"), facts) == ""


IN_HOURS = book(targets("first_response: {within: 4h}", rest="grouping: {wait: 10s, interval: 5m, repeat: 1h}"))


@pytest.mark.parametrize(
    ("due", "now", "kept"),
    [
        ("16:59", "17:05", False),
        ("16:59", "17:05:10", False),
        ("16:59", "17:05:10.001", True),
        ("16:59", "Tue 08:59", True),
        ("16:59", "Tue 09:00", False),
        ("Tue 09:00", "Tue 16:59", False),
    ],
)
async def test_what_was_kept_past_the_hours_in_which_it_may_ring_waits_for_the_next_opening(due, now, kept):
    held = await holding(under=IN_HOURS, now=at(now))
    why = "it may ring in business hours only"
    assert held.why(waiting(due=at(due), calendar="office"), {}) == (why if kept else "")
    assert held.why(waiting(due=at(due)), {}) == ""
    assert held.why(waiting(due=at(due), calendar="office", kind="cleared"), {}) == ""


async def test_what_waits_for_the_opening_is_overdue_from_that_on():
    held = await holding(under=IN_HOURS, now=at("Tue 09:10"))
    assert held.waits_since(waiting(due=at("16:59"), calendar="office"), {}) == at("Tue 09:00")
    assert held.waits_since(waiting(due=at("Tue 09:05"), calendar="office"), {}) == at("Tue 09:05")
    assert held.waits_since(waiting(due=at("16:59")), {}) == at("16:59")


@pytest.mark.parametrize(
    ("match", "ends"),
    [
        ({}, "13:00"),
        ({"team": ()}, "13:00"),
        ({"mood": ("bad",)}, "13:00"),
        ({"team": ("billing",)}, "11:00"),
        ({"team": ("billing",)}, "+91 12:00"),
    ],
)
def test_a_silence_without_an_end_or_without_anything_to_match_is_none(match: dict[str, Any], ends: str):
    with pytest.raises(Endless):
        judge(match, NOON, at(ends), NOON)


def test_steps_that_were_missed_are_folded_into_the_latest():
    first, second = waiting(1, level=1), waiting(2, level=2, due=at("12:15"))
    other = waiting(3, alert_id="C-2/first_response/1")
    assert folded([first, second, other]) == ([second, other], [first])


def test_a_group_is_told_again_after_its_time_to_repeat_and_only_of_breaches():
    sent = {"desk#0/breach/billing/mail": at("11:00"), "desk#0/cleared/billing/mail": at("11:00")}
    every = Grouping.model_validate({"repeat": "1h"})
    assert to_repeat(sent, every, at("11:59:59")) == []
    assert to_repeat(sent, every, NOON) == ["desk#0/breach/billing/mail"]
    assert to_repeat(sent, Grouping(), NOON) == []


def links(clock: ManualClock, secret: str = "of these tests") -> Links:  # noqa: S107 - as it says
    settings = SlaSettings(secret=SecretStr(secret))
    rows: Any = {"secrets": None, "messages": None}
    return Links(settings, rows, clock, lifetime=timedelta(days=3), url="https://sla.example/")


def test_a_link_is_for_one_message_to_one_receiver_and_ends():
    clock = ManualClock(NOON)
    token = links(clock).token(Link("msg_1", "desk"))
    assert links(clock).read(token) == Link("msg_1", "desk")
    clock.advance(3 * 86_400)
    with pytest.raises(NoLink) as late:
        links(clock).read(token)
    assert late.value.late


@pytest.mark.parametrize("spoil", [lambda t: t[1:], lambda t: t[:-2], lambda t: t.replace(".", ""), lambda _: "é.é"])
def test_an_altered_token_opens_nothing(spoil: Any):
    clock = ManualClock(NOON)
    token = links(clock).token(Link("msg_1", "desk"))
    with pytest.raises(NoLink) as wrong:
        links(clock).read(spoil(token))
    assert not wrong.value.late
    with pytest.raises(NoLink):
        links(clock, "another secret").read(token)


@pytest.mark.parametrize("name", ["msg_1", "msg_12", "msg_123"])
def test_a_token_with_any_one_letter_altered_opens_nothing(name: str):
    ours = links(ManualClock(NOON))
    token = ours.token(Link(name, "desk"))
    for place, letter in enumerate(token):
        for other in {*string.ascii_letters, *string.digits, "-", "_", ".", "="} - {letter}:
            with pytest.raises(NoLink):
                ours.read(f"{token[:place]}{other}{token[place + 1 :]}")


def test_the_auditor_tells_whom_the_policy_names_and_never_whom_it_is_about():
    rest = "receivers: {desk: {url: 'json://a'}, lead: {url: 'json://b'}, boss: {url: 'json://c'}}"
    steps = "escalations: {up: [{after: 0m, notify: [desk]}, {after: 1h, notify: [boss]}]}"
    assert listeners(policy(f"{rest}\n{steps}").file) == ["boss"]
    assert listeners(policy(f"{rest}\n{steps}").file, "boss") == ["desk", "lead"]
    assert listeners(policy(f"{rest}\nauditor: [lead, boss]").file, "boss") == ["lead"]


def test_trouble_is_one_alert_to_alertmanager_and_one_incident_to_pagerduty():
    finding = Finding("receiver_failing", "desk has not taken 8 messages in a row", "desk")
    begun = Report(finding, at("11:50"), NOON, "https://sla.example")
    over = Report(finding, at("11:50"), at("12:30"), "https://sla.example", ended_at=at("12:30"))
    [[firing]] = begun.posts("alertmanager")
    [[resolved]] = over.posts("alertmanager")
    assert firing["labels"] == resolved["labels"]
    assert resolved["endsAt"] == "2026-03-02T12:30:00Z"
    [trigger], [resolve] = begun.posts("pagerduty"), over.posts("pagerduty")
    assert trigger["dedup_key"] == resolve["dedup_key"] == "audit/receiver_failing/desk"
    assert begun.text.startswith("ALERTING IN TROUBLE · desk has not taken")


def test_the_name_of_a_trouble_is_fit_for_a_header_whatever_its_receiver_is_called():
    names = set()
    for about in ("Büro", "2.floor", "a\nb"):
        finding = Finding("receiver_failing", "has not taken 8 messages in a row", about)
        begun = Report(finding, at("11:50"), NOON, "")
        over = Report(finding, at("11:50"), at("12:30"), "", ended_at=at("12:30"))
        assert begun.name == Report(finding, at("11:50"), at("12:10"), "").name
        names |= {begun.name, over.name}
    assert len(names) == 6
    assert all(re.fullmatch(r"[\w\-]+", name, re.ASCII) for name in names)


def test_pagerduty_is_told_of_so_many_incidents_at_a_time_and_a_storm_is_one():
    own = [(f"C-{n}", [f"C-{n}"]) for n in range(2 * AT_ONCE + 5)]
    pieces = in_pieces(own, lambda one: one[1])
    assert [len(piece) for piece in pieces] == [AT_ONCE, AT_ONCE, 5]
    assert [one for piece in pieces for one in piece] == own
    storm = [(f"C-{n}", ["storm/1"]) for n in range(1000)]
    assert in_pieces(storm, lambda one: one[1]) == [storm]
    unknown: list[tuple[str, list[str]]] = [("C-1", []), ("C-2", [])]
    assert in_pieces(unknown, lambda one: one[1]) == [unknown]
    many = [("C-1", [f"C-1/{n}" for n in range(2 * AT_ONCE)])]
    assert in_pieces(many, lambda one: one[1]) == [many]
