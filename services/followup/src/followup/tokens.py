"""The secrets in links: random ones for surveys, and sealed ones for unsubscribing that need no store."""

import base64
import hashlib
import hmac
import json
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV


def new_token() -> str:
    """A token that nobody can guess: 128 random bits."""
    return secrets.token_urlsafe(16)


def hashed(token: str) -> str:
    """What is kept of a token: it finds the link and opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


class Seal:
    """
    Turns a customer and a purpose into a token and back, with nothing kept.

    The token is its own proof and says nothing to others: AES-SIV (RFC 5297),
    under a key derived from the secret. The same text always gives the same token.
    """

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESSIV(hmac.digest(secret, b"rapport unsubscribe", "sha512"))

    def close(self, customer_id: str, purpose: str) -> str:
        text = json.dumps([customer_id, purpose], ensure_ascii=False, separators=(",", ":")).encode()
        return _written(self._cipher.encrypt(text, None))

    def open(self, token: str) -> tuple[str, str] | None:
        """Customer and purpose; None for a token that is not ours."""
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            if _written(sealed) != token:  # an idle bit was altered, or what the decoder passes over was added
                return None
            customer_id, purpose = json.loads(self._cipher.decrypt(sealed, None))
        except (ValueError, InvalidTag):
            return None
        return customer_id, purpose


def _written(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
