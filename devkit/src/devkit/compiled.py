"""The packages of this working copy as images have them: with what decides about each event compiled (decision 8)."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Final

from devkit.docs import ROOT
from devkit.errors import CommandFailed
from devkit.stack.cache import locked
from devkit.stack.progress import say

_SCRIPT: Final = ROOT / "deploy" / "compile.py"
_MADE: Final = ROOT / ".compiled"
_BEGUN_ANEW: Final = "RAPPORT_BEGUN_ANEW"
_PACKAGES: Final = (ROOT / "shared/src/rapport", *sorted(ROOT.glob("services/*/src/*/")))


class Uncompilable(Exception):
    """There is nothing here to compile with; the message says what is missing."""


def compiled() -> Path:
    """
    A directory that does it where it stands first on the path; made in half a minute where it is not up to date.

    `Uncompilable` where that can't be, `CommandFailed` where mypyc or the compiler refuses it.
    """
    command = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(command):
        raise Uncompilable(f"no C compiler ({command})")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise Uncompilable(f"no headers of this Python ({headers}/Python.h)")
    _MADE.mkdir(exist_ok=True)
    with locked(_MADE / "lock", said=say, wait_for="compiles"):
        tree, made_of, digest = _MADE / "packages", _MADE / "made-of", _digest()
        if not (made_of.exists() and made_of.read_text() == digest):
            made_of.unlink(missing_ok=True)
            shutil.rmtree(tree, ignore_errors=True)
            _make(tree)
            made_of.write_text(digest)
    return tree


def _make(tree: Path) -> None:
    for package in _PACKAGES:
        shutil.copytree(package, tree / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    say("compiling what decides, as images have it: half a minute, once for each change")
    done = subprocess.run([sys.executable, _SCRIPT, tree], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{_SCRIPT.name} failed: {(done.stdout + done.stderr)[-2000:]}")


def _digest() -> str:
    """What it is made of: the sources, and what compiles them."""
    digest = hashlib.sha256(f"{sys.version} {version('mypy')}".encode())
    for source in sorted([_SCRIPT, *(file for package in _PACKAGES for file in package.rglob("*") if file.is_file())]):
        if source.suffix != ".pyc":
            digest.update(f"{source}\0".encode() + source.read_bytes())
    return digest.hexdigest()


def continue_compiled() -> None:
    """Begin this command anew by compiled code, unless it has been; where that can't be, say so and go on."""
    if os.environ.pop(_BEGUN_ANEW, None):
        return
    try:
        tree = compiled()
    except Uncompilable as error:
        say(f"measuring what is not compiled, as images have it: {error}")
        return
    os.environ[_BEGUN_ANEW] = "yes"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(tree), os.environ.get("PYTHONPATH"))))
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - no shell is wanted
