"""Names that stand for erased customers, and for what is named after them."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

ANONYMOUS: Final = "anonymous:"
ERASED: Final = "erased:"


def is_erased(customer_id: str | None) -> bool:
    """Whether this is no customer's own id, but what replaced it."""
    return (customer_id or "").removeprefix(ANONYMOUS).startswith(ERASED)


def is_anonymous(customer_id: str) -> bool:
    return customer_id.startswith(ANONYMOUS)


def _at_random() -> str:
    return secrets.token_urlsafe(12)


class Pseudonyms:
    """
    What a customer's id is replaced by is random. All else is made with a `secret` of the database.

    Without the secret nobody can tell from a name what it was made of, or try out
    ids; with it what comes late is known again, though no id is kept.
    """

    def __init__(self, secret: bytes = b"", random: Callable[[], str] = _at_random) -> None:
        self._secret = secret
        self._random = random

    def fresh(self, customer_id: str) -> str:
        """A new name for an erased customer; one whom nobody knew stays such a one."""
        kind = ANONYMOUS if is_anonymous(customer_id) else ""
        return f"{kind}{ERASED}{self._random()}"

    def key_of(self, customer_id: str) -> str:
        """Under which it is remembered that this customer was erased."""
        return self._made_of("customer", customer_id)

    def instead(self, name: str, customer_id: str) -> str:
        """The name of something; another, always the same, where it has the customer's id in it."""
        return self.other(name) if customer_id in name and not is_erased(name) else name

    def other(self, name: str) -> str:
        return ERASED + self._made_of("name", name)

    def _made_of(self, what: str, text: str) -> str:
        whole = f"{what}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(whole, key=self._secret, digest_size=12).hexdigest()
