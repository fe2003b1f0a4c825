"""Settings from the environment, checked before anything starts."""

import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rapport.rule_file import said


class Misconfigured(Exception):
    """The start can't go on; the message is the one line for the operator."""


_BROKER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,\[\]/]+)(:(?P<port>[0-9]{1,5}))?")
_LAST_PORT: Final = 65_535
_HIDDEN: Final = "hidden"
"""The kind of fault whose value is not shown."""


def _brokers(value: str) -> str:
    for broker in value.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if not found or int(found["port"] or 1) > _LAST_PORT:
            raise ValueError(f"{broker.strip()!r} is not host:port")
    return value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if value and (not known or " " in value):
        raise ValueError("is no address such as https://care.example.org")
    return value


Address = Annotated[str, AfterValidator(_address)]
"""Of a web server; empty where there is none."""


def _key(value: SecretStr) -> SecretStr:
    bare = value.get_secret_value().strip()
    if not (bare.isascii() and bare.isprintable()):
        raise PydanticCustomError(_HIDDEN, "has characters that no key can have")
    return SecretStr(bare)


ApiKey = Annotated[SecretStr, AfterValidator(_key)]
"""A key as it is sent, without what a file may have around it."""

Length = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=36_500))]
"""Of time; a century is as good as for ever."""


class Settings(BaseSettings):
    """What every service needs to know. Variables are `RAPPORT_<NAME>` unless said otherwise."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", extra="ignore", populate_by_name=True)

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_brokers)] = Field(
        "127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="host:port of the Kafka brokers"
    )
    mongodb_uri: str = Field(
        "mongodb://127.0.0.1:27017/?directConnection=true",
        validation_alias="MONGODB_URI",
        description="a replica set or mongos; transactions are needed",
    )
    host: str = Field("127.0.0.1", min_length=1, description="the address that HTTP listens on")
    port: int = Field(0, ge=0, le=65535, description="the port that HTTP listens on; 0 takes a free one")
    database_prefix: str = Field(
        "rapport_", pattern="^[A-Za-z0-9_-]{0,40}$", description="a service's database is this and its name"
    )
    topic_prefix: str = Field(
        "",
        pattern="^[A-Za-z0-9._-]{0,100}$",
        description="stands before every topic and consumer group; for tests that share a broker",
    )
    partitions: int = Field(12, ge=1, le=1000, description="partitions of every topic; the same for all")
    replication: int = Field(1, ge=1, description="replicas of every topic")
    keys_file: Path | None = Field(None, description="YAML file of API keys; without it nobody can sign in")
    secret: SecretStr | None = Field(None, description="signs sessions and unsubscribe links; random when absent")
    user_header: str | None = Field(
        None, description="a header by which a trusted proxy names the person; nobody else may reach the service then"
    )
    live_window: Length = Field(timedelta(hours=24), description="older events are backfill on arrival")
    backfill_quiet: timedelta = Field(
        timedelta(seconds=60),
        ge=timedelta(0),
        le=timedelta(days=1),
        description="contacts of a backfill wait until none has come for this long",
    )
    batch_records: int = Field(1000, ge=1, le=10_000, description="most records in one batch")
    stuck_after: Length = Field(
        timedelta(seconds=60), description="no progress despite lag for this long ends the process"
    )
    dead_letter_share: float = Field(
        0.5, gt=0, le=1, description="past this share of refused records among the last 1,000 a consumer stops"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severity that is logged")


S = TypeVar("S", bound=Settings)


def load(kind: type[S]) -> S:
    """The settings of the environment; what is wrong ends the process with one line and status 2."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        variable = name if name.isupper() else f"RAPPORT_{name.upper()}"
        reason = "is no length of time such as PT30S or P7D" if first["type"] == "time_delta_parsing" else said(first)
        got = "" if first["type"] == _HIDDEN else f" (got {os.environ.get(variable, first['input'])!r})"
        refuse(f"{variable}: {reason}{got}")


def refuse(reason: str) -> NoReturn:
    """End the start with one readable line and status 2."""
    print(f"cannot start: {reason}", file=sys.stderr, flush=True)  # noqa: T201 - logging is not set up yet
    raise SystemExit(2)
