"""Where in a database something can be read: what erasing a customer must not leave."""

from rapport.runtime.mongo import Database


async def traces(database: Database, *texts: str) -> list[tuple[str, str]]:
    """Every document of every collection that has one of these texts in it, be it in its id or its fields' names."""
    found = []
    for name in sorted(await database.list_collection_names()):
        if name.startswith("system."):
            continue
        async for document in database[name].find({}):
            written = repr(document)
            found += [(name, written) for text in texts if text in written]
    return found
