"""`python -m intake`."""

from rapport.runtime.service import run

from intake.app import create_app
from intake.settings import IntakeSettings

if __name__ == "__main__":
    run(create_app, IntakeSettings)
