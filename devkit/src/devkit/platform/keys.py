"""The API keys of a local platform: made once per data folder, known to the services by hash only."""

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from devkit.stack import StackError

_ROLES: Final[dict[str, tuple[str, ...]]] = {
    "emit": ("emit",),
    "watch": ("watch",),
    "act": ("act",),
    "admin": ("admin", "emit"),
    "followup": ("emit",),
}


class KeyRing(BaseModel):
    """One key per role, followup's own for what customers answer, and the secret that signs sessions and links."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    emit: str
    watch: str
    act: str
    admin: str
    followup: str
    secret: str

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The keys that the folder keeps, made where it has none; readable by this user only."""
        kept = folder / "keys.json"
        if kept.exists():
            try:
                ring = cls.model_validate_json(kept.read_bytes())
            except ValidationError:
                raise StackError(f"{kept} can't be read: remove it to have new keys") from None
        else:
            ring = cls(secret=secrets.token_urlsafe(32), **{name: _new(name) for name in _ROLES})
            _write_privately(kept, ring.model_dump_json(indent=1))
        ring.file(folder).write_text(ring.as_keys_file(), "utf-8")
        return ring

    @staticmethod
    def file(folder: Path) -> Path:
        """The keys file that services read."""
        return folder / "keys.yaml"

    def as_keys_file(self) -> str:
        lines = [
            {"name": name, "sha256": hashlib.sha256(getattr(self, name).encode()).hexdigest(), "roles": list(roles)}
            for name, roles in _ROLES.items()
        ]
        return yaml.safe_dump({"keys": lines}, sort_keys=False)

    def for_people(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("emit", "watch", "act", "admin")}


def write_state(path: Path, state: object) -> None:
    """Note down, in one piece and for this user only, where a running platform is to be found."""
    scratch = path.with_name(f"{path.name}.new")
    _write_privately(scratch, json.dumps(state, indent=1))
    scratch.replace(path)


def _new(name: str) -> str:
    return f"{name}-{secrets.token_urlsafe(18)}"


def _write_privately(path: Path, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as out:
        out.write(text + "\n")
