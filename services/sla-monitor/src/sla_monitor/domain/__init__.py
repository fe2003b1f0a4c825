"""What sla-monitor decides: clocks, verdicts and alerts, pure and in event time."""
