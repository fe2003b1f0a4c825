"""Words of others, made fit for one line."""

from typing import Final

_DISTURBING: Final = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)), " "
)


def one_line(text: str) -> str:
    """The text without what would break the line, turn the direction of all that follows, or order a terminal about."""
    return " ".join(text.translate(_DISTURBING).split())


def cut(text: str, most: int) -> str:
    """The text, of so many characters at most."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
