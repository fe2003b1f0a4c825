"""`python -m sla_monitor`."""

from rapport.runtime.service import run

from sla_monitor.app import create_app
from sla_monitor.settings import SlaSettings

if __name__ == "__main__":
    run(create_app, SlaSettings)
