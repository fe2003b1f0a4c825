"""The headers of mails, where the library's way of folding breaks them."""

from email.headerregistry import HeaderRegistry, UniqueAddressHeader, UniqueUnstructuredHeader
from email.policy import SMTP, Policy
from typing import Any, Final


class _Whole:
    """
    A header that stays on one line, as RFC 5322 §2.1.1 allows, where it is ASCII.

    Folding makes encoded words of a long address of a page, which are no address
    (RFC 2047 §5), and takes the quotes off a long name (python/cpython#121284).
    """

    def fold(self: Any, *, policy: Policy) -> str:
        if self.isascii():
            return f"{self.name}: {self}{policy.linesep}"
        folded: str = super().fold(policy=policy)  # type: ignore[misc]
        return folded


class _Addresses(_Whole, UniqueAddressHeader):
    pass


class _Pages(_Whole, UniqueUnstructuredHeader):
    pass


_KINDS: Final[dict[str, Any]] = {
    "from": _Addresses,
    "to": _Addresses,
    "reply-to": _Addresses,
    "list-unsubscribe": _Pages,
}
_REGISTRY: Final = HeaderRegistry()
for _name, _kind in _KINDS.items():
    _REGISTRY.map_to_type(_name, _kind)

MAIL: Final = SMTP.clone(header_factory=_REGISTRY, cte_type="7bit")
"""How a mail is written: all in ASCII, so that no server on its way recodes it, which would break its signature."""
