"""Words of others, made fit for one line."""

from typing import Final

_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")


def one_line(text: str) -> str:
    """The text without what would break the line, or tell a terminal what to do."""
    return " ".join(text.translate(_CONTROLS).split())
