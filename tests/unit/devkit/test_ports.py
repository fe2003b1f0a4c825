"""Two who look for a free port at once never find the same one, though neither listens yet."""

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest
from devkit.stack.ports import free_port

ASK = "import random; from devkit.stack.ports import free_port; random.seed(7); print(free_port(), flush=True); input()"

pytestmark = pytest.mark.usefixtures("_same_dice")


@pytest.fixture
def _same_dice() -> Iterator[None]:
    state = random.getstate()
    random.seed(7)
    yield
    random.setstate(state)


def test_a_port_that_another_process_was_given_is_given_to_nobody_else_until_that_has_ended():
    with subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        assert free_port() != theirs
        other.communicate("done\n")
    random.seed(7)
    assert free_port() == theirs


def test_a_process_is_never_given_a_port_twice():
    once = free_port()
    random.seed(7)
    assert free_port() != once
