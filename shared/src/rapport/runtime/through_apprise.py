"""
Messages through apprise, whose plug-ins block and connect where they like.

Each runs in a thread of its own, so that one that hangs takes nothing from the
others; and each connection that such a thread opens is judged when it is opened,
wherever the address, a redirect or a second look-up of the name has led it. What
stands for a host in an address is no sign of it: it may be a number or a key.

They say only whether a message was taken. Why not, and whether it may have been
taken all the same, is to be had from what they log, which names addresses and
goes no further than this; what is told of it is in words of ours.
"""

import asyncio
import errno
import logging
import re
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from rapport.runtime.addresses import Unreachable, is_internal

T = TypeVar("T")

_guarded: ContextVar[list[str] | None] = ContextVar("guarded", default=None)
"""In a thread that may reach nothing inside this machine: what it tried all the same."""

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
"""What a plug-in has logged in its thread."""

_MOST_AT_ONCE: Final = 64
_REACHING: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_ANSWERED: Final = re.compile(r"error=(?:(\d{1,6})\b)?")
_WHY: Final = "Socket Exception: "
_NEVER_REACHED: Final = re.compile(
    r"Caused by (NewConnectionError|ConnectTimeoutError|NameResolutionError|SSLError\(SSLCertVerificationError)"
    rf"|{_WHY}\[Errno (-\d+|{errno.ECONNREFUSED})\]"
)


@dataclass(frozen=True, slots=True)
class Carried:
    """
    Whether a message was taken; if not, why, whether to try again, and whether `perhaps` it was all the same.

    `answer` is the number that the service refused it with, mostly an HTTP status; 0 where it said none.
    """

    taken: bool
    says: str
    again: bool = False
    perhaps: bool = False
    answer: int | None = None


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
        name = lane or str(plugin.url())
        if name in self._running:
            return Carried(taken=False, says="the message before is still on its way", again=True)
        if len(self._running) >= _MOST_AT_ONCE:
            return Carried(taken=False, says="too many messages are still on their way", again=True)
        tried: list[str] = []
        heard: list[str] = []

        def notify() -> Carried:
            if not self._allow_internal:
                _watch_connections()
                _guarded.set(tried)
            _heard.set(heard)
            try:
                taken = plugin.notify(body=text, title=title, body_format=_read_as(plugin))
            except Exception as error:  # noqa: BLE001 - a plug-in is anybody's, and what it raises may name the address
                says = f"apprise could not tell what became of it ({type(error).__name__})"
                return Carried(taken=False, says=says, again=True, perhaps=True)
            else:
                return Carried(taken=True, says="taken") if taken else _refused(" ".join(heard))
            finally:
                self._running.discard(name)

        self._running.add(name)
        carried = await _in_a_thread(notify)
        if tried:
            raise Unreachable(
                f"it led to {tried[0]}, which is inside this machine or link-local;"
                " RAPPORT_ALLOW_INTERNAL_RECEIVERS allows it",
                again=False,
            )
        return carried


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


def _read_as(plugin: Any) -> str | None:
    """
    As what apprise is to read our words: plain text, for what looks like HTML in them is somebody's and none of ours.

    None, which leaves them as they are, where a service takes nothing but Markdown:
    apprise would put backslashes into addresses, and not every such service takes them out.
    """
    return None if plugin.resolve_format("text") == "markdown" else "text"


@cache
def _watch_connections() -> None:
    """From now on Python asks us about every connection; there is no way back, hence once."""
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _REACHING:
        return
    tried = _guarded.get()
    address = arguments[1]
    if tried is None or not isinstance(address, tuple):
        return
    host = address[0]
    for one in _meant_by(bytes(host) if isinstance(host, bytearray) else host):
        if is_internal(one):
            tried.append(one)
            raise PermissionError(f"{one} is inside this machine or link-local")


def _meant_by(host: str | bytes) -> set[str]:
    """The addresses that a connection to this host may lead to; OSError where there are none, and none is made."""
    found = socket.getaddrinfo(host or "0", None)
    return {str(info[4][0]) for info in found}


def _refused(heard: str) -> Carried:
    """What a plug-in's words come to: an answer, a connection that never was, or neither, and nobody knows."""
    if answers := _ANSWERED.findall(heard):
        number = answers[-1]  # those before it may be a service's own words
        says = f"the service did not take it (error {number})" if number else "the service did not take it"
        return Carried(taken=False, says=says, again=True, answer=int(number or 0))
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
