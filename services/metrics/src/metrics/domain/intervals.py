"""How sure a share is, given how many were asked."""

import math
from typing import Final

Z95: Final = 1.959963984540054
"""The two-sided 95 % point of the normal distribution."""


def wilson(successes: int, asked: int) -> tuple[float, float] | None:
    """The 95 % score interval of a share (Wilson 1927); None when nobody was asked."""
    if asked <= 0:
        return None
    share, z2 = successes / asked, Z95 * Z95
    middle = share + z2 / (2 * asked)
    margin = Z95 * math.sqrt(share * (1 - share) / asked + z2 / (4 * asked * asked))
    below = 1 + z2 / asked
    return max(0.0, (middle - margin) / below), min(1.0, (middle + margin) / below)


def difference(promoters: int, detractors: int, asked: int) -> tuple[float, float] | None:
    """The 95 % normal interval of promoters' less detractors' share; None when nobody was asked."""
    if asked <= 0:
        return None
    up, down = promoters / asked, detractors / asked
    margin = Z95 * math.sqrt(max(0.0, up + down - (up - down) ** 2) / asked)
    return max(-1.0, up - down - margin), min(1.0, up - down + margin)


def of_mean(total: int, squares: int, count: int) -> tuple[float, float] | None:
    """The 95 % normal interval of a mean, from the sums of the values and of their squares; None for fewer than two."""
    if count < 2:  # noqa: PLR2004 - one value says nothing of how far they lie apart
        return None
    mean = total / count
    margin = Z95 * math.sqrt(max(0.0, (squares - total * mean) / (count - 1)) / count)
    return mean - margin, mean + margin
