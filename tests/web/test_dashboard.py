"""The dashboard in a real browser, over a whole stack: what a trader does, and sees happen."""

import os
import signal
from decimal import Decimal

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.trader import Trader, until
from tests.stack import RunningStack
from tests.web.browser import AXE, PHONE, signed_in
from tests.web.conftest import DEADLINE_MILLISECONDS

PAGES = (
    "/",
    "/performance",
    "/portfolio",
    "/alerts",
    "/executions",
    "/keys",
    "/settings",
    "/admin",
    "/admin/reconciliation",
)


async def open_position(trader: Trader, price: str = "100", quantity: str = "2") -> tuple[str, str]:
    """A long position of this trader, in the books: its symbol and its id."""
    symbol = await trader.mint_symbol(price)
    await trader.add_key()
    await trader.trade(symbol, "buy", quantity)
    await trader.call("POST", "/api/positions/sync")
    rows = await until(trader.rows, lambda rows: symbol in rows and rows[symbol]["id"], "the position in the books")
    return symbol, str(rows[symbol]["id"])


def row_of(page: Page, symbol: str) -> Locator:
    return page.locator(f'.row[data-symbol="{symbol}"]')


async def test_a_stop_that_is_typed_closes_the_position_before_ones_eyes(trader: Trader, page: Page) -> None:
    symbol, position_id = await open_position(trader)
    pushed: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: pushed.append(str(frame))))
    await page.goto("/")
    row = row_of(page, symbol)
    await expect(row).to_contain_text("100.000")
    await expect(row).to_contain_text("observed")

    # A price that moves at the exchange is seen without a reload: at once where it is pushed, else at the next asking.
    for price in ("101.5", "102.25", "101.75"):
        await trader.set_price(symbol, price)
        await expect(row).to_contain_text(f"{Decimal(price):.3f}")
        if await page.locator('.page-head [data-feed="live"]').count() == 0:
            await expect(page.locator('.page-head [data-feed="polling"]')).to_have_text("polling 5 s")
            break
    else:
        assert [frame for frame in pushed if '"position_marked"' in frame and position_id in frame]

    stop = page.get_by_label("Stop-loss")
    await stop.fill("103")
    await expect(page.get_by_text("lies below the price")).to_be_visible()
    await stop.fill("99.5")
    await page.get_by_role("button", name="Set stop").click()
    await expect(page.locator(".level.stop-loss .held")).to_have_text("pinned, enforced by Tandem")
    await expect(row).to_contain_text("guarded")
    await expect(page.get_by_role("region", name="Events")).to_contain_text("Stop 99.5000, enforced")

    await trader.set_price(symbol, "99")
    closed = page.locator(f'.row.closed[data-symbol="{symbol}"]')
    await expect(closed).to_contain_text("stop loss")
    await expect(page.get_by_role("region", name="Events")).to_contain_text("closed: stop loss")

    await page.get_by_role("link", name="Performance").click()
    await expect(page.locator(f'tr[data-symbol="{symbol}"]')).to_contain_text("stop loss")
    await expect(page.locator(".tile", has_text="Trades")).to_contain_text("0 won, 1 lost")

    await page.locator(f'tr[data-symbol="{symbol}"] a').click()
    await page.wait_for_url(f"**/positions/{position_id}")
    await expect(page.get_by_role("region", name="Timeline")).to_be_visible()
    assert not (await trader.truth())["positions"]


async def test_a_close_says_what_will_happen_and_then_does_it(trader: Trader, page: Page) -> None:
    symbol, _ = await open_position(trader)
    await page.goto("/")
    await row_of(page, symbol).wait_for()
    await page.get_by_role("button", name="Close position…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"Tandem sells 2 {symbol} at market on Binance, reduce-only")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    assert (await trader.truth())["positions"]

    await page.get_by_role("button", name="Close position…").click()
    await dialog.get_by_role("button", name=f"Close 2 {symbol}").click()
    await expect(page.locator(f'.row.closed[data-symbol="{symbol}"]')).to_contain_text("manual")
    await expect(dialog).to_have_count(0)
    assert not (await trader.truth())["positions"]


async def test_a_level_follows_the_keyboard_and_is_set_only_when_told(trader: Trader, page: Page) -> None:
    symbol, _ = await open_position(trader)
    await page.goto("/")
    handle = page.get_by_role("slider", name=f"Stop of {symbol}")
    await handle.focus()
    await page.keyboard.press("PageDown")
    await expect(page.get_by_label("Stop-loss")).not_to_have_value("")
    assert not (await trader.rows())[symbol]["stopLossEnforced"]
    box = await handle.bounding_box()
    assert box is not None
    typed = await page.get_by_label("Stop-loss").input_value()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 8, steps=4)
    await page.mouse.up()
    await expect(page.get_by_label("Stop-loss")).not_to_have_value(typed)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_label("Stop-loss")).to_have_value("")


