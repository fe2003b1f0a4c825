"""Receivers of messages, for whatever sends some."""

from collections.abc import Iterator

import pytest

from tests.support.pagerduty import PagerDuty, pagerduty
from tests.support.receivers import Receiver, receiver


@pytest.fixture
def desk() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def lead() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def pager() -> Iterator[PagerDuty]:
    with pagerduty() as made:
        yield made
