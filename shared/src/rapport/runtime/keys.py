"""API keys: who may call, from a YAML file that holds only their hashes."""

import hashlib
import hmac
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rapport.runtime.settings import Misconfigured

Role = Literal["emit", "watch", "act", "admin"]

_MOST_DIGITS = 12

_IMPLIED: dict[str, set[str]] = {
    "emit": {"emit"},
    "watch": {"watch"},
    "act": {"watch", "act"},
    "admin": {"watch", "act", "admin"},
}


class Key(BaseModel):
    """
    One line of the keys file. `sha256` is the hash of the key in hexadecimal.

    `sources` are globs of CloudEvents sources it may emit for, `teams` what it
    may see and act on (all when empty), `rate` events per second.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    roles: tuple[Role, ...] = Field(min_length=1)
    sources: tuple[str, ...] = ("*",)
    teams: tuple[str, ...] = ()
    rate: float | None = Field(None, gt=0)
    resolve_customers: bool = False

    def may(self, role: Role) -> bool:
        return any(role in _IMPLIED[own] for own in self.roles)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keys: list[Key]


class Keys:
    """The keys in force; `reload` reads the file again and keeps the old ones when it is wrong."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._by_hash: dict[str, Key] = {}
        self.reload()

    def reload(self) -> None:
        """`Misconfigured` names what is wrong with the file."""
        if self._path is None:
            return
        try:
            keys = _File.model_validate(yaml.safe_load(self._path.read_text("utf-8"))).keys
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise Misconfigured(f"keys file {self._path}: {' '.join(str(error).split())}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise Misconfigured(f"keys file {self._path}: {place}: {first['msg']}") from None
        self._by_hash = {key.sha256: key for key in keys}

    def find(self, secret: str) -> Key | None:
        """
        The key with this secret.

        The table is searched by hash, so that timing tells nothing about secrets.
        """
        return self._by_hash.get(hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest())

    def named(self, name: str) -> list[Key]:
        return [key for key in self._by_hash.values() if key.name == name]


class Sessions:
    """Signed cookies that stand for a key; they end with it, or after their time."""

    def __init__(self, keys: Keys, secret: bytes) -> None:
        self._keys = keys
        self._secret = secret

    def issue(self, key: Key, until: int) -> str:
        return f"{key.name.encode().hex()}.{until}.{self._sign(key, until)}"

    def find(self, cookie: str, now: int) -> Key | None:
        """The key behind a cookie; None for one that was altered, has run out or whose key is gone."""
        name, _, rest = cookie.partition(".")
        until, _, signature = rest.partition(".")
        if not until.isdecimal() or len(until) > _MOST_DIGITS or int(until) < now:
            return None
        try:
            candidates = self._keys.named(bytes.fromhex(name).decode())
        except ValueError:
            return None
        for key in candidates:
            if hmac.compare_digest(self._sign(key, int(until)).encode(), signature.encode()):
                return key
        return None

    def _sign(self, key: Key, until: int) -> str:
        text = f"session\0{key.name}\0{key.sha256}\0{until}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
