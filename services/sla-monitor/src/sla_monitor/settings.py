"""What an operator can set about sla-monitor."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from rapport.runtime.settings import Address, ApiKey, Length, Settings


class SlaSettings(Settings):
    """The settings of every service, and where the policy is, whom messages may reach and where people find us."""

    port: int = Field(8002, ge=0, le=65535, description="the port that HTTP listens on; 0 takes a free one")
    policy: Path | None = Field(None, description="the policy file (YAML); without it the one in the package applies")
    allow_internal_receivers: bool = Field(
        default=False, description="let receivers have loopback and link-local addresses; for tests and demos"
    )
    public_url: Address = Field("", description="where people reach this service; links in messages begin with it")
    send_timeout: float = Field(10.0, gt=0, le=60, description="seconds that a receiver has to take a message")
    send_attempts: int = Field(8, ge=1, le=100, description="tries after which an alert climbs past a receiver")
    link_lifetime: Length = Field(timedelta(days=3), description="how long the links in messages may be used")
    retention_notifications: Length = Field(
        timedelta(days=365), gt=timedelta(days=1), description="how long messages about alerts stay that are done with"
    )
    tell_again_every: Length = Field(
        timedelta(minutes=5),
        le=timedelta(minutes=30),
        description="how often Alertmanager is told again of what stands; after an hour without it takes it for over",
    )
    pagerduty_secret: SecretStr | None = Field(
        None, description="signs what PagerDuty's webhook tells back; without it nothing is taken from there"
    )
    lag_limit: Length = Field(
        timedelta(seconds=60), description="breaches of a partition are held back while its events come later than this"
    )
    intake_url: Address = Field("", description="where intake is; asked which sources are silent, if given")
    intake_key: ApiKey | None = Field(None, description="the key (role watch) with which intake is asked")
    silent_hold: Length = Field(
        timedelta(hours=1), description="breaches of a silent source are held back no longer than this"
    )
    audit_every: Length = Field(timedelta(seconds=15), description="how often the auditor looks after alerting")
    overdue_after: Length = Field(
        timedelta(seconds=60), description="so late a step or a message counts as overdue for the auditor"
    )
