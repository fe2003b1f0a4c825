"""
Percentiles within 1 % out of counters that only add.

A value lies in the bucket (γ^(i−1), γ^i] with γ = 1.01/0.99, and the bucket
answers with 2γ^i/(γ+1), which is within 1 % of everything in it (Masson, Rim,
Lee: DDSketch, VLDB 2019).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

ACCURACY: Final = 0.01
GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
_SCALE: Final = 1 / math.log(GAMMA)
ZERO: Final = -1
"""The bucket of values below one."""


def bucket_of(value: int) -> int:
    return math.ceil(math.log(value) * _SCALE) if value >= 1 else ZERO


def value_of(bucket: int) -> float:
    return 0.0 if bucket == ZERO else 2 * GAMMA**bucket / (GAMMA + 1)


def percentiles(buckets: Mapping[int, int], shares: Iterable[float]) -> list[float | None]:
    """
    For each share q the value at rank ⌈q·n⌉ of n (nearest rank, SQL's percentile_disc), within 1 %.

    None where nothing was counted.
    """
    held = sorted((bucket, count) for bucket, count in buckets.items() if count > 0)
    total = sum(count for _, count in held)
    answers: list[float | None] = []
    for share in shares:
        if not total:
            answers.append(None)
            continue
        rank = max(1, math.ceil(share * total - 1e-9))
        seen = 0
        for bucket, count in held:
            seen += count
            if seen >= rank:
                answers.append(value_of(bucket))
                break
    return answers
