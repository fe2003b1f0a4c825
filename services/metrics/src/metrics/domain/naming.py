"""The identity of an event, worked out once: it is needed when loading, when deciding and when ordering."""

from functools import lru_cache
from typing import Final

from rapport.contracts import Data, Event, Identity, identity

_SOME_BATCHES: Final = 8192

_identity = lru_cache(maxsize=_SOME_BATCHES)(identity)


def identity_of(event: Event[Data]) -> Identity:
    return _identity(event.source, event.id)
