"""Messages on their way out: to webhooks, Alertmanager and PagerDuty, and through apprise to everything else."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

import httpx
from rapport.runtime.addresses import Expanded, Unreachable, expand, resolve
from rapport.runtime.clock import Clock
from rapport.runtime.through_apprise import ThroughApprise

PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"

_WHSEC: Final = "whsec_"
_LONGEST_WAIT: Final = 300.0
_MOST_SAID: Final = 300
_LONGEST_TITLE: Final = 120


@dataclass(frozen=True, slots=True)
class Letter:
    """
    What is sent: a name that stays the same when it is sent again, a line, and a body for webhooks.

    `posts` are the bodies for a product with an API of its own. Without a title the line begins as one.
    """

    name: str
    text: str
    body: dict[str, Any]
    posts: tuple[Any, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Whether a receiver took a message; if not, why, whether to try again, and not before how many seconds.

    `perhaps` it has taken it all the same: it was reached and gave no answer.
    """

    ok: bool
    detail: str
    again: bool = False
    after: float = 0.0
    perhaps: bool = False

    @property
    def word(self) -> str:
        """What became of the message, as figures and the log say it."""
        return "sent" if self.ok else "retried" if self.again else "failed"


class Delivery:
    """Carries letters to addresses. Follows no redirect, and never longer than its time limit."""

    def __init__(self, clock: Clock, *, timeout: float, allow_internal: bool) -> None:
        self._clock = clock
        self._timeout = timeout
        self._allow_internal = allow_internal
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)
        self._apprise = ThroughApprise(allow_internal=allow_internal)

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, url: str, letter: Letter) -> Outcome:
        """`url` as the policy writes it. Secrets in it never show in the outcome."""
        try:
            address = expand(url)
        except Unreachable as error:
            return Outcome(ok=False, detail=str(error), again=error.again)
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await self._carry(address.url, letter)
        except Unreachable as error:
            outcome = Outcome(ok=False, detail=str(error), again=error.again)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            outcome = Outcome(ok=False, detail=_speak(error), again=True)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(ok=False, detail=f"no answer within {self._timeout:g} s", again=True, perhaps=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            sent = not isinstance(error, httpx.InvalidURL)
            outcome = Outcome(ok=False, detail=_speak(error), again=sent, perhaps=sent)
        return replace(outcome, detail=_short(address, outcome.detail))

    async def _carry(self, url: str, letter: Letter) -> Outcome:
        kind, _, rest = url.partition(":")
        match kind.lower():
            case "webhook":
                return await self._to_webhook(rest, letter)
            case "alertmanager":
                return await self._to_alertmanager(rest, letter)
            case "pagerduty":
                return await self._to_pagerduty(rest, letter)
        plugin = await self._apprise.plugin(url)
        if plugin is not None:
            # apprise would put a title that has no place before the text, which says the same
            title = (letter.title or letter.text[:_LONGEST_TITLE]) if plugin.title_maxlen else ""
            carried = await self._apprise.send(plugin, title, letter.text)
            return Outcome(carried.taken, carried.says, carried.again, perhaps=carried.perhaps)
        if kind in ("http", "https"):
            return await self._to_webhook(url, letter)
        raise Unreachable("apprise does not know this kind of address", again=False)

    async def _to_webhook(self, url: str, letter: Letter) -> Outcome:
        """Signed with each secret of the address, as Standard Webhooks says (https://www.standardwebhooks.com)."""
        split = _web_address("webhook", url)
        secrets = _told_apart(split, "secret")
        content = _json(letter.body)
        seconds = str(int(self._clock.now().timestamp()))
        headers = {"webhook-id": letter.name, "webhook-timestamp": seconds}
        if secrets:
            headers["webhook-signature"] = " ".join(sign(one, letter.name, seconds, content) for one in secrets)
        return await self._post(split, content, headers)

    async def _to_alertmanager(self, url: str, letter: Letter) -> Outcome:
        """`alertmanager:https://host:9093`, with its path prefix where it has one."""
        split = _web_address("alertmanager", url)
        split = split._replace(path=f"{split.path.rstrip('/')}/api/v2/alerts")
        return await self._post_all(split, letter.posts)

    async def _to_pagerduty(self, where: str, letter: Letter) -> Outcome:
        """`pagerduty:ROUTING_KEY`, or `pagerduty:https://events.eu.pagerduty.com/v2/enqueue#key=ROUTING_KEY`."""
        split = _web_address("pagerduty", where if "/" in where else f"{PAGERDUTY}#key={where}")
        keys = _told_apart(split, "key")
        if not keys:
            raise Unreachable("pagerduty: needs a routing key", again=False)
        return await self._post_all(split, [{"routing_key": keys[0], **post} for post in letter.posts])

    async def _post_all(self, split: SplitResult, posts: Any) -> Outcome:
        """One after the other; what fails is sent again with all of them, which harms nothing."""
        outcome = Outcome(ok=True, detail="nothing to say to it")
        for post in posts:
            outcome = await self._post(split, _json(post), {})
            if not outcome.ok:
                return outcome
        return outcome

    async def _post(self, split: SplitResult, content: bytes, headers: dict[str, str]) -> Outcome:
        """POST to the address that was judged, under the name that was asked for."""
        host = split.hostname or ""
        ip = await resolve(
            host, split.port or (443 if split.scheme == "https" else 80), allow_internal=self._allow_internal
        )
        target = httpx.URL(split._replace(fragment="").geturl())
        request = self._http.build_request(
            "POST",
            target.copy_with(host=ip),
            content=content,
            headers={
                "host": target.netloc.decode("ascii").rpartition("@")[2],
                "content-type": "application/json",
                "user-agent": "rapport-sla-monitor/1",
                **headers,
            },
            extensions={"sni_hostname": host},
        )
        response = await self._http.send(request, stream=True)
        try:
            said = b"" if response.is_success else await _beginning(response)
        finally:
            await response.aclose()
        wait = seconds_until(response.headers.get("retry-after", ""), self._clock.now())
        return judge(response.status_code, wait, said.decode("utf-8", "replace"))


def sign(secret: str, name: str, seconds: str, content: bytes) -> str:
    """
    The `webhook-signature` of a body; a secret that is no base 64 is taken as it is.

    After `whsec_` the padding may be missing: libraries that verify don't ask for it.
    """
    plain = secret.removeprefix(_WHSEC)
    if plain != secret:
        plain += "=" * (-len(plain) % 4)
    try:
        key = base64.b64decode(plain, validate=True)
    except binascii.Error:
        key = plain.encode()
    digest = hmac.new(key, f"{name}.{seconds}.".encode() + content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def judge(status: int, wait: float = 0.0, said: str = "") -> Outcome:
    """What an HTTP status means: 2xx taken; 408, 425, 429 and 5xx try again after `wait`; all else is final."""
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return Outcome(ok=True, detail=f"HTTP {status}")
    again = status in (408, 425, 429) or status >= 500  # noqa: PLR2004 - likewise
    words = " ".join(said.split())
    detail = f"HTTP {status}: {words}" if words else f"HTTP {status}"
    return Outcome(ok=False, detail=detail, again=again, after=wait if again else 0.0)


def seconds_until(retry_after: str, now: datetime) -> float:
    """What a Retry-After asks for, as seconds or as a date (RFC 9110, 10.2.3), five minutes at most; else 0."""
    if retry_after.isdecimal():
        return min(float(retry_after), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(0.0, left.total_seconds()), _LONGEST_WAIT)


def _web_address(kind: str, url: str) -> SplitResult:
    try:
        split = urlsplit(url)
        known = split.scheme in ("http", "https") and bool(split.hostname) and (split.port or 1) > 0
    except ValueError:
        known = False
    if not known:
        raise Unreachable(f"{kind}: needs an http or https address", again=False)
    return split


def _told_apart(split: SplitResult, name: str) -> list[str]:
    """What stands behind the `#` under that name, each time; a plus there is one, for base 64 has them."""
    return parse_qs(split.fragment.replace("+", "%2B")).get(name, [])


def _json(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


async def _beginning(response: httpx.Response) -> bytes:
    """What a refusal says first; the rest of it, however long, is not read."""
    said = b""
    async for piece in response.aiter_bytes():
        said += piece
        if len(said) >= _MOST_SAID:
            break
    return said[:_MOST_SAID]


def _speak(error: Exception) -> str:
    said = str(error)[:_MOST_SAID]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _short(address: Expanded, text: str) -> str:
    return address.hide(text)[: 2 * _MOST_SAID]
