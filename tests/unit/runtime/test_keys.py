"""Keys and the sessions that stand for them."""

import asyncio
import hashlib

import pytest
from rapport.runtime.followed import Following
from rapport.runtime.keys import Keys, Sessions
from rapport.runtime.settings import Misconfigured
from rapport.runtime.telemetry import KEYS_WRONG
from structlog.testing import capture_logs

from tests.support.clock import ManualClock

NOW = 1_000_000


def line(name: str, secret: str | None = None, roles: str = "watch") -> str:
    digest = hashlib.sha256((secret or name).encode()).hexdigest()
    return f"- {{name: {name}, sha256: {digest}, roles: [{roles}]}}\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n" + line("ann") + line("bob"))
    return path


@pytest.fixture
def keys(path):
    return Keys(path)


def test_a_key_is_found_by_its_secret_and_not_by_its_hash(keys):
    ann = keys.find("ann")
    assert ann is not None
    assert ann.name == "ann"
    assert keys.find(ann.sha256) is None
    assert Keys(None).find("ann") is None


def test_a_hash_may_be_written_in_capitals(path):
    digest = hashlib.sha256(b"ann").hexdigest()
    path.write_text(path.read_text().replace(digest, digest.upper()))
    ann = Keys(path).find("ann")
    assert ann is not None
    assert ann.sha256 == digest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keys: [", "keys file"),
        ("keys:\n- {name: ann}", "keys.0.sha256"),
        ("keys:\n- {name: ann, sha256: ann, roles: [watch]}", "keys.0.sha256"),
        ("keys:\n" + line("ann", roles="boss"), "keys.0.roles.0"),
        ("keys:\n" + line("ann").replace("roles", "role"), "keys.0.role"),
        ("[]", "keys file"),
        ("keys:\n" + line("ann") + line("bob", secret="ann"), r"keys\.1\.sha256: is that of keys\.0 too"),
        ("keys:\n" + line("ann") + line("ann", secret="new").replace("}", ", rate: 5}"), r"keys\.1\.rate"),
        ("keys:\n- }", "line 2, column 3: is no YAML"),
    ],
)
def test_a_wrong_file_says_where_and_leaves_the_keys_in_force(keys, path, text, says):
    path.write_text(text)
    with pytest.raises(Misconfigured, match=says):
        keys.reload()
    assert keys.find("ann") is not None


def test_two_keys_of_one_name_are_one_caller_while_it_moves_from_one_to_the_other(keys, path):
    path.write_text("keys:\n" + line("ann") + line("ann", secret="new"))
    assert keys.reload()
    assert [keys.find(secret).name for secret in ("ann", "new")] == ["ann", "ann"]
    path.write_text("keys:\n" + line("ann", secret="new"))
    assert keys.reload()
    assert keys.find("ann") is None
    assert not keys.reload()


@pytest.mark.parametrize(
    "text", ["keys: [hunter2: {", "keys:\n- {name: ann, sha256: hunter2, roles: [hunter2]}", "hunter2"]
)
def test_what_a_wrong_file_says_is_told_to_nobody(keys, path, text):
    path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        keys.reload()
    assert "hunter2" not in str(caught.value)


async def test_a_changed_file_is_in_force_within_seconds_and_a_wrong_one_is_told_once(keys, path):
    states: list[tuple[bool, float]] = []

    class Editing(ManualClock):
        """Each sleep ends with another text in the file."""

        texts = iter(["keys: wrong", "keys: wrong", "keys:\n" + line("eve"), "keys:\n" + line("eve")])

        async def sleep(self, seconds: float) -> None:
            states.append((keys.fault is not None, KEYS_WRONG.labels("toy")._value.get()))
            assert seconds < 5
            try:
                path.write_text(next(self.texts))
            except StopIteration:
                raise asyncio.CancelledError from None

    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await Following("keys", keys, KEYS_WRONG.labels("toy")).for_ever(Editing())
    assert states == [(False, 0), (True, 1), (True, 1), (False, 0), (False, 0)]
    assert keys.find("eve") is not None
    assert keys.find("ann") is None
    assert [entry["event"] for entry in logs] == ["the keys in force stay", "keys read again"]


def test_while_the_file_is_wrong_an_operator_finds_a_note(keys, path):
    following = Following("keys", keys, KEYS_WRONG.labels("toy"))
    assert following.note is None
    path.write_text("keys: wrong")
    following.look()
    assert following.note == f"the keys in force stay: {keys.fault}"
    path.write_text("keys:\n" + line("eve"))
    following.look()
    assert following.note is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"nowhere\.yaml"):
        Keys(tmp_path / "nowhere.yaml")


def test_a_session_stands_for_its_key_until_it_runs_out(keys):
    sessions = Sessions(keys, b"secret")
    ann = keys.find("ann")
    assert ann is not None
    cookie = sessions.issue(ann, NOW)
    assert sessions.find(cookie, NOW) == ann
    assert sessions.find(cookie, NOW + 1) is None


def test_whichever_character_of_a_cookie_is_changed_it_is_worth_nothing(keys):
    sessions = Sessions(keys, b"secret")
    cookie = sessions.issue(keys.named("ann")[0], NOW)
    for place, character in enumerate(cookie):
        other = "1" if character != "1" else "2"
        assert sessions.find(cookie[:place] + other + cookie[place + 1 :], 0) is None
    for rubbish in ("", ".", "..", "x.1.y", "zz.99999999999.ff", f"{'9' * 5000}", f"616e6e.{'9' * 5000}.x", "ff.1.é"):
        assert sessions.find(rubbish, 0) is None


def test_a_cookie_of_another_service_secret_is_worth_nothing(keys):
    cookie = Sessions(keys, b"one").issue(keys.named("ann")[0], NOW)
    assert Sessions(keys, b"other").find(cookie, 0) is None


def test_a_session_ends_with_its_key(keys, path):
    sessions = Sessions(keys, b"secret")
    ann, bob = (sessions.issue(keys.named(name)[0], NOW) for name in ("ann", "bob"))
    path.write_text("keys:\n" + line("ann", secret="new") + line("bob"))
    keys.reload()
    assert sessions.find(ann, 0) is None
    assert sessions.find(bob, 0) is not None
