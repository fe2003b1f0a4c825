"""SIGINT and SIGTERM as an exception, so that whatever has been started is stopped on the way out."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Stopped(BaseException):
    """The person, or the machine, asked us to end."""


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """Run the block; the first SIGINT or SIGTERM ends it quietly, and those that follow don't disturb the stopping."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    former = {number: signal.signal(number, stop) for number in numbers}
    try:
        with contextlib.suppress(Stopped):
            yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
