"""What an operator can set about followup."""

from datetime import timedelta
from pathlib import Path

from pydantic import DirectoryPath, Field
from rapport.runtime.settings import Address, ApiKey, Length, Settings


class FollowupSettings(Settings):
    """The settings of every service, and what this one follows up, writes with, and answers to."""

    port: int = Field(8003, ge=0, le=65535, description="the port that HTTP listens on; 0 takes a free one")
    plays: Path | None = Field(None, description="the plays file (YAML); a survey and a call after each when absent")
    templates: DirectoryPath | None = Field(None, description="a folder of message templates that come before our own")
    language: str = Field(
        "en",
        pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*$",
        description="the language of messages and pages where the customer's is not known",
    )
    public_url: Address | None = Field(
        None, description="how customers reach this service; its own address when absent"
    )
    retention_messages: Length = Field(
        timedelta(days=90),
        gt=timedelta(days=1),
        description="how long messages stay that are done with",
    )
    retention_surveys: Length = Field(
        timedelta(days=90),
        description="how long a survey stays after its link has expired",
    )
    retention_check_ins: Length = Field(
        timedelta(days=365), gt=timedelta(days=1), description="how long calls stay that are made or cancelled"
    )
    intake_url: Address = Field(
        "http://127.0.0.1:8001", description="where answers and choices of customers are posted"
    )
    intake_key: ApiKey | None = Field(None, description="the key for intake; needs the role emit")
