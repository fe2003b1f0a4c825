"""A wrong setting of metrics ends the start with one line that names it."""

import pytest
from metrics.settings import MetricsSettings
from rapport.runtime.settings import load


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "Europe"])
def test_a_time_zone_that_does_not_exist_ends_the_start_with_one_line(monkeypatch, capsys, zone):
    monkeypatch.setenv("RAPPORT_TIMEZONE", zone)
    with pytest.raises(SystemExit) as ended:
        load(MetricsSettings)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("cannot start: RAPPORT_TIMEZONE: ")
    assert "no time zone" in said
    assert (said.count("\n"), repr(zone) in said) == (1, True)
