"""How often Python looks for garbage in cycles."""

import gc
from typing import Final

_YOUNG: Final = 50_000
_MIDDLE: Final = 20
_OLD: Final = 50


def collect_seldom() -> None:
    """
    From now on look for cycles once in 50,000 new objects, and never among those that are there already.

    A batch makes tens of thousands of objects that live as long as it does and are
    in no cycle; Python's own threshold of 700 has each of them looked at several
    times, which took a quarter of the time of a batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
