"""What administrators see of reconciliation, and their word that positions are really gone."""

from playwright.async_api import Browser, expect

from tests.e2e.trader import Trader, until
from tests.stack import RunningStack
from tests.web.browser import AXE, signed_in
from tests.web.conftest import DEADLINE_MILLISECONDS
from tests.web.test_dashboard import faults

GONE = 3


async def lose_positions(trader: Trader) -> list[str]:
    """Positions that ended at the exchange, of which no fill can be read: their symbols."""
    symbols = [await trader.mint_symbol("100") for _ in range(GONE)]
    for symbol in symbols:
        await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    await trader.call("POST", "/api/positions/sync")
    unreadable = {"kind": "empty", "endpoint": "GET /fapi/v1/userTrades", "exchange": trader.exchange}
    await trader.control("/sandbox/faults", {**unreadable, "apiKey": trader.api_key})
    for symbol in symbols:
        await trader.trade(symbol, "sell", "1", reduce_only=True)
    await trader.call("POST", "/api/positions/sync")
    return symbols


async def test_an_operator_sees_what_is_missing_and_says_that_it_is_gone(
    browser: Browser, web_stack: RunningStack, trader: Trader
) -> None:
    symbols = await lose_positions(trader)
    async with signed_in(browser, web_stack.gateway, web_stack.description["tokens"]["admin"]) as context:
        context.set_default_timeout(DEADLINE_MILLISECONDS)
        page = await context.new_page()
        await page.goto("/admin")
        await page.get_by_role("navigation", name="Administration").get_by_role("link", name="Reconciliation").click()

        found = page.get_by_role("region", name="Discrepancies")
        runs = page.get_by_role("region", name="Runs")
        await page.get_by_role("searchbox", name="User").fill(trader.user_id)
        await page.keyboard.press("Enter")
        for symbol in symbols:
            await expect(found.get_by_role("listitem").filter(has_text=f"{symbol}: absent")).to_contain_text(
                "nothing decided"
            )
        await expect(found).to_contain_text("Too much is missing at once to believe the list.")
        await expect(found.get_by_role("listitem").filter(has_text="opened externally").first).to_contain_text(
            "adopted"
        )
        await expect(runs).to_contain_text("3 adopted")
        await expect(runs).to_contain_text("pending")

        attention = page.get_by_role("region", name="Need attention")
        line = attention.get_by_role("listitem").filter(has_text="3 positions are missing")
        await expect(line).to_contain_text("Binance is in doubt")
        await line.get_by_role("button", name="Confirm absence…").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text(trader.user_id)
        await expect(dialog).to_contain_text("estimated exit")
        await expect(dialog).to_contain_text("Stops and targets end with them.")
        confirm = dialog.get_by_role("button", name="Confirm 3 positions gone")
        await expect(confirm).to_be_disabled()
        await dialog.get_by_label("How do you know?").fill("the exchange's support says so")
        await expect(confirm).to_be_disabled()
        await dialog.get_by_label("I have looked at the account at Binance itself.").check()
        assert await trader.history() == {}
        if AXE.exists():
            assert await faults(page, AXE.read_text(), "dark") == []
        await confirm.click()
        await expect(dialog).to_have_count(0)
        await expect(page.locator(".notice").last).to_contain_text("Confirmed: OP_")
        history = await until(trader.history, lambda rows: set(rows) == set(symbols), "the confirmed closes")
        assert {(row["estimated"], row["exitPrice"]) for row in history.values()} == {(True, None)}

        await page.get_by_role("button", name="Ask again").click()
        closed = found.get_by_role("listitem").filter(has_text="closed, exit estimated")
        await found.get_by_role("radio", name="Each time").check()
        await expect(closed).to_have_count(GONE)
        await expect(closed.first).to_contain_text("confirmed that it is gone")
        await expect(attention.get_by_role("listitem").filter(has_text=trader.user_id)).to_have_count(0)


async def test_who_is_no_administrator_is_told_so(browser: Browser, web_stack: RunningStack, trader: Trader) -> None:
    async with signed_in(browser, web_stack.gateway, trader.token) as context:
        page = await context.new_page()
        await page.goto("/admin/reconciliation")
        await expect(page.get_by_role("heading", name="For administrators")).to_be_visible(
            timeout=DEADLINE_MILLISECONDS
        )
