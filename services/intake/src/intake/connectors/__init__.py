"""Other products' webhooks: the mapping files that come with Rapport, their signatures, and which hooks are open."""

from intake.connectors.hooks import Hook, Hooks
from intake.connectors.shipped import find_connector, shipped_connectors
from intake.connectors.signature import WrongSignature, check

__all__ = ["Hook", "Hooks", "WrongSignature", "check", "find_connector", "shipped_connectors"]
