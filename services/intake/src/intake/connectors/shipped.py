"""The connectors that come with Rapport, and those in files of one's own."""

from functools import cache
from importlib import resources
from pathlib import Path

from rapport.mapping import HookMapping, WrongMapping, parse_hook

_MAPPINGS = resources.files("intake.connectors") / "mappings"


def shipped_connectors() -> list[str]:
    """The names of the connectors that come with Rapport."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _MAPPINGS.iterdir() if entry.name.endswith(".yaml"))


def connector_text(name: str) -> str:
    """The mapping file of a connector: of a shipped one by its name, else of the file."""
    if name in shipped_connectors():
        return (_MAPPINGS / f"{name}.yaml").read_text("utf-8")
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        shipped = ", ".join(shipped_connectors())
        raise WrongMapping(f"there is no connector {name!r}: give a mapping file, or one of {shipped}") from None


def find_connector(name: str) -> HookMapping:
    """The mapping of a connector; WrongMapping says what is wrong with it."""
    return _shipped(name) if name in shipped_connectors() else parse_hook(connector_text(name), name)


@cache
def _shipped(name: str) -> HookMapping:
    return parse_hook(connector_text(name), name)
