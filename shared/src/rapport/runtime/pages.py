"""Pages rendered on the server: jinja2 with everything escaped that is not markup of ours, and the sign-in page."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

SAFE_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
            "frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
        ),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
)
"""For every page that people see after signing in: nothing from outside, in no frame, kept by nobody."""


def here_or_home(address: str) -> str:
    """A page of this site, as whoever came says it; the first one where they say another site."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"


def templates(package: str) -> Environment:
    """The templates in `<package>/templates`; a missing variable is an error, not an empty place."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def sign_in_page(wrong: str = "") -> str:
    """The form that trades a key for a session; `wrong` says why the last try did not."""
    return templates("rapport.runtime").get_template("sign_in.html").render(wrong=wrong)
