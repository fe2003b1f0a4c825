"""The loyalty file: what it says, and that a wrong one names field and reason."""

from pathlib import Path

import pytest
from metrics.domain.loyalty import MILLION, NO_LOYALTY, Loyalty
from metrics.loyalty_file import read
from rapport.runtime.settings import Misconfigured


def written(folder: Path, text: str) -> Path:
    path = folder / "loyalty.yaml"
    path.write_text(text, "utf-8")
    return path


def test_rates_tiers_and_days_are_read_and_a_year_is_meant_where_none_are_given(tmp_path: Path):
    rules = read(written(tmp_path, "points: {EUR: 1, USD: 0.92}\ntiers: {gold: 1000, silver: 100}\n"))
    named = Loyalty({"EUR": MILLION, "USD": 920_000}, ((100, "silver"), (1000, "gold")), 365 * 86_400_000, rules.name)
    assert rules == named
    assert rules.name != read(written(tmp_path, "points: {EUR: 1, USD: 0.92}\ntiers: {gold: 1000, silver: 99}\n")).name
    assert [rules.tier_of(points) for points in (99, 100, 999, 1000)] == [None, "silver", "silver", "gold"]
    assert read(None) == NO_LOYALTY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("points: {EUR: 1}", "tiers: Field required"),
        ("points: {EUR: -1}\ntiers: {a: 1}", "points.EUR: Input should be greater than or equal to 0"),
        ("points: {euro: 1}\ntiers: {a: 1}", "points.euro.[key]: String should match pattern"),
        ("points: {EUR: 1}\ntiers: {a: 5, b: 5}", "tiers.b: begins with as many points as a"),
        ("points: {EUR: 1}\ntiers: {a: 5}\ndays: 0", "days: Input should be greater than or equal to 1"),
        ("points: {EUR: 1}\ntiers: {a: 5}\nwindow: 1", "window: Extra inputs are not permitted"),
        ("points: {EUR: [}", "line 1"),
        ("- a", "must be a mapping of keys to values"),
    ],
)
def test_a_wrong_file_stops_the_start_with_its_place_and_the_reason(tmp_path: Path, text: str, reason: str):
    path = written(tmp_path, text)
    with pytest.raises(Misconfigured) as caught:
        read(path)
    assert str(caught.value).startswith(f"loyalty file {path}: ")
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(Misconfigured, match=r"none\.yaml: No such file"):
        read(tmp_path / "none.yaml")
