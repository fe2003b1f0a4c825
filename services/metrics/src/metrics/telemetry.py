"""The figures that only metrics has, each declared here once with its meaning."""

from prometheus_client import Gauge

OFF_BALANCE = Gauge(
    "rapport_metrics_off_balance",
    "By how much what was taken in, the journal and the figures differ, as /v1/balance counts it, of all hours in turn",
)
BALANCE_LOOKED = Gauge(
    "rapport_metrics_balance_looked_seconds", "When the counts of the newest hours were last compared, by Unix time"
)
