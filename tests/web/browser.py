"""Debian's chromium, driven by Playwright: where it is, and how it starts without asking the network for anything."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, async_playwright

from deploy.local.processes import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WEB = ROOT / "services" / "gateway" / "web"
BUILT = (WEB / "dist" / "index.html").exists()
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1360, "height": 850}
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """One browser; ask `new_context` of it for a person of their own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), headless=True)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def signed_in(browser: Browser, gateway: str, token: str, **options: Any) -> AsyncIterator[BrowserContext]:
    """A context whose pages on this gateway are signed in from the start."""
    kept: Mapping[str, Any] = {"viewport": DESKTOP, "locale": "en-GB", "service_workers": "block", **options}
    context = await browser.new_context(base_url=gateway, **kept)
    await context.add_init_script(f"sessionStorage.setItem('tandem.token', {token!r})")
    try:
        yield context
    finally:
        await context.close()
