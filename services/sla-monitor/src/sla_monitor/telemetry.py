"""The figures that only sla-monitor has, each declared here once with its meaning."""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter(
    "rapport_sla_messages_total", "Messages to receivers, by what became of them", ["receiver", "outcome"]
)
ALERTS_SENT = Counter(
    "rapport_sla_alerts_sent_total", "Alerts inside the messages that were sent", ["receiver", "kind"]
)
SEND_SECONDS = Histogram("rapport_sla_send_seconds", "Seconds that a receiver took for a message", ["receiver"])
ALERT_LAG = Histogram(
    "rapport_sla_alert_lag_seconds",
    "Seconds to a message being taken by its receiver from when it was due, or its cause known if that was later",
    buckets=(0.1, 0.5, 1, 5, 10, 15, 30, 60, 300, 900, 3600),
)
RISKS_WAITING = Gauge(
    "rapport_sla_risks_waiting", "Messages about customers at risk that wait, seen by the replica that tells of them"
)
WAITING = Gauge("rapport_sla_messages_waiting", "Notifications that wait to be sent, seen by the replica that sends")
HELD = Gauge(
    "rapport_sla_messages_held", "Notifications held back by a silence, or because events lag or their source is silent"
)
SILENT = Gauge(
    "rapport_sla_silent_sources", "Sources that intake says have fallen silent, where it is asked (RAPPORT_INTAKE_URL)"
)
TROUBLE = Gauge("rapport_sla_trouble", "What the auditor finds wrong with alerting itself and has told", ["cause"])
FAILING = Gauge("rapport_sla_receivers_failing", "Receivers whose last message was not taken")
STREAMS = Gauge("rapport_sla_streams", "Clients that follow /v1/alerts/stream")
BOARDS = Gauge("rapport_sla_boards", "Boards that are open and told of changes")
