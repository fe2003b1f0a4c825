"""
Rubbish over HTTP: whatever comes, intake answers it for what it is, and goes on.

RAPPORT_FUZZ_REQUESTS says how many requests (2,000), RAPPORT_FUZZ_SEED which.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import product

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from devkit.platform.running import Platform
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.intake import STRUCTURED, event, keys_file
from tests.support.rubbish import Head, bodies, heads

REQUESTS = int(os.environ.get("RAPPORT_FUZZ_REQUESTS", "2000"))
SEED = int(os.environ.get("RAPPORT_FUZZ_SEED", "1"))
EACH = 8
"""Heads and bodies that are put together, each with each."""

MOST_GROWTH_MB = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    keys = keys_file(tmp_path_factory.mktemp("keys"))
    environment = {"RAPPORT_KEYS_FILE": str(keys), "RAPPORT_LOG_LEVEL": "ERROR"}
    with Platform.start(ephemeral=True, services=("intake",), environment=environment) as platform:
        yield platform


def test_no_rubbish_is_answered_with_5xx_and_none_of_it_stays_in_memory(platform):
    process = psutil.Process(platform.services["intake"].pid)
    answers: Counter[int] = Counter()
    resident: list[int] = []

    with httpx.Client(base_url=platform.addresses.intake, trust_env=False, timeout=10) as http:

        @seed(SEED)
        @settings(
            max_examples=REQUESTS // EACH**2,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(heads(), min_size=EACH, max_size=EACH), st.lists(bodies(), min_size=EACH, max_size=EACH))
        def send(some_heads: list[Head], some_bodies: list[bytes]) -> None:
            for head, body in product(some_heads, some_bodies):
                answer = http.request(head.method, head.path, headers=list(head.headers), content=body)
                assert_honest(answer, head, body)
                answers[answer.status_code] += 1
            resident.append(process.memory_info().rss)

        send()
        proper = {"Authorization": "Bearer emit-key", "Content-Type": STRUCTURED}
        after_all = http.post("/v1/events", headers=proper, content=json.dumps(event(id="after all")))
        assert after_all.status_code == 202, after_all.text

    settled = resident[len(resident) // 4]  # its caches and pools are filled by then
    grown = (resident[-1] - settled) / 1e6
    memory = f"{settled / 1e6:.0f} MB, then {grown:+.0f} MB"
    print(f"\n{answers.total():,} requests: {dict(sorted(answers.items()))}; {memory}")  # noqa: T201 - its figures
    assert answers[422] > 0, "some of it is nearly right"
    assert grown < MOST_GROWTH_MB


def assert_honest(answer: httpx.Response, head: Head, body: bytes) -> None:
    assert answer.status_code < 500, (head, body, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"].startswith("application/problem+json"), (head, body, answer.headers)
        assert answer.json()["title"], (head, body)
