"""Everything started in order, watched, and stopped in reverse."""

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from devkit.platform.keys import KeyRing, write_state
from devkit.platform.mail import MailSink
from devkit.platform.service import ServiceProcess
from devkit.stack import Server, Stack, StackError, local_stack
from devkit.stack.ports import HOST, free_port, is_free
from devkit.stack.progress import Say, say

DEFAULT_DATA: Final = Path(".rapport")
STATE_FILE: Final = "platform.json"
SERVICES: Final = ("intake", "sla_monitor", "followup", "metrics")
_PORTS: Final = {"intake": 8001, "sla_monitor": 8002, "followup": 8003, "metrics": 8004}
_PARTITIONS: Final = 12
_START_SECONDS: Final = 90.0


class PlatformError(StackError):
    """A part of the platform has ended by itself; the message says which, and its last words."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts are to be found."""

    intake: str
    sla_monitor: str
    followup: str
    metrics: str
    kafka: str
    mongodb: str

    def as_json(self, keys: KeyRing) -> dict[str, Any]:
        """The object that `rapport up --json` prints."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return {**own, "keys": keys.for_people()}


class Platform:
    """
    The running platform; a context manager that stops it.

    Services may be killed and started again through `services`: their addresses stay theirs.
    """

    def __init__(
        self,
        stack: Stack,
        keys: KeyRing,
        mail: MailSink,
        services: Mapping[str, ServiceProcess],
        folder: Path,
        *,
        keeps_mails: bool = True,
    ) -> None:
        self.stack = stack
        self.keys = keys
        self.mail = mail
        self.keeps_mails = keeps_mails
        self.services = services
        self.folder = folder
        self.addresses = Addresses(
            **{name: services[name].address if name in services else "" for name in SERVICES},
            kafka=stack.kafka,
            mongodb=stack.mongodb,
        )

    @classmethod
    def start(
        cls,
        data: Path = DEFAULT_DATA,
        *,
        ephemeral: bool = False,
        policy: Path | None = None,
        plays: Path | None = None,
        loyalty: Path | None = None,
        mail_server: str | None = None,
        services: Sequence[str] = SERVICES,
        environment: Mapping[str, str] | None = None,
        said: Say = say,
    ) -> Self:
        """
        Return when every service says that it is ready; StackError, with nothing left running, when one can't be.

        `data` survives, with the keys in it; an ephemeral platform has a folder of its own that goes with it.
        Mails go to `mail_server` (an address as in plays), else they are kept as files.
        `environment` is set for all services, over what this process has.
        """
        with contextlib.ExitStack() as undo:
            stack = _start_stack(data, ephemeral=ephemeral, said=said)
            undo.callback(stack.stop)
            folder = stack.data if ephemeral else data
            keys = KeyRing.of(folder)
            mail = undo.enter_context(MailSink(folder / "mail"))
            ports = _ports(services, fixed=not ephemeral, said=said)
            common = {
                "KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
                "MONGODB_URI": stack.mongodb,
                "RAPPORT_KEYS_FILE": str(KeyRing.file(folder).absolute()),
                "RAPPORT_SECRET": keys.secret,
            }
            own = {
                "followup": _for_followup(ports, keys, mail_server or mail.url, plays),
                "sla_monitor": _for_sla_monitor(ports, keys, policy),
                "metrics": _named("RAPPORT_LOYALTY", loyalty),
            }
            processes = {
                name: ServiceProcess(
                    name,
                    folder / "logs" / f"{name}.log",
                    port=port,
                    environment={
                        **common,
                        "RAPPORT_PUBLIC_URL": f"http://{HOST}:{port}",
                        **own.get(name, {}),
                        **(environment or {}),
                    },
                )
                for name, port in ports.items()
            }
            undo.callback(_stop_services, processes)
            said(f"starting {', '.join(process.name for process in processes.values())}")
            for process in processes.values():
                process.launch()
            _wait_for_all(processes.values())
            platform = cls(stack, keys, mail, processes, folder, keeps_mails=mail_server is None)
            write_state(folder / STATE_FILE, platform.addresses.as_json(keys))
            undo.pop_all()
        return platform

    @property
    def servers(self) -> list[Server]:
        return [self.stack.kafka_server, self.stack.mongodb_server, *self.services.values()]

    def check(self) -> None:
        """Nothing while all parts run; PlatformError with the last words of the first that does not."""
        for service in self.services.values():
            if ended := service.how_it_ended():
                raise PlatformError(ended)
        for server in self.servers:
            if not server.alive:
                raise PlatformError(f"{server.name} ended. Its last words ({server.log}):\n{server.last_words()}")

    def stop(self) -> None:
        """Intake first, then who reads from it, then the mail sink, Kafka and MongoDB."""
        with contextlib.ExitStack() as last:
            last.callback(self.stack.stop)
            last.callback(self.mail.__exit__, None, None, None)
            last.callback((self.folder / STATE_FILE).unlink, missing_ok=True)
            _stop_services(self.services)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _start_stack(data: Path, *, ephemeral: bool, said: Say) -> Stack:
    if ephemeral:
        return local_stack(ephemeral=True, partitions=_PARTITIONS, said=said)
    data.mkdir(parents=True, exist_ok=True)
    return local_stack(data / "stack", partitions=_PARTITIONS, said=said)


def _ports(services: Iterable[str], *, fixed: bool, said: Say) -> dict[str, int]:
    """The usual port of each where it is free, else (and for an ephemeral platform) any."""
    ports: dict[str, int] = {}
    for name in services:
        usual = _PORTS[name]
        if fixed and is_free(usual):
            ports[name] = usual
            continue
        if fixed:
            said(f"port {usual} is taken, so {name.replace('_', '-')} gets another")
        ports[name] = free_port(taken=frozenset(ports.values()))
    return ports


def _for_followup(ports: Mapping[str, int], keys: KeyRing, mail: str, plays: Path | None) -> dict[str, str]:
    return {"RAPPORT_SMTP_URL": mail, **_intake(ports, keys.followup), **_named("RAPPORT_PLAYS", plays)}


def _for_sla_monitor(ports: Mapping[str, int], keys: KeyRing, policy: Path | None) -> dict[str, str]:
    return {**_intake(ports, keys.watch), **_named("RAPPORT_POLICY", policy)}


def _named(variable: str, file: Path | None) -> dict[str, str]:
    """The file that a service is to read, if it is to read one."""
    return {variable: str(file.absolute())} if file else {}


def _intake(ports: Mapping[str, int], key: str) -> dict[str, str]:
    """Where a service finds intake, if that runs here, and with which key."""
    return (
        {"RAPPORT_INTAKE_URL": f"http://{HOST}:{ports['intake']}", "RAPPORT_INTAKE_KEY": key}
        if "intake" in ports
        else {}
    )


def _wait_for_all(processes: Iterable[ServiceProcess]) -> None:
    """Return when all are ready; PlatformError as soon as one of them has ended, or after a while."""
    deadline = time.monotonic() + _START_SECONDS
    waiting = list(processes)
    while waiting:
        for process in waiting:
            if ended := process.how_it_ended():
                raise PlatformError(ended)
        waiting = [process for process in waiting if not process.ready]
        if waiting and time.monotonic() > deadline:
            slow = waiting[0]
            raise PlatformError(
                f"{slow.name} was not ready after {_START_SECONDS:.0f} s. "
                f"Its last words ({slow.log}):\n{slow.last_words()}"
            )


def _stop_services(services: Mapping[str, ServiceProcess]) -> None:
    """In good order: what was taken in is finished by those who read it."""
    if "intake" in services:
        services["intake"].stop()
    readers = [service for name, service in services.items() if name != "intake"]
    if not readers:
        return
    with ThreadPoolExecutor(len(readers)) as pool:
        for stopped in [pool.submit(service.stop) for service in readers]:
            stopped.result()
