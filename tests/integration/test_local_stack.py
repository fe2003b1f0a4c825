"""The local stack itself: real servers, and nothing of them left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from devkit.stack import StackError, distribution, local_stack
from devkit.stack.data import DataFolder, remove_if_abandoned
from devkit.stack.mongodb import MongoServer
from devkit.stack.ports import HOST, free_port
from pymongo import MongoClient
from pymongo.errors import PyMongoError

ONE_MONGODB = """
import json, signal, threading, time
from pathlib import Path
from devkit.stack.data import DataFolder
from devkit.stack.mongodb import MongoServer

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started deaf to it
folder = DataFolder(Path({data!r}), said=print)
server = MongoServer(folder.path / "mongodb", folder.path / "mongodb.log", port={port}, kept_fds=(folder.lock_fd,))
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print(json.dumps([server.pid, server._guard.pid]), flush=True)
try:
    while True:
        time.sleep(0.05)  # not pause(): a signal that comes just before it is never seen
finally:
    server.stop()
"""


def until(said: Callable[[], bool], *, seconds: float = 60.0) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not said():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def mongo(uri: str, **options: Any) -> closing[MongoClient[dict[str, Any]]]:
    return closing(MongoClient(uri, **options))


@contextmanager
def a_process_with_a_mongodb(data: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that has started MongoDB from a thread which is gone, and the ids of what it started."""
    script = ONE_MONGODB.format(data=str(data), port=free_port())
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


