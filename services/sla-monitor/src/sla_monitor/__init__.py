"""Watches response deadlines and alerts on-call staff."""
