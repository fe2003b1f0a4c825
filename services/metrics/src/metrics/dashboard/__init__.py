"""What the dashboard shows, computed from reports."""
