"""What an operator can set about intake."""

from pathlib import Path

from pydantic import Field
from rapport.runtime.settings import Settings


class IntakeSettings(Settings):
    """The settings of every service, and how much intake takes in at once."""

    port: int = Field(8001, ge=0, le=65535, description="the port that HTTP listens on; 0 takes a free one")
    ack_timeout: float = Field(
        5.0, gt=0, le=60, description="seconds that Kafka has to acknowledge, then the answer is 503"
    )
    max_in_flight: int = Field(
        64 << 20, ge=1 << 20, description="bytes of request bodies being worked on; more are answered 503"
    )
    hooks: Path | None = Field(None, description="YAML file of webhooks and their secrets; see docs/connectors.md")
    hook_timeout: float = Field(
        4.0, gt=0, le=60, description="seconds that storing what a webhook brought may take; products give up after 5"
    )
