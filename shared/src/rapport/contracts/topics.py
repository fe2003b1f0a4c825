"""The names of the topics. The key of every record is the customer's id."""

from typing import Final

CONTACT_EVENTS: Final = "contact-events"
CONTACT_EVENTS_IN: Final = "contact-events.in"
SLA_EVENTS: Final = "sla-events"
FOLLOWUP_EVENTS: Final = "followup-events"
METRICS_EVENTS: Final = "metrics-events"
DEAD_LETTERS: Final = "dead-letters"

ALL: Final = (CONTACT_EVENTS, CONTACT_EVENTS_IN, SLA_EVENTS, FOLLOWUP_EVENTS, METRICS_EVENTS, DEAD_LETTERS)
