"""What can be said of a message after it was handed over."""

from dataclasses import dataclass
from typing import Literal

Result = Literal["sent", "later", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    `later` may be tried again, `refused` never; of `unknown` nobody can say whether it went out.

    `nobody` means that the address is no one's, so that nothing else will arrive there.
    """

    result: Result
    reason: str = ""
    nobody: bool = False
