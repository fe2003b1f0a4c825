"""What somebody who waits sees: a bar on a terminal, simple lines elsewhere; always on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

Say = Callable[[str], None]
Advance = Callable[[int], None]


def say(line: str) -> None:
    """Tell the person one thing, on stderr."""
    print(f"stack: {line}", file=sys.stderr, flush=True)


@contextmanager
def bytes_bar(title: str, expected: int, *, said: Say) -> Iterator[Advance]:
    """
    Show how much of about `expected` bytes has come; the value is called with the bytes of each piece.

    Where stderr is no terminal: a line at the start, one at each quarter, one at the end.
    """
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=expected)
            yield lambda size: bar.advance(task, size)
            bar.update(task, total=bar.tasks[0].completed)
        return
    came = quarter = 0

    def advance(size: int) -> None:
        nonlocal came, quarter
        came += size
        if came * 4 // expected > quarter:
            quarter = came * 4 // expected
            said(f"{title}: {came / 1e6:.0f} of about {expected / 1e6:.0f} MB")

    said(f"{title}: about {expected / 1e6:.0f} MB, once")
    yield advance
    said(f"{title}: done")
