"""The figures that only intake has, each declared here once with its meaning."""

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "rapport_intake_events_total", "Events settled, by the way they came and what became of them", ["via", "outcome"]
)
IN_FLIGHT = Gauge("rapport_intake_in_flight_bytes", "Bytes of request bodies being worked on")
THROTTLED = Counter("rapport_intake_throttled_total", "Requests answered 429 or 503", ["why"])
MIRRORED = Counter("rapport_intake_dead_letters_mirrored_total", "Records of dead-letters copied to MongoDB")
SOURCE_LAST = Gauge(
    "rapport_source_last_event_seconds", "When the source's last event was taken in, by Unix time", ["source"]
)
SOURCE_SILENT = Gauge(
    "rapport_source_silent", "1 while a source says nothing for much longer than it ever does", ["source"]
)
SOURCE_SKEW = Gauge(
    "rapport_source_skew_seconds",
    "Least seconds from a live event to its arrival of late; below 0 the source's clock is ahead",
    ["source"],
)
HOOKS = Counter(
    "rapport_intake_hooks_total", "What webhooks brought, by hook and by what became of it", ["hook", "outcome"]
)
HOOKS_WRONG = Gauge("rapport_hooks_file_wrong", "1 while a changed hooks file is wrong and older hooks stay")
