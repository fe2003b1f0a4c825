"""`rapport demo`: it balances, though services, Kafka and MongoDB are killed under load."""

import pytest

from tests.support.rapport import rapport


@pytest.mark.slow
def test_what_was_sent_stored_alerted_followed_up_and_counted_balances_though_everything_is_killed():
    ran = rapport("demo", "--seconds", "20", "--kill", "--rate", "5", "--seed", "4", timeout=240)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "It balances." in ran.stdout
    [killed] = [line for line in ran.stdout.splitlines() if line.startswith("killed with kill −9: ")]
    assert {"followup", "mongodb", "sla_monitor", "kafka"} <= set(killed.partition(": ")[2].split(", "))
