"""When the demo draws its balance, and what it counts among the pages."""

from typing import Any

from devkit.demo.reconcile import Line, alert_ids, heard, risks
from devkit.demo.running import Settling


def line(count: int, other: int) -> Line:
    return Line("events", "emitters", count, "Kafka", other)


def test_a_balance_is_drawn_once_it_balances_and_has_not_moved_since():
    settling = Settling(0)
    assert not settling.is_over([line(7, 7)], 1)
    assert not settling.is_over([line(8, 8)], 2)
    assert settling.is_over([line(8, 8)], 3)


def test_as_long_as_anything_moves_it_is_waited_for_and_a_minute_more():
    settling = Settling(0)
    for second in range(200):
        assert not settling.is_over([line(300, second)], second)
    assert not settling.is_over([line(300, 199)], 259)
    assert settling.is_over([line(300, 199)], 260)


def test_what_never_rests_is_drawn_after_five_minutes():
    settling = Settling(0)
    assert not any(settling.is_over([line(0, second)], second) for second in range(1, 301))
    assert settling.is_over([line(0, 301)], 301)


def test_a_service_that_does_not_answer_yet_settles_nothing():
    settling = Settling(0)
    assert not settling.is_over([], 1)
    assert not settling.is_over([], 2)


def test_a_page_about_the_platform_itself_or_a_customer_is_about_no_alert():
    message = {
        "alerts": [
            {"labels": {"alertname": "sla_resolution", "contact_id": "C-1", "target": "resolution", "cycle": "1"}},
            {"labels": {"alertname": "events_lag"}},
            {
                "labels": {
                    "alertname": "customer_at_risk",
                    "customer_id": "K-1",
                    "contact_id": "C-1",
                    "cause": "breaches",
                }
            },
        ]
    }
    assert list(alert_ids(message)) == ["C-1/resolution/1"]
    assert list(risks(message)) == [("K-1", "breaches")]


def test_what_a_message_counts_without_listing_it_was_told_of_but_no_more_than_that():
    def about(*names: str, left_out: int = 0) -> dict[str, Any]:
        labels = [{"labels": {"alertname": "customer_at_risk", "customer_id": k, "cause": "breaches"}} for k in names]
        return {"alerts": labels, "truncatedAlerts": left_out}

    told = {(name, "breaches") for name in ("K-1", "K-2", "K-3", "K-4")}
    assert heard(told, [about("K-1"), about("K-2", "K-9")], risks) == 2
    assert heard(told, [about("K-1"), about("K-2", left_out=1)], risks) == 3
    assert heard(told, [about("K-1", left_out=9)], risks) == 4
    assert heard(told, [about("K-1"), {"alerts": [], "truncatedAlerts": 9}], risks) == 1