async def test_it_goes_on_after_the_gateway_was_restarted(web_stack: RunningStack, trader: Trader, page: Page) -> None:
    symbol, position_id = await open_position(trader)
    await page.goto("/")
    row = row_of(page, symbol)
    await expect(row).to_contain_text("100.000")

    heard = len(web_stack.console)
    os.kill(web_stack.description["processes"]["gateway"], signal.SIGKILL)
    await web_stack.heard("gateway", after=heard)

    async def answers() -> bool:
        try:
            return (await trader.gateway.get("/api/status")).status_code == 200
        except Exception:  # noqa: BLE001 - whatever keeps it from answering, it does not answer yet
            return False

    await until(answers, bool, "the gateway to answer again")
    await trader.set_price(symbol, "104")
    await expect(row).to_contain_text("104.000")

    # Facts come again by the WebSocket, which was cut.
    async def told() -> bool:
        await trader.call("PATCH", f"/api/positions/{position_id}/take-profit", {"price": 150})
        await trader.call("PATCH", f"/api/positions/{position_id}/take-profit", {"price": 151})
        return "Target 15" in await page.get_by_role("region", name="Events").inner_text()

    await until(told, bool, "an event after the restart")


async def test_signing_in_and_out(browser: Browser, web_stack: RunningStack) -> None:
    context = await browser.new_context(base_url=web_stack.gateway)
    context.set_default_timeout(DEADLINE_MILLISECONDS)
    page = await context.new_page()
    await page.goto("/portfolio")
    await page.get_by_label("Access token").fill("nonsense")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not a token")
    await page.get_by_role("button", name="Continue as the demo trader").click()
    await expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
    await expect(page.get_by_role("region", name="By exchange")).to_contain_text("Bybit")

    await page.reload()
    await expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("radio", name="Light").check()
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Access token")).to_be_visible()
    await context.close()


async def test_a_token_that_counts_no_more_leads_back_to_the_door(browser: Browser, web_stack: RunningStack) -> None:
    token = web_stack.token("somebody")
    forged = token[:-6] + ("A" * 6)
    async with signed_in(browser, web_stack.gateway, forged) as context:
        page = await context.new_page()
        await page.goto("/")
        await expect(page.get_by_label("Access token")).to_be_visible()
        await expect(page.get_by_role("alert")).to_contain_text("not valid")


async def test_who_has_nothing_is_told_what_to_do(page: Page) -> None:
    await page.goto("/")
    await expect(page.get_by_role("link", name="Keys").first).to_be_visible()
    await expect(page.get_by_text("Add a key").or_(page.get_by_text("Add one on")).first).to_be_visible()
    await page.goto("/keys")
    await expect(page.get_by_text("Never withdrawals.")).to_be_visible()
    await expect(page.get_by_text("Restrict it to the IP address")).to_be_visible()
    await page.goto("/nowhere")
    await expect(page.get_by_text("There is no such page")).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_no_page_is_hard_to_read_or_to_reach(browser: Browser, web_stack: RunningStack, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make web-lint")
    axe = AXE.read_text()
    token = web_stack.description["tokens"]["admin"]
    async with signed_in(browser, web_stack.gateway, token, color_scheme=scheme) as context:
        page = await context.new_page()
        found = []
        for address in PAGES:
            await page.goto(address)
            await page.get_by_role("heading", level=1).wait_for()
            await expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
            found += [f"{scheme} {address}: {fault}" for fault in await faults(page, axe, scheme)]
        await page.goto("/executions")
        await page.get_by_role("button", name="Start execution").click()
        await page.get_by_role("button", name="Review…").click()
        await expect(page.get_by_label("Flow", exact=True).last).to_be_focused()
        found += [f"{scheme} opening: {fault}" for fault in await faults(page, axe, scheme)]
        await page.goto("/")
        await page.get_by_role("button", name="Close position…").click()
        found += [f"{scheme} close: {fault}" for fault in await faults(page, axe, scheme)]
        await page.get_by_role("button", name="Keep it open").click()
        await page.get_by_role("link", name="Details").click()
        await page.get_by_role("region", name="Timeline").get_by_role("listitem").first.wait_for()
        found += [f"{scheme} position: {fault}" for fault in await faults(page, axe, scheme)]
        assert found == []


async def test_a_phone_shows_every_page_without_scrolling_sideways(browser: Browser, web_stack: RunningStack) -> None:
    token = web_stack.description["tokens"]["admin"]
    async with signed_in(browser, web_stack.gateway, token, viewport=PHONE, has_touch=True) as context:
        page = await context.new_page()
        wide = []
        for address in PAGES:
            await page.goto(address)
            await page.get_by_role("heading", level=1).wait_for()
            await expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
            if address == "/":
                await page.locator(".row").first.tap()
                await page.get_by_role("button", name="Close position…").wait_for()
            if not await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                wide.append(address)
        assert wide == []
        # What the bar has no room for is found under More.
        await page.get_by_role("button", name="More").tap()
        await page.get_by_role("link", name="Keys").tap()
        await expect(page.get_by_role("heading", name="Keys")).to_be_visible()


async def faults(page: Page, axe: str, scheme: str) -> list[str]:
    """What axe finds, where it is serious or worse. Of a second dress only the colours are another's."""
    await page.evaluate(axe)
    standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    asked = {"type": "tag", "values": standards} if scheme == "dark" else {"type": "rule", "values": ["color-contrast"]}
    violations = (await page.evaluate("runOnly => axe.run({runOnly})", asked))["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
