"""Where apprise's plug-ins would connect, where they may not, and what is said of it."""

import json
import logging
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests
from rapport.runtime.addresses import Unreachable
from rapport.runtime.through_apprise import Carried, ThroughApprise

KINDS: list[tuple[str, str, tuple[str, ...]]] = [
    ("slack://{}/{}/{}/#general", "hooks.slack.com", ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ")),
    ("pover://{}@{}", "api.pushover.net", ("u" * 30, "t" * 30)),
    ("twilio://{}:{}@{}/{}", "api.twilio.com", (f"AC{'a' * 32}", "b" * 32, "15551234567", "15557654321")),
    ("seven://{}/{}", "gateway.seven.io", ("s3cretAPIkey0123", "4915112345678")),
    ("clickatell://{}/{}", "platform.clickatell.com", ("s3cretAPIkey4567", "4915112345678")),
    ("ntfy://{}", "ntfy.sh", ("ourverysecrettopic",)),
    ("tgram://{}/{}/", "api.telegram.org", ("123456789:abcdefg_hijklmnop", "12315544")),
]
MAIL = "mailto://user:pass@127.0.0.1:9?from=a@example.org&to=b@example.org"


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were asked for, none of which there is."""
    found: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        found.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return found


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What reaches the log of the process."""
    lines: list[str] = []
    handler, root = logging.Handler(), logging.getLogger()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)


@pytest.mark.parametrize(("form", "host", "secrets"), KINDS)
async def test_a_service_is_reached_where_it_is_and_not_at_what_stands_for_a_host_in_its_address(
    form: str, host: str, secrets: tuple[str, ...], reached: list[str], logged: list[str]
):
    through = ThroughApprise(allow_internal=False)
    plugin = await through.plugin(form.format(*secrets))
    carried = await through.send(plugin, "Title", "Text")
    assert reached
    assert set(reached) == {host}
    assert carried == Carried(taken=False, says="the service can't be reached", again=True)
    assert not [one for one in secrets if one in f"{carried.says} {logged}"]


@pytest.mark.parametrize(
    "url",
    ["json://127.0.0.1:9/x", "json://localhost:9/x", "json://[::1]:9", MAIL],
)  # fmt: skip
async def test_nothing_inside_this_machine_is_reached_unless_that_is_allowed(url: str):
    through = ThroughApprise(allow_internal=False)
    with pytest.raises(Unreachable, match="inside this machine or link-local") as caught:
        await through.send(await through.plugin(url), "Title", "Text")
    assert not caught.value.again


class Plugin:
    """A plug-in that does what it likes."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self._does = does

    def url(self) -> str:
        return "likes://"

    def resolve_format(self, asked: str) -> str:
        return asked

    def notify(self, **_: str) -> bool:
        return bool(self._does())


def _connect(address: tuple[Any, int]) -> None:
    with socket.socket() as made:
        made.settimeout(1)
        made.connect(address)


def _send_to(address: tuple[Any, int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.sendto(b"Text", address)


@pytest.mark.parametrize("host", ["localhost", b"127.0.0.1", "127.1", "0", "", bytearray(b"localhost")])
async def test_a_connection_by_name_is_judged_by_what_the_name_means(host: str | bytes):
    guarded = ThroughApprise(allow_internal=False)
    for does in (_connect, _send_to):
        with pytest.raises(Unreachable, match="inside this machine"):
            await guarded.send(Plugin(partial(does, (host, 9))), "Title", "Text")


async def test_what_a_plug_in_raises_is_told_by_its_kind_alone():
    def fail() -> None:
        raise ValueError("https://example.org/s3cret is no address")

    carried = await ThroughApprise(allow_internal=False).send(Plugin(fail), "Title", "Text")
    assert (carried.taken, carried.again, carried.perhaps) == (False, True, True)
    assert carried.says == "apprise could not tell what became of it (ValueError)"


SUBJECT = "a <b>& b</b> <order 5> *c*: https://sla.example/a/to_k_en?d=1&e=2"
ESCAPED = "a &lt;b&gt;&amp; b&lt;/b&gt; &lt;order 5&gt; *c*: https://sla.example/a/to_k_en?d=1&amp;e=2"


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What plug-ins post; all of it is taken."""
    found: list[Any] = []

    def post(url: str, *, data: Any, **_: Any) -> requests.Response:
        found.append(data if isinstance(data, dict) else json.loads(data))
        made = requests.Response()
        made.status_code, made.url, made._content = 200, url, b"ok"
        return made

    monkeypatch.setattr(requests, "post", post)
    monkeypatch.setattr(requests, "request", lambda _, url, **given: post(url, **given))
    return found


@pytest.mark.parametrize(
    ("url", "field", "says"),
    [
        (f"mailgun://user@example.com/{'a' * 32}/to@example.com", "html", ESCAPED.replace(" ", "&nbsp;")),
        # Telegram refuses what is no HTML of its own
        (
            "tgram://123456789:abcdefg_hijklmnop/12315544/",
            "text",
            "a <b>&amp; b</b>  *c*: https://sla.example/a/to_k_en?d=1&amp;e=2",
        ),
        (f"pover://{'u' * 30}@{'t' * 30}", "message", SUBJECT),
        ("mmost://host.example/3ccdd113474722377935511fc85d3dd4", "text", SUBJECT),
        # Google Chat takes Markdown alone, and no backslashes in addresses
        ("gchat://workspace/key/token", "text", SUBJECT),
    ],
)
async def test_plain_words_arrive_as_plain_words_and_addresses_in_them_whole(
    url: str, field: str, says: str, posted: list[Any]
):
    through = ThroughApprise(allow_internal=True)
    plugin = await through.plugin(url)
    assert (await through.send(plugin, "", SUBJECT)).taken
    [told] = posted
    assert told[field] == says


async def test_nothing_in_our_words_calls_a_whole_slack_channel(posted: list[Any]):
    through = ThroughApprise(allow_internal=True)
    plugin = await through.plugin("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general")
    assert (await through.send(plugin, "", "wrong <!channel> invoice")).taken
    assert posted[0]["attachments"][0]["text"] == "wrong &lt;!channel&gt; invoice"
