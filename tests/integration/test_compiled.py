import os
import subprocess
import sys
from pathlib import Path

import pytest
from devkit.compiled import Uncompilable, compiled

ROOT = Path(__file__).resolve().parents[2]
LAWS = [f"tests/unit/{name}" for name in ("business_time", "runtime", "sla_monitor", "metrics")]


def test_what_images_have_compiled_holds_to_the_same_laws():
    try:
        tree = compiled()
    except Uncompilable as error:
        pytest.skip(str(error))
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    asked = [sys.executable, "-c", "from sla_monitor.domain import fold; print(fold.__file__)"]
    loaded = Path(subprocess.check_output(asked, env=environment, cwd=ROOT, text=True).strip())
    assert loaded.is_relative_to(tree)
    assert loaded.suffix != ".py"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *LAWS]
    done = subprocess.run(run, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
