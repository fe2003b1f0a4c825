"""What every test may ask for: the stack of the run, a stack of its own, names that nobody shares."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from devkit.stack import Stack, local_stack
from hypothesis import HealthCheck, settings

from tests.support import stack as support
from tests.support.clock import ManualClock
from tests.support.replica import Site

_SHARED = pytest.StashKey[support.SharedStack]()
_NEED_A_STACK = {"stack", "own_stack"}

settings.register_profile(
    "rapport", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # how long an example takes says how busy the machine is
settings.load_profile("rapport")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SHARED] = support.SharedStack()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SHARED in config.stash:
        config.stash[_SHARED].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell an xdist worker where to ask for the stack."""
    node.workerinput["stack_door"] = node.config.stash[_SHARED].door()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not _NEED_A_STACK.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> support.Addresses:
    """The run's Kafka (`.kafka`) and MongoDB (`.mongodb`), shared by all tests: use `unique` names in them."""
    workerinput = getattr(request.config, "workerinput", None)
    if workerinput is not None:
        return support.ask_at(workerinput["stack_door"])
    return request.config.stash[_SHARED].addresses()


@pytest.fixture(scope="module")
def _stack_of_this_module() -> Iterator[Stack]:
    with local_stack(ephemeral=True) as own:
        yield own


@pytest.fixture
def own_stack(_stack_of_this_module: Stack) -> Iterator[Stack]:
    """A local stack whose servers the test may kill and pause; both run again when the module's next test begins."""
    yield _stack_of_this_module
    for server in (_stack_of_this_module.kafka_server, _stack_of_this_module.mongodb_server):
        if server.alive:
            server.resume()
        else:
            server.start()


@pytest.fixture
async def site(stack: support.Addresses, unique: Callable[[str], str]) -> AsyncIterator[Site]:
    """A database of its own for tallies, to which replicas come and go."""
    site = Site(stack.mongodb, unique("tally"), ManualClock())
    await site.prepare()
    yield site
    await site.close()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """`unique("topic")` is a name that no other test and no other run uses."""
    return support.unique
