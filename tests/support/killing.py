"""Work under a lease that is killed at one await after the other, and that another replica carries on each time."""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tests.support.clock import ManualClock
from tests.support.replica import Site
from tests.support.suspension import Killed, Suspended, die_here, the_end_of

LEASE = 16
"""Seconds after which nobody holds it any more."""
_MOST_AWAITS = 200
_EVERY = 3


async def killed_at_every_third_await(
    site: Site,
    begin: Callable[[int], Awaitable[None]],
    work: Callable[[], Coroutine[Any, Any, None]],
    check: Callable[[int], Awaitable[None]],
) -> None:
    """
    For each await: something to do is begun, whoever does it is killed there, another replica does it to the end.

    At last all the dead rise, and go on where they were. `check` holds after each, and of all once more.
    """
    assert isinstance(site.clock, ManualClock)
    dead: list[Suspended[None]] = []
    for n in range(1, _MOST_AWAITS, _EVERY):
        await begin(n)
        site.clock.advance(LEASE)
        site.sessions.clear()
        killed = Suspended(work(), n, die_here)
        with contextlib.suppress(Killed):
            await killed
        dead.append(killed)
        await killed.last_words()
        await site.bury()
        site.clock.advance(LEASE)
        await work()
        await check(n)
        if not killed.reached:
            break
    assert 20 < n < _MOST_AWAITS - _EVERY
    for zombie in dead[:-1]:
        site.clock.advance(LEASE)
        await the_end_of(zombie.rise())
    for earlier in range(1, n, _EVERY):
        await check(earlier)
