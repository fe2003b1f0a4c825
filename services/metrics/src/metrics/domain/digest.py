"""A short name for what an event says, by which a repeat is told from a contradiction."""

import hashlib
import json
from datetime import datetime

from pydantic_core import from_json


def digest_of(text: bytes | str, event_type: str, time: datetime) -> str:
    """The same for every record of one type, time, subject and data, however fields are ordered and it travelled."""
    event = from_json(text)
    said = json.dumps(event["data"], sort_keys=True, ensure_ascii=False)
    whole = f"{event_type}\0{time.timestamp()}\0{event.get('subject')}\0{said}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(whole, digest_size=12).hexdigest()
