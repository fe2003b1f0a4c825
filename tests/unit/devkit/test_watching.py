"""What `rapport watch` shows of an alert."""

from typing import Any

import pytest
from devkit.commands.ask import _Shown

ALERT = {
    "id": "C-1/first_response/1",
    "contact_id": "C-1",
    "target": "first_response",
    "due_at": "2026-03-02T13:00:00.000Z",
    "team": "billing",
    "owner": None,
    "state": "breached",
    "level": 1,
    "by": None,
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "BREACHED     first response · #C-1 · due 2026-03-02T13:00:00.000Z · billing"),
        ({"level": 2}, "BREACHED     first response · #C-1 · due 2026-03-02T13:00:00.000Z · billing · step 2"),
        (
            {"state": "acknowledged", "level": 2, "by": "ada"},
            "ACKNOWLEDGED first response · #C-1 · due 2026-03-02T13:00:00.000Z · billing · by ada",
        ),
    ],
)
def test_a_line_says_which_step_has_rung_and_who_has_taken_it(
    change: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
):
    shown = _Shown()
    shown.all([{**ALERT, **change}])
    shown.one({**ALERT, **change})
    assert capsys.readouterr().out == line + "\n"
