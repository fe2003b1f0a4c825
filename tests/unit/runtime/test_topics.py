"""Topics that can't be created: what passes is waited for, what does not stops the start."""

from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaError
from rapport.runtime import kafka
from rapport.runtime.settings import Misconfigured, Settings


class Admin:
    """A cluster without topics that answers every creation in the same way."""

    def __init__(self, code: int, message: str | None) -> None:
        self.answer = SimpleNamespace(topic_errors=[("contact-events", code, message)])

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    async def list_topics(self) -> list[str]:
        return []

    async def create_topics(self, _: object) -> SimpleNamespace:
        return self.answer


@pytest.fixture
def answering(monkeypatch):
    def answer(code: int, message: str | None) -> None:
        monkeypatch.setattr(kafka, "AIOKafkaAdminClient", lambda **_: Admin(code, message))

    return answer


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (38, "Unable to replicate the partition 1 time(s): All brokers are currently fenced."),
        (41, "This is not the correct controller for this cluster."),
        (7, None),
    ],
)
async def test_a_cluster_that_is_not_ready_yet_is_no_wrong_setting(answering, code, message):
    answering(code, message)
    with pytest.raises(KafkaError):
        await kafka.ensure_topics(Settings())


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (
            38,
            "The target replication factor of 3 cannot be reached: only 1 broker(s) are registered.",
            "factor of 3",
        ),
        (29, None, "TopicAuthorizationFailedError"),
    ],
)
async def test_what_no_waiting_mends_stops_the_start_with_its_reason(answering, code, message, said):
    answering(code, message)
    with pytest.raises(Misconfigured, match=said):
        await kafka.ensure_topics(Settings())
