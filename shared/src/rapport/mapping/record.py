"""One record of another system, a row or a JSON payload, and how a mapping finds its way in it."""

import string
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

_NO_KEYS: Final[frozenset[str]] = frozenset()


class Unreadable(ValueError):
    """A value is not what the mapping takes it for. `kind` says so without the value, which may be a person's."""

    def __init__(self, path: str, value: object, what: str) -> None:
        super().__init__(f"{path}: {value!r} is no {what}")
        self.kind = f"{path} is no {what}"


class Record:
    """
    Values by path, and which of them have been asked for.

    A path is the name of a column, or leads down into JSON with dots: `ticket.id`,
    `parts.0.id` (`-1` is the last), `changes.*.status` (the first part that has
    one). `a|b` is the first that is not blank. What `given` holds (constants, and
    what begins with an `@`) is found before the record's own.
    """

    __slots__ = ("_blanks", "_fold", "_given", "_values", "asked")

    def __init__(
        self,
        values: Mapping[str, Any],
        given: Mapping[str, str],
        *,
        blanks: frozenset[str] = _NO_KEYS,
        ignore_case: bool = False,
    ) -> None:
        self._values = values
        self._given = given
        self._blanks = blanks
        self._fold = ignore_case
        self.asked: set[str] = set()

    def value(self, path: str) -> Any:
        """What stands there as it came; None where that is blank."""
        if path in self._given:
            return self._given[path]
        if path in self._values:
            self.asked.add(path)
            return self._filled(self._values[path])
        for alternative in alternatives(path):
            if (given := self._given.get(alternative)) is not None:
                return given
            found = self._filled(self._descend(self._values, steps(alternative), ""))
            if found is not None:
                return found
        return None

    def text(self, path: str) -> str:
        """What stands there as text, without blanks around it; empty where it is blank. ValueError for a structure."""
        value = self.value(path)
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if isinstance(value, int | float):
            return str(value)
        raise ValueError(f"{path} is no single value")

    def comparable(self, text: str) -> str:
        """How a text is compared: as it is, or without regard to case where the mapping says so."""
        return text.casefold() if self._fold else text

    def filled(self, template: str) -> str | None:
        """The template with the values that it names; None as a whole where one of them is blank."""
        out: list[str] = []
        for literal, path in pieces(template):
            out.append(literal)
            if path is not None:
                text = self.text(path)
                if not text:
                    return None
                out.append(text)
        return "".join(out)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            text = value.strip()
            return None if not text or text in self._blanks else value
        if type(value) is int and str(value) in self._blanks:
            return None
        return None if value is None or value in ([], {}) else value

    def _descend(self, value: Any, path: tuple[str, ...], walked: str) -> Any:
        if not path:
            self.asked.add(walked)
            return value
        step, rest = path[0], path[1:]
        if step == "*":
            for name, part in _parts(value):
                found = self._filled(self._descend(part, rest, _join(walked, name)))
                if found is not None:
                    return found
            return None
        if isinstance(value, Mapping) and step in value:
            return self._descend(value[step], rest, _join(walked, step))
        if isinstance(value, list) and step.removeprefix("-").isdecimal() and -len(value) <= int(step) < len(value):
            index = int(step) % len(value)
            return self._descend(value[index], rest, _join(walked, str(index)))
        return None


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """The paths of everything in a payload that is a single value."""
    parts = list(_parts(value))
    if not parts:
        if value not in (None, "", [], {}):
            yield path
        return
    for name, part in parts:
        yield from leaves(part, _join(path, name))


@lru_cache(maxsize=4096)
def alternatives(path: str) -> tuple[str, ...]:
    return tuple(path.split("|"))


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


@lru_cache(maxsize=4096)
def pieces(template: str) -> tuple[tuple[str, str | None], ...]:
    """The template taken apart: literal text, and the path that follows it."""
    return tuple((literal, path) for literal, path, _, _ in string.Formatter().parse(template))


def paths_in(template: str) -> list[str]:
    """The paths that a template such as `anonymous:{case}` names."""
    return [path for _, path in pieces(template) if path is not None]


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, list):
        yield from ((str(index), part) for index, part in enumerate(value))


def _join(walked: str, step: str) -> str:
    return f"{walked}.{step}" if walked else step
