import sys
from pathlib import Path

import pytest
from devkit.cli import main


def test_a_folder_that_can_not_be_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["rapport", "up", "--json", "--data", str(tmp_path / "file" / "below")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"rapport: {tmp_path}/file/below: Not a directory\n"
