"""Which hooks are open, and the secrets that their products sign with: the hooks file, read again when it changes."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from rapport.mapping import HookMapping, WrongMapping
from rapport.runtime.followed import what_is_wrong
from rapport.runtime.keys import Key
from rapport.runtime.settings import Misconfigured

from intake.connectors.shipped import find_connector, shipped_connectors

_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
_NO_HASH: Final = "0" * 64

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class _Entry(BaseModel):
    """One hook of the file: which connector, whose secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    connector: str | None = None
    secrets: tuple[SecretStr, ...] = ()
    source: str | None = Field(None, pattern=r"^[!-~]{1,500}$")
    window: timedelta = Field(timedelta(minutes=5), gt=timedelta(0), le=timedelta(days=1))
    rate: float | None = Field(None, gt=0)
    keep: str | None = Field(None, min_length=1, max_length=100)
    resolve_customers: bool = False
    constants: dict[str, str] = Field(default_factory=dict, alias="with")

    @model_validator(mode="before")
    @classmethod
    def _one_secret(cls, written: object) -> object:
        """`secret: s` is short for `secrets: [s]`; a hook without anything is written as nothing."""
        if written is None:
            return {}
        if isinstance(written, dict) and "secret" in written and "secrets" not in written:
            return {
                **{name: value for name, value in written.items() if name != "secret"},
                "secrets": [written["secret"]],
            }
        return written

    @model_validator(mode="after")
    def _expanded(self) -> Self:
        for secret in self.secrets:
            for name in _VARIABLE.findall(secret.get_secret_value()):
                if not os.environ.get(name):
                    raise ValueError(f"the environment variable {name} is not set")
            if not secret.get_secret_value():
                raise ValueError("a secret is empty")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hooks: dict[_Name, _Entry]


class Hook(BaseModel):
    """An open hook. `key` stands for it where rates are counted; it is nobody's bearer key."""

    model_config = ConfigDict(frozen=True)

    name: str
    mapping: HookMapping
    secrets: tuple[SecretStr, ...] = ()
    window: timedelta = timedelta(minutes=5)
    rate: float | None = None
    resolve_customers: bool = False

    @property
    def key(self) -> Key:
        return Key(
            name=f"hook {self.name}",
            sha256=_NO_HASH,
            roles=("emit",),
            rate=self.rate,
            resolve_customers=self.resolve_customers,
        )

    @property
    def signed(self) -> bool:
        """Whether a signature can be checked."""
        return self.mapping.signature is not None and bool(self.secrets)


class Hooks:
    """
    The hooks in force: those of the file, and every shipped connector that it does not name.

    What the file does not name has no secret and takes API keys only. A wrong file
    leaves the hooks as they are, and `fault` says what is wrong with it.
    `some_resolve_customers`: whether any hook may leave the customer out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._put_in_force({})
        self._own: list[Path] = []
        self._seen: list[bytes] = []
        self.fault: str | None = None
        self.reload()

    def find(self, name: str) -> Hook | None:
        return self._by_name.get(name)

    @property
    def names(self) -> list[str]:
        return sorted(self._by_name)

    def reload(self) -> bool:
        """
        Read the file, and say whether it or a mapping of one's own is another than before.

        `Misconfigured` names what is wrong with it.
        """
        if self._path is None:
            return False
        try:
            seen = [path.read_bytes() for path in (self._path, *self._own)]
            if seen == self._seen and self.fault is None:
                return False
            entries = _File.model_validate(yaml.safe_load(seen[0])).hooks
            own = _own_mappings(entries, self._path.parent)
            seen = [seen[0], *(path.read_bytes() for path in own)]
            found = {name: _hook(name, entry, self._path.parent) for name, entry in entries.items()}
        except (OSError, ValueError, yaml.YAMLError, WrongMapping) as error:
            why = str(error) if isinstance(error, WrongMapping) else what_is_wrong(error)
            self.fault = f"hooks file {self._path}: {why}"
            raise Misconfigured(self.fault) from None
        self._put_in_force(found)
        self._own, self._seen, self.fault = own, seen, None
        return True

    def _put_in_force(self, own: dict[str, Hook]) -> None:
        self._by_name = _shipped() | own
        self.some_resolve_customers = any(hook.resolve_customers for hook in self._by_name.values())


def _shipped() -> dict[str, Hook]:
    return {name: Hook(name=name, mapping=find_connector(name)) for name in shipped_connectors()}


def _own_mappings(entries: Mapping[str, _Entry], folder: Path) -> list[Path]:
    """The files of one's own that the hooks use; WrongMapping where one is not there."""
    names = {entry.connector or name for name, entry in entries.items()} - set(shipped_connectors())
    paths = [folder / name for name in sorted(names)]
    if missing := [path for path in paths if not path.is_file()]:
        shipped = ", ".join(shipped_connectors())
        raise WrongMapping(
            f"there is no connector {missing[0].name!r}: name a file beside this one, or one of {shipped}"
        )
    return paths


def _hook(name: str, entry: _Entry, folder: Path) -> Hook:
    connector = entry.connector or name
    mapping = find_connector(connector if connector in shipped_connectors() else str(folder / connector))
    if entry.secrets and mapping.signature is None:
        raise WrongMapping(f"hooks.{name}: {connector} signs nothing: give its webhook an API key, and no secret here")
    changed = {field: value for field in ("source", "keep") if (value := getattr(entry, field)) is not None}
    mapping = mapping.with_constants(entry.constants).model_copy(update=changed)
    secrets = tuple(SecretStr(_expand(secret.get_secret_value())) for secret in entry.secrets)
    return Hook(
        name=name,
        mapping=mapping,
        secrets=secrets,
        window=entry.window,
        rate=entry.rate,
        resolve_customers=entry.resolve_customers,
    )


def _expand(secret: str) -> str:
    return _VARIABLE.sub(lambda found: os.environ[found[1]], secret)
