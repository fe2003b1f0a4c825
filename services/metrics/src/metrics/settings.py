"""What metrics can be told by the environment."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from rapport.runtime.settings import Length, Settings

from metrics.domain.measures import Limits


class MetricsSettings(Settings):
    """The settings of metrics."""

    port: int = Field(8004, ge=0, le=65535, description="the port that HTTP listens on; 0 takes a free one")
    agent_figures: Literal["on", "off"] = Field(
        "on", description="off: no figure by agent, nor a name in the lists behind them"
    )
    timezone: str = Field("UTC", description="the time zone of the dashboard's days, such as Europe/Berlin")
    answered_within: Length = Field(
        timedelta(seconds=20),
        description="how soon callers are to be answered (measure answered_within)",
    )
    inactive_after: Length = Field(
        timedelta(days=365),
        description="for how long nothing is heard of a customer before they are lost (retention, churn)",
    )
    loyalty: Path | None = Field(
        None, description="the loyalty file (YAML): points of purchases and the tiers they give; no tiers when absent"
    )
    retention_rejections: Length = Field(
        timedelta(days=90), description="how long it can be told of an event that it was refused"
    )

    def limits(self, now: datetime) -> Limits:
        """What reports depend on that are asked for at an instant."""
        return Limits(now, self.answered_within, self.inactive_after)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone of the IANA database, such as Europe/Berlin") from None
        return name
