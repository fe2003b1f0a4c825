"""One database, one Kafka cluster: its positions mean nothing in another."""

from aiokafka.admin import AIOKafkaAdminClient

from rapport.runtime.mongo import Database
from rapport.runtime.settings import Misconfigured


async def hold_to_cluster(database: Database, bootstrap: str) -> None:
    """
    Return when this database has only ever been fed from the Kafka cluster at `bootstrap`.

    The first start writes the cluster's id down. `Misconfigured` where it is
    another: offsets that were read there would skip or repeat records here. A
    cluster that names no id is taken as it is.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="rapport-cluster")
    await admin.start()
    try:
        cluster = (await admin.describe_cluster())["cluster_id"]
    finally:
        await admin.close()
    if not cluster:
        return
    known = await database["cluster"].find_one_and_update(
        {"_id": "kafka"}, {"$setOnInsert": {"cluster_id": cluster}}, upsert=True
    )
    if known and known["cluster_id"] != cluster:
        raise Misconfigured(
            f"database {database.name} was filled from Kafka cluster {known['cluster_id']}, but {bootstrap} is cluster "
            f"{cluster}: set KAFKA_BOOTSTRAP_SERVERS or MONGODB_URI right (to move on purpose: docs/operations.md)"
        )
