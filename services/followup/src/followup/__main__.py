"""`python -m followup` runs the service."""

from rapport.runtime.service import run

from followup.app import create_app
from followup.settings import FollowupSettings

if __name__ == "__main__":
    run(create_app, FollowupSettings)
