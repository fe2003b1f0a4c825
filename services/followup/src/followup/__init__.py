"""Schedules check-ins and surveys without pestering anybody."""
