"""Figures about followup itself, each with its meaning."""

from prometheus_client import Counter, Gauge

MESSAGES = Counter("rapport_followup_messages_total", "Messages to customers by what became of a try", ["result"])
ANSWERS = Counter("rapport_followup_answers_total", "Answers to surveys kept", ["survey"])
POSTINGS = Counter("rapport_followup_postings_total", "Tries to hand an event of ours to intake", ["result"])
WAITING = Gauge("rapport_followup_postings_waiting", "Events of ours that intake has not confirmed yet")
