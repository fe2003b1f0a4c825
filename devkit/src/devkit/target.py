"""Which platform a command speaks to: the one named, else the one that `rapport up` runs here."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx

from devkit.errors import CommandFailed
from devkit.platform.running import DEFAULT_DATA, STATE_FILE

_SILENCE = 30.0
"""Seconds without a word; the services speak at least every 5."""


def url_and_key(service: str, role: str, url: str | None, key: str | None) -> tuple[str, str]:
    """
    Address of a service and a key with that role.

    As given, else `RAPPORT_<SERVICE>_URL` and `RAPPORT_KEY`, else those of the
    platform that runs in this folder; CommandFailed where there is none.
    """
    url = url or os.environ.get(f"RAPPORT_{service.upper()}_URL")
    key = (key or os.environ.get("RAPPORT_KEY", "")).strip()
    if not (url and key):
        local = _running_here()
        if local is None:
            missing = " and ".join(name for name, value in (("--url", url), ("--key", key)) if not value)
            raise CommandFailed(f"no platform runs here (`rapport up`): give {missing}")
        url, key = url or str(local[service]), key or str(local["keys"][role])
    if not key.isascii():
        raise CommandFailed("the key has characters that no key has: is it copied whole, and nothing else?")
    return _address(url), key


def _address(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CommandFailed(f"{url!r} is no address: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise CommandFailed(f"{url!r} is no address such as http://127.0.0.1:8001")
    return url.rstrip("/")


def urls_here(services: Iterable[str]) -> dict[str, str]:
    """Addresses of services of the platform that runs in this folder; CommandFailed where none runs."""
    local = _running_here()
    if local is None:
        raise CommandFailed("no platform runs here (`rapport up`)")
    return {service: local[service] for service in services}


def runs_here() -> bool:
    """Whether the platform that a command without an address speaks to is one that runs in this folder."""
    return "RAPPORT_INTAKE_URL" not in os.environ and _running_here() is not None


def _running_here() -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((Path(DEFAULT_DATA) / STATE_FILE).read_text())
    except FileNotFoundError:
        return None
    return found


class Api:
    """JSON out of one service; CommandFailed says what it answered instead."""

    def __init__(self, service: str, role: str, url: str | None, key: str | None) -> None:
        self.url, secret = url_and_key(service, role, url, key)
        self._headers = {"authorization": f"Bearer {secret}"}

    def get(self, path: str, **parameters: str | int | None) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._json("GET", path, params=given)

    def post(self, path: str, body: Any) -> Any:
        return self._json("POST", path, json=body)

    def events(self, path: str, **parameters: str | None) -> Iterator[tuple[str, str]]:
        """Name and data of the server's events as they come; ends when the server or the line does."""
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            with httpx.stream(
                "GET", f"{self.url}{path}", params=given, headers=self._headers, timeout=_SILENCE, trust_env=False
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refused(path, answer)
                event = "message"
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data":
                        yield event, value
        except httpx.TransportError as error:
            raise CommandFailed(f"{self.url} can't be reached: {error}") from None

    def _json(self, method: str, path: str, **how: Any) -> Any:
        try:
            answer = httpx.request(
                method, f"{self.url}{path}", headers=self._headers, timeout=30.0, trust_env=False, **how
            )
        except httpx.TransportError as error:
            raise CommandFailed(f"{self.url} can't be reached: {error}") from None
        if not answer.is_success:
            raise self._refused(path, answer)
        try:
            return answer.json()
        except ValueError:
            raise CommandFailed(f"{self.url}{path} answers no JSON: is another service there?") from None

    def _refused(self, path: str, answer: httpx.Response) -> CommandFailed:
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = answer.text[:300]
        return CommandFailed(f"{self.url}{path} answers {answer.status_code}: {detail}")
