"""A browser, and a stack of its own: one of these tests restarts the gateway, which nobody does to the shared stack."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.e2e.trader import Trader, new_trader
from tests.stack import NO_LIMITS, RunningStack, lift_limits, running_stack
from tests.web.browser import BUILT, CHROMIUM, running_browser, signed_in

DEADLINE_MILLISECONDS = 20_000
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser or a build there is nothing to test; say what to do about it."""
    if CHROMIUM is None:
        reason = "no chromium here: apt-get install chromium"
    elif not BUILT:
        reason = "the dashboard is not built: make web"
    else:
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
async def web_stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(session_dir / "web-stack", NO_LIMITS) as running:
        await lift_limits(running.sandbox)
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=DEADLINE_MILLISECONDS)
    async with running_browser() as running:
        yield running


@pytest.fixture
async def trader(web_stack: RunningStack) -> AsyncIterator[Trader]:
    async with new_trader(web_stack, "binance") as someone:
        yield someone


@pytest.fixture
async def context(browser: Browser, web_stack: RunningStack, trader: Trader) -> AsyncIterator[BrowserContext]:
    """The trader, signed in."""
    async with signed_in(browser, web_stack.gateway, trader.token) as someone:
        someone.set_default_timeout(DEADLINE_MILLISECONDS)
        yield someone


@pytest.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page of the trader's, which must not have complained, nor have asked anybody but the gateway."""
    page = await context.new_page()
    complaints: list[str] = []
    asked: set[str] = set()

    def hear(message: ConsoleMessage) -> None:
        # What the server refused, or was not there to answer, a browser reports as errors too: they are shown.
        if (
            message.type == "error"
            and "Failed to load resource" not in message.text
            and "WebSocket" not in message.text
        ):
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.add(request.url.split("/", 3)[2]))
    yield page
    assert complaints == []
    assert len(asked) <= 1, asked
