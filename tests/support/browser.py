"""A real browser on our pages: signing in, pictures, and axe-core's opinion of how accessible they are."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS: Final = os.environ.get("RAPPORT_SCREENSHOTS")
"""A folder for pictures of what the tests see."""
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rapport"
AXE: Final = _CACHE / "axe/node_modules/axe-core/axe.min.js"
ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NEEDS_A_BROWSER: Final = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine (make browser installs it)"),
]
NEEDS_AXE: Final = pytest.mark.skipif(
    not AXE.exists(), reason=f"axe-core is not at {AXE} (make browser fetches it, with npm)"
)
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_SIZES: Final = (360, 1280)
_SCHEMES: Final = ("dark", "light")


@asynccontextmanager
async def tab(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """A fresh browser window; an error in a script of the page fails the test."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert not complaints
    await context.close()


@asynccontextmanager
async def signed_in(browser: Browser, url: str, key: str = "ada-key", **options: Any) -> AsyncIterator[Page]:
    """The page at that address, for somebody who has signed in on the way."""
    async with tab(browser, **options) as page:
        await page.goto(url)
        await expect(page).to_have_url(re.compile("/login"))
        await page.get_by_label("Key").fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(url if "/" in url.partition("://")[2] else f"{url}/")
        await page.wait_for_load_state()  # its scripts listen from then on
        yield page


async def shoot(page: Page, name: str) -> None:
    """Pictures on a phone and on a desk, by day and by night, where somebody wants them."""
    if not SHOTS:
        return
    size = page.viewport_size
    for width in _SIZES:
        for scheme in _SCHEMES:
            await page.set_viewport_size({"width": width, "height": 900})
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)
    await page.emulate_media(color_scheme="light")
    if size:
        await page.set_viewport_size(size)


async def violations(page: Page) -> list[str]:
    """What axe-core has against the page: WCAG 2.2 A and AA and its best practices: small and dark, wide and light."""
    await page.evaluate(AXE.read_text("utf-8"))  # not as a script tag, which our pages forbid
    await page.emulate_media(reduced_motion="reduce")
    size = page.viewport_size
    found = []
    for width, scheme in zip(_SIZES, _SCHEMES, strict=True):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        told = await page.evaluate(
            "rules => axe.run({runOnly: rules, resultTypes: ['violations']})"
            ".then(told => told.violations.map(v => [v.id, v.nodes.map(n => n.target.join(' ') + ': ' + "
            "n.any.concat(n.all).map(c => c.message).join('; '))]))",
            _RULES,
        )
        found += [f"{width} {scheme}: {rule}: {where}" for rule, nodes in told for where in nodes[:3]]
    if size:
        await page.set_viewport_size(size)
    return found
