"""
Compile what decides about each event, with mypyc, beside the sources in a directory that holds our packages.

    compile.py DIRECTORY [PYTHON]

`PYTHON` is the interpreter that has what these packages import, where another one runs this. It takes a C
compiler and Python's headers, and half a minute. Python prefers what is compiled to the source beside it, and
does not see whether that has changed since: never run this in a working copy.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from mypyc.build import mypycify
from setuptools import setup

MODULES: Final = {
    "metrics/domain": "booked buckets contact counted decide finish journal marks notes",
    "rapport/business_time": "timeline",
    "rapport/runtime": "batch documents plan",
    "sla_monitor/domain": "alerts clocks customers cutting erasing escalation fold foldings hours log monitor owed"
    " risk_signals rules telling watch",
}
"""
Modules on the way of every event, by folder. None may define what pydantic or msgspec read: a compiled class has no
annotations that they could. Nor is any of them where input is checked: compiled code holds callers to the annotations.
"""

_CONFIG: Final = """\
[mypy]
plugins = pydantic.mypy
disable_error_code = import-untyped, import-not-found
"""


def compile_in(directory: Path, python: str) -> None:
    """Put the compiled modules beside their sources, of those packages that are there."""
    paths = [f"{folder}/{name}.py" for folder, names in MODULES.items() for name in names.split()]
    packages = {name for folder in MODULES if (directory / (name := folder.partition("/")[0])).is_dir()}
    there = [path for path in paths if path.partition("/")[0] in packages]
    with tempfile.TemporaryDirectory() as made_in:
        for package in packages:
            shutil.copytree(directory / package, Path(made_in, package), ignore=shutil.ignore_patterns("*.so"))
        Path(made_in, "mypy.ini").write_text(_CONFIG)
        os.chdir(made_in)
        setup(
            name="rapport-compiled",
            packages=[],
            ext_modules=mypycify(
                ["--config-file=mypy.ini", f"--python-executable={python}", *there], group_name="rapport"
            ),
            script_args=["--quiet", "build_ext", "--inplace"],
        )
        for package in packages:
            for outdated in (directory / package).rglob("*.so"):
                outdated.unlink()
        for compiled in Path().rglob("*.so"):
            if compiled.parts[0] != "build":
                shutil.copy2(compiled, directory / compiled)
        os.chdir(directory)


if __name__ == "__main__":
    compile_in(Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else sys.executable)  # noqa: PLR2004
