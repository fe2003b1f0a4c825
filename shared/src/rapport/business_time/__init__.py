"""
Business time: how much of the time between two instants was open, and when so much of it will have passed.

Nothing here knows the time of day or does input or output. Instants are aware datetimes; answers are in UTC.
"""

from rapport.business_time.opening_hours import HoursByDate, HoursByWeekday
from rapport.business_time.working_calendar import Calendar, Segment, Why

__all__ = ["Calendar", "HoursByDate", "HoursByWeekday", "Segment", "Why"]
