"""What the Kafka client logs at every start is held back; what lasts, or is new, is told."""

import logging

import pytest
from rapport.runtime.calm import Calm

COORDINATOR = "Group Coordinator Request failed: %s"


def line(text: str, at: float, *values: object, name: str = "aiokafka.consumer.group_coordinator") -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, text, values, None)
    record.created = at
    return record


def told(calm: Calm, *lines: logging.LogRecord) -> list[tuple[float, str]]:
    return [(one.created, one.getMessage()) for one in lines if calm.filter(one)]


@pytest.mark.parametrize(
    "text",
    [COORDINATOR, "Topic %s not found in cluster metadata", "Marking the coordinator dead (node 1)for group %s."],
)
def test_what_every_first_start_says_for_a_moment_is_not_told(text):
    assert told(Calm(), *(line(text, at / 10, "x") for at in range(95))) == []


def test_what_every_first_start_says_is_told_once_it_lasts():
    said = told(Calm(), *(line(COORDINATOR, at, "no such node") for at in range(25)))
    assert said == [
        (10, "Group Coordinator Request failed: no such node (10 more like it before)"),
        (20, "Group Coordinator Request failed: no such node (9 more like it before)"),
    ]


def test_two_short_ones_with_a_pause_between_are_two_starts_and_no_trouble():
    calm = Calm()
    assert told(calm, *(line(COORDINATOR, at, "x") for at in (0, 1, 2, 60, 61, 62))) == []


def test_anything_else_is_told_at_once_and_then_at_most_every_ten_seconds():
    said = told(Calm(), *(line("Unable connect to node with id %s", at, 1) for at in range(12)))
    assert said == [
        (0, "Unable connect to node with id 1"),
        (10, "Unable connect to node with id 1 (9 more like it before)"),
    ]


def test_lines_of_others_are_let_through_as_they_are():
    lines = [line("stopping", at, name="uvicorn") for at in range(3)]
    assert len(told(Calm(), *lines)) == 3
