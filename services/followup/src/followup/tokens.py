"""The secrets in links: random ones for surveys, and sealed ones for unsubscribing that need no store."""

import base64
import hashlib
import hmac
import json
import secrets

_MARK = 16


def new_token() -> str:
    """A token that nobody can guess: 128 random bits."""
    return secrets.token_urlsafe(16)


def hashed(token: str) -> str:
    """What is kept of a token: it finds the link and opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


class Seal:
    """
    Turns a customer and a purpose into a token and back, with nothing kept.

    The token is its own proof and says nothing to others: the text is encrypted
    under a key stream that starts from its HMAC, which is also what it is checked
    against (the construction of SIV, RFC 5297, over HMAC-SHA256). The same text
    always gives the same token.
    """

    def __init__(self, secret: bytes) -> None:
        self._mark_key = hmac.digest(secret, b"rapport unsubscribe mark", "sha256")
        self._stream_key = hmac.digest(secret, b"rapport unsubscribe stream", "sha256")

    def close(self, customer_id: str, purpose: str) -> str:
        text = json.dumps([customer_id, purpose], ensure_ascii=False, separators=(",", ":")).encode()
        mark = hmac.digest(self._mark_key, text, "sha256")[:_MARK]
        return base64.urlsafe_b64encode(mark + self._crypt(mark, text)).rstrip(b"=").decode()

    def open(self, token: str) -> tuple[str, str] | None:
        """Customer and purpose; None for a token that is not ours."""
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        mark = sealed[:_MARK]
        text = self._crypt(mark, sealed[_MARK:])
        if not hmac.compare_digest(mark, hmac.digest(self._mark_key, text, "sha256")[:_MARK]):
            return None
        customer_id, purpose = json.loads(text)
        return customer_id, purpose

    def _crypt(self, mark: bytes, text: bytes) -> bytes:
        blocks = range(-(-len(text) // 32))
        stream = b"".join(hmac.digest(self._stream_key, mark + n.to_bytes(4), "sha256") for n in blocks)
        return bytes(a ^ b for a, b in zip(text, stream, strict=False))
