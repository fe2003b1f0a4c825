"""What all tables in the terminal have in common."""

from rapport.lines import one_line
from rich.text import Text


def plain(words: str) -> Text:
    """Somebody else's words as they stand: no markup of ours, and folded where a column is too narrow for them."""
    return Text(one_line(words), overflow="fold")
