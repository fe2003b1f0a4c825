"""Messages on their way to receivers: what is sent, what is refused, what is tried again."""

import base64
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from rapport.runtime.addresses import is_internal
from rapport.runtime.clock import SystemClock
from rapport.runtime.mongo import connect
from sla_monitor.delivery import Delivery, Letter, judge, seconds_until, sign
from sla_monitor.receivers import Health, wait_after

from tests.support.clock import ManualClock
from tests.support.receivers import Receiver, receiver
from tests.support.stack import Addresses

LETTER = Letter("msg_1", "One line", {"version": "4", "text": "One line ü"}, title="Title")


@pytest.fixture
async def delivery() -> AsyncIterator[Delivery]:
    made = Delivery(SystemClock(), timeout=30, allow_internal=True)
    yield made
    await made.close()


async def test_a_webhook_gets_json_under_its_own_host_with_an_id_and_a_time(delivery: Delivery, desk: Receiver):
    address = desk.address.replace("127.0.0.1", "localhost")
    assert (await delivery.send(address, LETTER)).ok
    [request] = desk.taken
    assert request.body == LETTER.body
    assert request.headers["host"] == address.removeprefix("webhook:http://").partition("/")[0]
    assert request.headers["webhook-id"] == "msg_1"
    assert "webhook-signature" not in request.headers


async def test_a_redirect_to_inside_this_machine_is_not_followed_by_a_webhook(delivery: Delivery, desk: Receiver):
    with receiver() as inside:
        desk.statuses, desk.headers = [302], {"location": inside.url}
        outcome = await delivery.send(desk.address, LETTER)
        assert (outcome.ok, outcome.again, outcome.detail) == (False, False, "HTTP 302")
        assert inside.seen == []


async def test_a_receiver_that_answers_500_for_an_hour_is_tried_once_a_minute_and_believed_once_it_takes_one(
    stack: Addresses, unique: Callable[[str], str], desk: Receiver
):
    clock, client = ManualClock(), connect(stack.mongodb)
    database = client[unique("health")]
    health, delivery = Health(database, clock), Delivery(clock, timeout=30, allow_internal=True)
    desk.statuses = [500] * 1000
    over = clock.now() + timedelta(hours=1)
    while clock.now() < over:
        if health.closed_until("desk") is None:
            await health.note("desk", await delivery.send(desk.address, LETTER))
        clock.advance(1)
    assert 60 <= len(desk.seen) <= 130
    assert health.failures("desk") == len(desk.seen)
    assert await health.failing(["desk"]) == 1
    assert (await health.rows())["desk"]["last_error"]["error"] == "HTTP 500"
    desk.statuses = []
    clock.advance(60)
    assert health.closed_until("desk") is None
    await health.note("desk", await delivery.send(desk.address, LETTER))
    assert (health.failures("desk"), await health.failing(["desk"])) == (0, 0)
    await delivery.close()
    await client.drop_database(database.name)
    client.close()


