import os
import sys
from pathlib import Path

import pytest
from devkit.compiled import Uncompilable, compiled, continue_compiled

Begun = list[tuple[str, list[str], str]]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Begun:
    """The commands that this process was replaced by: program, arguments, and the path that modules are found by."""
    found: Begun = []
    monkeypatch.setattr(
        os, "execv", lambda program, arguments: found.append((program, arguments, os.environ["PYTHONPATH"]))
    )
    monkeypatch.setattr(sys, "argv", ["rapport", "bench", "sla"])
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("RAPPORT_BEGUN_ANEW", "")
    return found


def test_a_command_begins_anew_once_with_what_is_compiled_before_all_else(
    monkeypatch: pytest.MonkeyPatch, begun: Begun, tmp_path: Path
):
    monkeypatch.setattr("devkit.compiled.compiled", lambda: tmp_path)
    continue_compiled()
    assert begun == [(sys.executable, [sys.executable, "rapport", "bench", "sla"], f"{tmp_path}{os.pathsep}elsewhere")]
    continue_compiled()
    assert len(begun) == 1


def test_where_nothing_can_be_compiled_a_command_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, begun: Begun, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CC", "no-such-compiler")
    continue_compiled()
    assert begun == []
    assert "not compiled, as images have it: no C compiler (no-such-compiler)" in capsys.readouterr().err


def test_without_headers_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CC", sys.executable)
    monkeypatch.setattr("devkit.compiled.sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(Uncompilable, match="no headers of this Python"):
        compiled()
