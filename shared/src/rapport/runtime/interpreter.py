"""How Python itself is set for a service: how often it looks for garbage in cycles, how soon threads take turns."""

import gc
import sys
from typing import Final

_YOUNG: Final = 300_000
_MIDDLE: Final = 20
_OLD: Final = 50
_TURN: Final = 0.0005
"""Seconds."""


def collect_seldom() -> None:
    """
    From now on look for cycles once in 300,000 new objects, and never among those that are there already.

    A batch makes tens of thousands of objects that live as long as it does and are
    in no cycle; Python's own threshold of 700 has each of them looked at several
    times, which took a quarter of the time of a batch. Where much is held, as in a
    storm, 50,000 still cost a tenth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def take_turns_soon() -> None:
    """
    From now on a thread that has work waits half a millisecond for its turn, and no longer five.

    MongoDB's driver has a thread for each operation, which asks for a turn several
    times, while the loop decides about the next batch: so some 5 % more events are settled.
    """
    sys.setswitchinterval(_TURN)