async def test_a_secret_signs_and_never_travels(delivery: Delivery, desk: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DESK_SECRET", "whsec_c2VjcmV0")
    assert (await delivery.send(f"{desk.address}#secret=${{DESK_SECRET}}", LETTER)).ok
    [request] = desk.taken
    assert "secret" not in request.path
    stamp = request.headers["webhook-timestamp"]
    assert request.headers["webhook-signature"] == sign("whsec_c2VjcmV0", "msg_1", stamp, request.content)


async def test_while_a_secret_is_exchanged_whoever_has_either_can_verify(delivery: Delivery, desk: Receiver):
    assert (await delivery.send(f"{desk.address}#secret=whsec_bmV3&secret=whsec_b2xk", LETTER)).ok
    [request] = desk.taken
    stamp = request.headers["webhook-timestamp"]
    new, old = (sign(secret, "msg_1", stamp, request.content) for secret in ("whsec_bmV3", "whsec_b2xk"))
    assert request.headers["webhook-signature"] == f"{new} {old}"


def test_the_signature_is_that_of_standard_webhooks():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    content = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", content) == expected


@pytest.mark.parametrize("secret", ["whsec_++++/v7+Gb/0+A==", "whsec_++++/v7+Gb/0+A", "++++/v7+Gb/0+A=="])
async def test_a_secret_of_any_base_64_signs_as_whoever_verifies_reads_it(
    delivery: Delivery, desk: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str
):
    """As the libraries of Standard Webhooks do it: the prefix off, padded, decoded."""
    monkeypatch.setenv("DESK_SECRET", secret)
    assert (await delivery.send(f"{desk.address}#secret=${{DESK_SECRET}}", LETTER)).ok
    [request] = desk.taken
    key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    signed = f"msg_1.{request.headers['webhook-timestamp']}.".encode() + request.content
    expected = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


async def test_no_redirect_is_followed(delivery: Delivery, desk: Receiver):
    desk.statuses, desk.headers = [302], {"location": "/elsewhere"}
    outcome = await delivery.send(desk.address, LETTER)
    assert (outcome.ok, outcome.again, outcome.detail) == (False, False, "HTTP 302")
    assert len(desk.seen) == 1


INSIDE = ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0.0.0.0", "[::ffff:127.0.0.1]")  # noqa: S104 - refused


@pytest.mark.parametrize("host", INSIDE)
async def test_addresses_inside_the_machine_are_refused_unless_allowed(host: str):
    strict = Delivery(SystemClock(), timeout=30, allow_internal=False)
    outcome = await strict.send(f"webhook:http://{host}:9/x", LETTER)
    assert (outcome.ok, outcome.again) == (False, False)
    assert "inside this machine or link-local" in outcome.detail
    through_apprise = await strict.send(f"json://{host}:9/x", LETTER)
    assert (through_apprise.ok, through_apprise.again) == (False, False)
    await strict.close()


def test_private_networks_are_no_part_of_this_machine():
    assert not is_internal("10.0.0.7")
    assert not is_internal("fd00::1")
    assert is_internal("fe80::1%eth0")


async def test_apprise_carries_everything_else(delivery: Delivery, desk: Receiver):
    outcome = await delivery.send(desk.url.replace("http://", "json://"), LETTER)
    assert outcome.ok
    assert desk.taken[0].body["message"] == "One line"
    unknown = await delivery.send("nosuchthing://x", LETTER)
    assert (unknown.ok, unknown.again) == (False, False)


async def test_where_messages_have_no_title_the_line_is_said_once(delivery: Delivery, desk: Receiver):
    there = desk.url.replace("http://", "mmost://").replace("/hook", f"/{'3ccd' * 8}")
    assert (await delivery.send(there, LETTER)).ok
    assert desk.taken[0].body["text"] == "One line"


async def test_what_goes_wrong_is_told_without_the_secret(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    missing = await delivery.send("webhook:${NOT_SET_ANYWHERE}", LETTER)
    assert missing.detail == "the environment variable NOT_SET_ANYWHERE is not set"
    monkeypatch.setenv("HIDDEN_URL", "http://127.0.0.1:9/very-secret")
    refused = await delivery.send("webhook:${HIDDEN_URL}", LETTER)
    assert (refused.ok, refused.again, refused.perhaps) == (False, True, False)
    assert "very-secret" not in refused.detail


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (401, False), (404, False), (408, True), (429, True), (500, True), (503, True)]
)
def test_only_what_may_pass_is_tried_again(status: int, again: bool):  # noqa: FBT001 - a parameter of the test
    assert judge(status).again is again


def test_the_wait_after_a_failure_doubles_up_to_a_minute_and_heeds_retry_after():
    assert timedelta(seconds=0.5) <= wait_after(1) <= timedelta(seconds=1)
    assert timedelta(seconds=4) <= wait_after(4) <= timedelta(seconds=8)
    assert wait_after(50) <= timedelta(seconds=60)
    assert wait_after(1, judge(429, 120).after) == timedelta(seconds=120)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        ("Mon, 02 Mar 2026 09:02:00 GMT", 120),
        ("Mon, 02 Mar 2026 09:02:00 -0000", 120),
        ("Mon, 02 Mar 2026 08:59:00 GMT", 0),
        ("Tue, 03 Mar 2026 09:00:00 GMT", 300),
        ("86400", 300),
        ("-5", 0),
        ("in a while", 0),
        ("", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_up_to_five_minutes(asked: str, seconds: float):
    assert seconds_until(asked, datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) == seconds
