"""What an operator can set about sla-monitor."""

from pathlib import Path

from pydantic import Field
from rapport.runtime.settings import Settings


class SlaSettings(Settings):
    """The settings of every service, and where the policy is, whom messages may reach and where people find us."""

    port: int = Field(8002, ge=0, le=65535, description="the port that HTTP listens on; 0 takes a free one")
    policy: Path | None = Field(None, description="the policy file (YAML); without it the one in the package applies")
    allow_internal_receivers: bool = Field(
        default=False, description="let receivers have loopback and link-local addresses; for tests and demos"
    )
    public_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="where people reach this service; links in messages begin with it"
    )
    send_timeout: float = Field(10.0, gt=0, le=60, description="seconds that a receiver has to take a message")
    send_attempts: int = Field(8, ge=1, le=100, description="tries after which a message counts as failed")
