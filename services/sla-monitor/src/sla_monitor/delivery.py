"""Messages on their way out: to webhooks, signed, and through apprise to everything else."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import warnings
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from rapport.runtime.clock import Clock

from sla_monitor.addresses import Expanded, Unreachable, expand, resolve

_WEBHOOK: Final = "webhook:"
_WHSEC: Final = "whsec_"
_LONGEST_WAIT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent: a name that stays the same when it is sent again, a line, and a body for machines."""

    name: str
    title: str
    text: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a receiver took a message; if not, why, whether to try again, and not before how many seconds."""

    ok: bool
    detail: str
    again: bool = False
    after: float = 0.0


class Delivery:
    """Carries letters to addresses. Follows no redirect, and never longer than its time limit."""

    def __init__(self, clock: Clock, *, timeout: float, allow_internal: bool) -> None:
        self._clock = clock
        self._timeout = timeout
        self._allow_internal = allow_internal
        self._http = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)

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
                if address.url.startswith(_WEBHOOK):
                    return await self._to_webhook(address.url.removeprefix(_WEBHOOK), letter)
                return await self._through_apprise(address.url, letter)
        except Unreachable as error:
            return Outcome(ok=False, detail=address.hide(str(error)), again=error.again)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(ok=False, detail=f"no answer within {self._timeout:g} s", again=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Outcome(ok=False, detail=_speak(error, address), again=not isinstance(error, httpx.InvalidURL))

    async def _to_webhook(self, url: str, letter: Letter) -> Outcome:
        """POST to the address that was judged, under the name that was asked for."""
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise Unreachable("webhook: needs an http or https address", again=False)
        port = split.port or (443 if split.scheme == "https" else 80)
        ip = await resolve(split.hostname, port, allow_internal=self._allow_internal)
        secret = parse_qs(split.fragment).get("secret", [""])[0]
        content = json.dumps(letter.body, ensure_ascii=False, separators=(",", ":")).encode()
        target = httpx.URL(split._replace(fragment="").geturl())
        request = self._http.build_request(
            "POST",
            target.copy_with(host=ip),
            content=content,
            headers={
                "host": target.netloc.decode("ascii").rpartition("@")[2],
                "content-type": "application/json",
                "user-agent": "rapport-sla-monitor/1",
                **self._signed(letter.name, content, secret),
            },
            extensions={"sni_hostname": split.hostname},
        )
        response = await self._http.send(request, stream=True)
        await response.aclose()
        return judge(response.status_code, response.headers.get("retry-after", ""))

    def _signed(self, name: str, content: bytes, secret: str) -> dict[str, str]:
        """Standard Webhooks (https://www.standardwebhooks.com): id and time, and with a secret their signature."""
        seconds = str(int(self._clock.now().timestamp()))
        headers = {"webhook-id": name, "webhook-timestamp": seconds}
        if secret:
            headers["webhook-signature"] = sign(secret, name, seconds, content)
        return headers

    async def _through_apprise(self, url: str, letter: Letter) -> Outcome:
        plugin = await asyncio.to_thread(_plugin, url)
        if plugin is None and url.startswith(("http://", "https://")):
            return await self._to_webhook(url, letter)
        if plugin is None:
            raise Unreachable("apprise does not know this kind of address", again=False)
        host = getattr(plugin, "host", None)
        if isinstance(host, str) and host:
            await resolve(host, int(getattr(plugin, "port", None) or 443), allow_internal=self._allow_internal)
        taken = await asyncio.to_thread(plugin.notify, body=letter.text, title=letter.title)
        return Outcome(bool(taken), "taken" if taken else "the service did not take it", again=not taken)


def sign(secret: str, name: str, seconds: str, content: bytes) -> str:
    """The `webhook-signature` of a body; a secret that is no base 64 is taken as it is."""
    plain = secret.removeprefix(_WHSEC)
    try:
        key = base64.b64decode(plain, validate=True)
    except binascii.Error:
        key = plain.encode()
    digest = hmac.new(key, f"{name}.{seconds}.".encode() + content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def judge(status: int, retry_after: str = "") -> Outcome:
    """What an HTTP status means: 2xx taken; 408, 429 and 5xx try again; all else is final."""
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return Outcome(ok=True, detail=f"HTTP {status}")
    again = status in (408, 425, 429) or status >= 500  # noqa: PLR2004 - likewise
    wait = min(float(retry_after), _LONGEST_WAIT) if again and retry_after.isdecimal() else 0.0
    return Outcome(ok=False, detail=f"HTTP {status}", again=again, after=wait)


def _plugin(url: str) -> Any:
    """The part of apprise that knows such addresses, or None. Loading it takes a second, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its optional parts use what Python is about to drop
        import apprise  # noqa: PLC0415 - slow, and seldom needed

        return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def _speak(error: Exception, address: Expanded) -> str:
    said = address.hide(str(error))[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
