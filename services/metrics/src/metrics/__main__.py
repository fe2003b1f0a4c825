"""`python -m metrics` runs the service."""

from rapport.runtime.service import run

from metrics.app import create_app
from metrics.settings import MetricsSettings

if __name__ == "__main__":
    run(create_app, MetricsSettings)
