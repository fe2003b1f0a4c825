"""
Messages through apprise, whose plug-ins block and connect where they like.

Each runs in a thread of its own, so that one that hangs takes nothing from the
others; and each connection that such a thread opens is judged when it is opened,
wherever a redirect or a second look-up of the name has led it.

They say only whether a message was taken. Why not, and whether it may have been
taken all the same, is to be had from what they log, which names addresses and
goes no further than this.
"""

import asyncio
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from rapport.runtime.addresses import Unreachable, is_internal, resolve

T = TypeVar("T")

_guarded: ContextVar[list[str] | None] = ContextVar("guarded", default=None)
"""In a thread that may reach nothing inside this machine: what it tried all the same."""

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
"""What a plug-in has logged in its thread."""

_MOST_AT_ONCE: Final = 64
_ANSWERED: Final = re.compile(r"error=(\w+)")
_WHY: Final = "Socket Exception: "
_NEVER_REACHED: Final = re.compile(
    r"Caused by (NewConnectionError|ConnectTimeoutError|NameResolutionError|SSLError\(SSLCertVerificationError)"
)


@dataclass(frozen=True, slots=True)
class Carried:
    """Whether a message was taken; if not, why, whether to try again, and whether `perhaps` it was all the same."""

    taken: bool
    says: str
    again: bool = False
    perhaps: bool = False


class ThroughApprise:
    """Sends by apprise's plug-ins."""

    def __init__(self, *, allow_internal: bool) -> None:
        self._allow_internal = allow_internal
        self._running: set[str] = set()

    async def plugin(self, url: str) -> Any:
        """The part of apprise that knows such addresses, or None. Loading it takes a second, once."""
        return await _in_a_thread(lambda: _plugin(url))

    async def send(self, plugin: Any, title: str, text: str, *, lane: str = "") -> Carried:
        """
        Hand a message to the part of apprise that knows where it goes; `Unreachable` where it must not go.

        One at a time of those in one `lane`, which is the address where none is given.
        """
        host, port = getattr(plugin, "host", None), getattr(plugin, "port", None)
        if isinstance(host, str) and host:
            await resolve(host, int(port or 443), allow_internal=self._allow_internal)
        name = lane or str(plugin.url())
        if name in self._running:
            return Carried(taken=False, says="the message before is still on its way", again=True)
        if len(self._running) >= _MOST_AT_ONCE:
            return Carried(taken=False, says="too many messages are still on their way", again=True)
        tried: list[str] = []
        heard: list[str] = []

        def notify() -> bool:
            if not self._allow_internal:
                _watch_connections()
                _guarded.set(tried)
            _heard.set(heard)
            try:
                return bool(plugin.notify(body=text, title=title))
            finally:
                self._running.discard(name)

        self._running.add(name)
        taken = await _in_a_thread(notify)
        if tried:
            raise Unreachable(f"it led to {tried[0]}, which is inside this machine or link-local", again=False)
        return Carried(taken=True, says="taken") if taken else _refused(" ".join(heard))


def is_known(url: str) -> bool:
    """Whether apprise has a part that knows such addresses. Blocks for a second, once, while that is loaded."""
    return _plugin(url) is not None


def _plugin(url: str) -> Any:
    _overhear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its optional parts use what Python is about to drop
        import apprise  # noqa: PLC0415 - slow, and seldom needed

        asset = apprise.AppriseAsset(http_redirects=False)
        return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


@cache
def _watch_connections() -> None:
    """From now on Python asks us about every connection; there is no way back, hence once."""
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    tried = _guarded.get()
    address = arguments[1]
    if tried is None or not isinstance(address, tuple) or not isinstance(address[0], str):
        return
    try:
        internal = is_internal(address[0])
    except ValueError:
        return  # a name: it is looked up first, and comes again as an address
    if internal:
        tried.append(address[0])
        raise PermissionError(f"{address[0]} is inside this machine or link-local")


def _refused(heard: str) -> Carried:
    """What a plug-in's words come to: an answer, a connection that never was, or neither, and nobody knows."""
    if answered := _ANSWERED.search(heard):
        return Carried(taken=False, says=f"the service did not take it (error {answered[1]})", again=True)
    if _NEVER_REACHED.search(heard):
        return Carried(taken=False, says="the service can't be reached", again=True)
    return Carried(taken=False, says="the service did not say that it took it", again=True, perhaps=True)


@cache
def _overhear() -> None:
    """From now on what apprise logs, all of it, is heard by whoever sends, and by nobody else."""
    logger = logging.getLogger("apprise")
    logger.addHandler(_Listener())
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


class _Listener(logging.Handler):
    """Keeps complaints, and why a connection failed; not the message itself, which may say anything."""

    def emit(self, record: logging.LogRecord) -> None:
        heard, said = _heard.get(), record.getMessage()
        of_us = record.levelno < logging.WARNING and not said.startswith(_WHY)
        if heard is not None and not of_us:
            heard.append(said)


async def _in_a_thread(work: Callable[[], T]) -> T:
    """In a thread that nobody waits for at the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type] # there is no error, hence a result

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:  # noqa: BLE001 - handed to who waits
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=copy_context().run, args=(run,), name="apprise", daemon=True).start()
    return await done
