"""The secret of a service's database, by which it knows erased customers again."""

import secrets

from rapport.erasing import Pseudonyms
from rapport.runtime.store import Store


async def pseudonyms_of(store: Store) -> Pseudonyms:
    """Those of this database: its secret is made once, at random, and shared by all replicas."""
    kept = store.collection("secrets")
    made = {"$setOnInsert": {"secret": secrets.token_bytes(32)}}
    await kept.update_one({"_id": "pseudonyms"}, made, upsert=True)
    found = await kept.find_one({"_id": "pseudonyms"})
    return Pseudonyms(found["secret"])
