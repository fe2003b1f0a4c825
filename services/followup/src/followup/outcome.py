"""What can be said of a message after it was handed over."""

from dataclasses import dataclass
from typing import Literal

Result = Literal["sent", "later", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`later` may be tried again, `refused` never; of `unknown` nobody can say whether it went out."""

    result: Result
    reason: str = ""
