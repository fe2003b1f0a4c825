"""The loyalty file (YAML): what purchases are worth in points, and the tiers that these give."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field
from rapport.contracts import identity
from rapport.contracts.fields import Currency, Label
from rapport.runtime.followed import Contradiction, what_is_wrong
from rapport.runtime.settings import Misconfigured

from metrics.domain.loyalty import MILLION, NO_LOYALTY, Loyalty

_DAY: Final = 86_400_000

Rate = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
Least = Annotated[int, Field(ge=1, le=1_000_000_000_000)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    points: dict[Currency, Rate] = Field(min_length=1)
    """For a unit of each currency; what is bought in another gives none."""
    tiers: dict[Label, Least] = Field(min_length=1)
    """The least points of each."""
    days: Annotated[int, Field(ge=1, le=3660)] = 365
    """For how long a purchase counts."""


def read(path: Path | None) -> Loyalty:
    """The rules of the file; none where there is no file. `Misconfigured` names what is wrong with it."""
    if path is None:
        return NO_LOYALTY
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text("utf-8")))
        _refuse_twins(file)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise Misconfigured(f"loyalty file {path}: {what_is_wrong(error)}") from None
    points = {currency: int(rate * MILLION) for currency, rate in file.points.items()}
    tiers = tuple(sorted((least, name) for name, least in file.tiers.items()))
    name = identity("loyalty", json.dumps([sorted(points.items()), tiers, file.days]))
    return Loyalty(points, tiers, file.days * _DAY, name)


def _refuse_twins(file: _File) -> None:
    names: dict[int, str] = {}
    for name, least in file.tiers.items():
        other = names.setdefault(least, name)
        if other != name:
            raise Contradiction(f"tiers.{name}: begins with as many points as {other}")
