"""A file that people write, in force within seconds of a change; a wrong one changes nothing, and is told."""

from typing import Any, Final, NoReturn, Protocol

from pydantic import ValidationError

from rapport.rule_file import said
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.settings import Misconfigured

log = telemetry.logger()

_LOOK_EVERY: Final = 2.0


class Followed(Protocol):
    """What such a file says. `fault` is what is wrong with it now, while what it said before stays in force."""

    fault: str | None

    def reload(self) -> bool:
        """Read it, and say whether it is another than before; `Misconfigured` names what is wrong with it."""


class Contradiction(ValueError):
    """A file of the right shape that contradicts itself; its text may be told."""


class Following:
    """Looks at one file again and again. `name` is what it holds; `wrong`, a gauge, is 1 while it is wrong."""

    def __init__(self, name: str, file: Followed, wrong: Any) -> None:
        self.name = name
        self._again, self._stay = f"{name} read again", f"the {name} in force stay"
        self._file = file
        self._wrong = wrong

    async def for_ever(self, clock: Clock) -> NoReturn:
        while True:
            self.look()
            await clock.sleep(_LOOK_EVERY)

    def look(self) -> None:
        """Read it again if it has changed; what is wrong is told once."""
        before = self._file.fault
        try:
            if self._file.reload():
                log.info(self._again)
        except Misconfigured as error:
            if self._file.fault != before:
                log.warning(self._stay, error=str(error))
        self._wrong.set(self._file.fault is not None)

    @property
    def note(self) -> str | None:
        """What an operator should know, though it keeps nobody from working."""
        return f"{self._stay}: {self._file.fault}" if self._file.fault else None


def what_is_wrong(error: Exception) -> str:
    """Where and why, without anything that the file says: somebody may have written a secret into it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        return f"{place}: {said(first)}" if place else said(first)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, Contradiction):
        return str(error)
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: is no YAML" if mark else "is no YAML"
