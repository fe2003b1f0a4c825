"""What FastStream makes of records, as far as we let it."""

from aiokafka import ConsumerRecord
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.parser import AioKafkaBatchParser
from rapport.runtime.subscribing import headers_unread


def record(offset: int, *headers: tuple[str, bytes | None]) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord("contact-events", 3, offset, 1_772_442_000_000, 0, b"K-5", b"{}", None, 3, 2, headers)


async def test_a_batch_reaches_its_handler_whatever_the_headers_of_its_records_are():
    parser = AioKafkaBatchParser(KafkaAckableMessage, None)
    records = (record(1), record(2, ("odd", b"\xff"), ("unset", None)), record(3, ("odd", b"\xff")))
    assert (await headers_unread(records, parser.parse_batch)).raw_message is records
    assert (await headers_unread(records[2:], parser.parse_batch)).raw_message == records[2:]
