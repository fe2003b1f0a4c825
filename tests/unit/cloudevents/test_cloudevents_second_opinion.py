"""The official SDK on what it gets right: reading well-formed messages. It refuses far too little to be asked more."""

from cloudevents.core.bindings import http, kafka
from rapport.cloudevents import CloudEvent, from_http, from_kafka, to_binary_http, to_kafka_binary, to_structured

EVENT = CloudEvent(
    {
        "specversion": "1.0",
        "id": 'Euro € 50% "x" 😀',
        "source": "https://example.com/crm?x=y#z",
        "type": "contact.received",
        "subject": "contact/4711",
        "time": "2026-03-04T05:06:07.125Z",
        "datacontenttype": "application/json",
        "partitionkey": "K-5",
    },
    {"customer_id": "K-5", "n": [1, 2.5, None, "é"]},
)


def said(theirs):
    """What the SDK read, in our words: it keeps the time as a datetime."""
    time = theirs.get_time().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return CloudEvent(theirs.get_attributes() | {"time": time}, theirs.get_data())


def test_the_sdk_reads_the_binary_messages_that_we_write():
    assert said(http.from_http_event(http.HTTPMessage(*to_binary_http(EVENT)))) == EVENT
    value, headers = to_kafka_binary(EVENT)
    assert said(kafka.from_kafka_event(kafka.KafkaMessage(dict(headers), None, value or b""))).data == EVENT.data


def test_the_sdk_reads_the_documents_that_we_write():
    message = http.HTTPMessage({"content-type": "application/cloudevents+json"}, to_structured(EVENT))
    assert said(http.from_http_event(message)) == EVENT


def test_we_read_the_messages_that_the_sdk_writes():
    theirs = http.from_http_event(http.HTTPMessage(*to_binary_http(EVENT)))
    for message in (http.to_binary_event(theirs), http.to_structured_event(theirs)):
        assert from_http(message.headers, message.body) == [EVENT]
    record = kafka.to_binary_event(theirs)
    assert from_kafka(record.value, list(record.headers.items())).data == EVENT.data
