"""API keys: who may call, from a YAML file that holds only their hashes."""

import hashlib
import hmac
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rapport.runtime.followed import Contradiction, what_is_wrong
from rapport.runtime.settings import Misconfigured

Role = Literal["emit", "watch", "act", "admin"]

_MOST_DIGITS: Final = 12

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
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
    roles: tuple[Role, ...] = Field(min_length=1)
    sources: tuple[str, ...] = ("*",)
    teams: tuple[str, ...] = ()
    rate: float | None = Field(None, gt=0)
    resolve_customers: bool = False

    @cached_property
    def _powers(self) -> frozenset[str]:
        return frozenset(role for own in self.roles for role in _IMPLIED[own])

    def may(self, role: Role) -> bool:
        return role in self._powers


def vouched_for(name: str) -> Key:
    """Somebody who has no key of ours, but a proxy, a link or another product says who acts; no secret finds it."""
    return Key(name=name[:100], sha256="0" * 64, roles=("act",))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    keys: list[Key]


class Keys:
    """
    The keys in force. A wrong file leaves them as they are, and `fault` says what is wrong with it.

    Several lines may have one name: that is how a key is rotated, and they are one caller.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._by_hash: dict[str, Key] = {}
        self._some_resolve_customers = False
        self._seen: bytes | None = None
        self.fault: str | None = None
        self.reload()

    def reload(self) -> bool:
        """Read the file, and say whether it is another than before; `Misconfigured` names what is wrong with it."""
        if self._path is None:
            return False
        try:
            text = self._path.read_bytes()
            if text == self._seen and self.fault is None:
                return False
            keys = _read(text)
        except (OSError, ValueError, yaml.YAMLError) as error:
            self.fault = f"keys file {self._path}: {what_is_wrong(error)}"
            raise Misconfigured(self.fault) from None
        self._by_hash = {key.sha256: key for key in keys}
        self._some_resolve_customers = any(key.resolve_customers for key in keys)
        self._seen, self.fault = text, None
        return True

    def find(self, secret: str) -> Key | None:
        """
        The key with this secret, in a time that tells nothing about any secret.

        What is compared are hashes of hashes: the table is keyed by SHA-256, and
        Python scatters its entries by a hash with a random key of this process.
        """
        return self._by_hash.get(hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest())

    @property
    def some_resolve_customers(self) -> bool:
        """Whether any key may leave the customer out."""
        return self._some_resolve_customers

    def named(self, name: str) -> list[Key]:
        return [key for key in self._by_hash.values() if key.name == name]


def _read(text: bytes) -> list[Key]:
    keys = _File.model_validate(yaml.safe_load(text)).keys
    for place, key in enumerate(keys):
        for earlier, other in enumerate(keys[:place]):
            if key.sha256 == other.sha256:
                raise Contradiction(f"keys.{place}.sha256: is that of keys.{earlier} too")
            if key.name == other.name and key.rate != other.rate:
                raise Contradiction(f"keys.{place}.rate: must be that of keys.{earlier}, which has the same name")
    return keys


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
