"""Run in an environment of its own: counts the events of each contact into RocksDB, exactly once, telling each."""

import json
import resource
import sys
import time
from typing import Any

from quixstreams import Application, State  # type: ignore[import-not-found] # it has an environment of its own


def main(brokers: str, topic: str, told: str, group: str, count: int, state_dir: str) -> None:
    app = Application(
        brokers,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=1000,
        state_dir=state_dir,
        loglevel="ERROR",
    )
    began: list[float] = []

    def fold(event: dict[str, Any], state: State) -> dict[str, Any]:
        if not began:
            began.append(time.perf_counter())
        contact_id = event["data"]["contact_id"]
        note = state.get(contact_id) or {"text": "x" * 1_000, "events": 0}
        note["events"] += 1
        state.set(contact_id, note)
        return {"id": f"{contact_id}/{note['events']}", "type": "followup.owed", "time": event["time"]}

    frame = app.dataframe(app.topic(topic, value_deserializer="json"))
    frame.apply(fold, stateful=True).to_topic(app.topic(told, value_serializer="json"))
    app.run(count=count)
    seconds = time.perf_counter() - began[0]
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"rate": count / seconds, "memory_mb": memory_mb}) + "\n")


if __name__ == "__main__":
    _, brokers, topic, told, group, count, state_dir = sys.argv
    main(brokers, topic, told, group, int(count), state_dir)