async def make_topic(kafka: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def send(kafka: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def first_record(kafka: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        value: bytes | None = (await consumer.getone()).value
        return value
    finally:
        await consumer.stop()


async def test_a_record_sent_is_a_record_read(stack, unique):
    topic = unique("topic")
    await make_topic(stack.kafka, topic)
    await send(stack.kafka, topic, b"hello")
    assert await first_record(stack.kafka, topic) == b"hello"


def test_a_transaction_is_kept_whole_or_not_at_all(stack, unique):
    with mongo(stack.mongodb) as client:
        contacts = client[unique("db")].contacts
        with client.start_session() as session:
            with session.start_transaction():
                contacts.insert_one({"_id": "kept"}, session=session)
            session.start_transaction()
            contacts.insert_one({"_id": "given up"}, session=session)
            session.abort_transaction()
        assert [found["_id"] for found in contacts.find()] == ["kept"]


async def test_data_survives_a_stop_and_a_change_of_ports(tmp_path, capsys):
    with local_stack(tmp_path / "data") as first:
        await make_topic(first.kafka, "kept")
        await send(first.kafka, "kept", b"still here")
        with mongo(first.mongodb) as client:
            client.db.contacts.insert_one({"_id": "still here"})

    kafka_port = free_port()
    mongodb_port = free_port(taken=frozenset({kafka_port}))
    began = time.monotonic()
    with local_stack(tmp_path / "data", kafka_port=kafka_port, mongodb_port=mongodb_port) as second:
        took = time.monotonic() - began
        assert second.kafka == f"{HOST}:{kafka_port}"
        assert await first_record(second.kafka, "kept") == b"still here"
        with mongo(second.mongodb) as client:
            assert client.db.contacts.find_one() == {"_id": "still here"}
    with capsys.disabled():
        sys.stdout.write(f"\nsecond start of the local stack: both ready after {took:.1f} s\n")
    assert took < 30


async def test_kafka_killed_comes_back_at_its_address_with_its_data(own_stack, unique):
    topic = unique("topic")
    address = own_stack.kafka
    await make_topic(address, topic)
    await send(address, topic, b"before")
    own_stack.kafka_server.kill()
    assert not own_stack.kafka_server.alive
    own_stack.kafka_server.start()
    assert own_stack.kafka == address
    assert await first_record(address, topic) == b"before"


def test_a_paused_server_answers_nobody_until_it_is_resumed(own_stack):
    with mongo(own_stack.mongodb, serverSelectionTimeoutMS=500, socketTimeoutMS=300) as client:
        own_stack.mongodb_server.pause()
        with pytest.raises(PyMongoError):
            client.admin.command("ping")
        own_stack.mongodb_server.resume()
    with mongo(own_stack.mongodb) as client:
        assert client.admin.command("ping")["ok"] == 1


def test_an_ephemeral_stack_leaves_neither_data_nor_processes():
    with local_stack(ephemeral=True) as stack:
        pids = [stack.kafka_server.pid, stack.mongodb_server.pid]
        assert all(map(runs, pids))
    assert not any(map(runs, pids))
    assert not stack.data.exists()
    stack.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_the_parent_no_server_outlives_it(tmp_path, number):
    with a_process_with_a_mongodb(tmp_path / "data") as (process, started):
        assert all(map(runs, started))
        process.send_signal(number)
        assert until(lambda: not any(map(runs, started)))


def test_a_server_does_not_outlive_its_guard(tmp_path):
    with a_process_with_a_mongodb(tmp_path / "data") as (_, (server, guard)):
        os.kill(guard, signal.SIGKILL)
        assert until(lambda: not runs(server))


def test_a_stale_lock_is_said_and_taken_over_once_the_servers_are_gone(tmp_path):
    said: list[str] = []
    with a_process_with_a_mongodb(tmp_path / "data") as (process, started):
        process.kill()
        process.wait()
        folder = DataFolder(tmp_path / "data", said=said.append)
        assert not any(map(runs, started))
    folder.close()
    assert any(f"stale lock: process {process.pid} ended without stopping its stack" in line for line in said)


def test_a_folder_in_use_is_refused_with_the_name_of_its_user(tmp_path):
    folder = DataFolder(tmp_path, said=print)
    with pytest.raises(StackError, match=f"in use by the stack of process {os.getpid()}"):
        DataFolder(tmp_path, said=print)
    remove_if_abandoned(tmp_path)
    assert tmp_path.exists()
    folder.close()
    remove_if_abandoned(tmp_path)
    assert not tmp_path.exists()


def test_a_half_made_folder_is_said_and_made_anew(tmp_path):
    said: list[str] = []
    folder = DataFolder(tmp_path, said=said.append)
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "meta.prop").touch()
    folder.close()
    DataFolder(tmp_path, said=said.append).close()
    assert [line for line in said if "half-made" in line] == said
    assert not (tmp_path / "kafka").exists()


def test_a_folder_that_lost_half_of_its_data_is_not_touched(tmp_path):
    folder = DataFolder(tmp_path, said=print)
    (tmp_path / "mongodb").mkdir()
    (tmp_path / "mongodb" / "WiredTiger").touch()
    folder.note(ready=True)
    folder.close()
    with pytest.raises(StackError, match=r"lacks kafka/meta\.properties"):
        DataFolder(tmp_path, said=print)
    assert (tmp_path / "mongodb" / "WiredTiger").exists()


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(StackError, match=r"holds letters\.txt but no stack\.json"):
        DataFolder(tmp_path, said=print)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters.txt"]


def test_a_port_in_use_is_said_before_anything_is_started(tmp_path, own_stack):
    port = int(own_stack.kafka.rpartition(":")[2])
    with pytest.raises(StackError, match=f"port {port}, asked for Kafka, is in use"):
        local_stack(tmp_path / "data", kafka_port=port)
    DataFolder(tmp_path / "data", said=print).close()


def test_a_server_that_can_not_start_says_why(tmp_path):
    (tmp_path / "mongodb").mkdir()
    (tmp_path / "mongodb" / "storage.bson").write_bytes(b"damaged")
    server = MongoServer(tmp_path / "mongodb", tmp_path / "mongodb.log", port=free_port())
    with pytest.raises(
        StackError, match=r"(?s)ended with code 14 while starting.*Unable to read the storage engine metadata"
    ):
        server.start()
    assert "InvalidBSON" in server.last_words()


def test_an_interrupted_download_is_made_anew_and_only_by_one(tmp_path, monkeypatch):
    downloads: list[Path] = []
    said: list[str] = []

    def download(jars: Path, _: object) -> None:
        downloads.append(jars)
        (jars / "kafka.jar").write_bytes(b"whole")

    monkeypatch.setattr(distribution, "_download", download)
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "cut-short.jar").write_bytes(b"ha")
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: distribution._jars(tmp_path, said=said.append), range(4)))
    assert found == {tmp_path / "jars"}
    assert len(downloads) == 1
    assert not (tmp_path / "jars" / "cut-short.jar").exists()
    assert any("was interrupted last time" in line for line in said)
