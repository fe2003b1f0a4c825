"""Instants as whoever asks over HTTP writes them, in a query or in a body."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from rapport.contracts import cut_to_milliseconds


def _with_plus(text: object) -> object:
    """As it was meant: a bare "+" in a query is decoded to a blank."""
    return re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if isinstance(text, str) else text


AskedInstant: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_with_plus), AfterValidator(cut_to_milliseconds)]
"""With an offset, kept as UTC, cut to milliseconds; one that leaves the calendar in UTC is refused with its reason."""

SomeInstant: TypeAlias = Annotated[AskedInstant | None, BeforeValidator(lambda text: text or None)]
"""The same in a query that may do without; an empty field says nothing."""
