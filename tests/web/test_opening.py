"""Opening from the dashboard: an execution of a flow, and a position by hand. Nothing is ever opened twice."""

import json
from decimal import Decimal

from playwright.async_api import Locator, Page, Request, Route, expect

from tests.e2e.trader import Trader
from tests.web.test_dashboard import row_of


async def state_what(dialog: Locator, symbol: str, size: str) -> None:
    """The symbol and a notional; the rest as it is."""
    await dialog.get_by_label("Symbol").fill(symbol.lower())
    await dialog.get_by_label("Size").fill(size)


async def sizes(trader: Trader) -> list[Decimal]:
    """What the exchange itself holds."""
    return [abs(Decimal(str(one["quantity"]))) for one in (await trader.truth())["positions"]]


async def test_an_execution_is_started_after_it_was_said_what_will_happen_and_followed(
    trader: Trader, page: Page
) -> None:
    symbol = await trader.mint_symbol("100")
    account = await trader.add_key()
    await page.goto("/executions")
    await page.get_by_role("button", name="Start execution").click()
    dialog = page.get_by_role("dialog", name="Start an execution")

    # What is missing is said where it is missing, and one is led to the first of it.
    await dialog.get_by_role("button", name="Review…").click()
    await expect(dialog).to_contain_text("Name the flow in one word")
    await expect(dialog).to_contain_text("Type a symbol, such as BTCUSDT.")
    await expect(dialog).to_contain_text("Type a size above 0.")
    await expect(dialog.get_by_label("Flow", exact=True)).to_be_focused()

    await dialog.get_by_label("Flow", exact=True).fill("web-start")
    await dialog.get_by_label("Node").fill("entry")
    await state_what(dialog, symbol, "500")
    await dialog.get_by_label("Leverage").fill("5")
    await dialog.get_by_role("group", name="What the stop-loss goes by").get_by_role("radio", name="Price").check()
    await dialog.get_by_label("Stop-loss", exact=True).fill("90")
    await dialog.get_by_role("group", name="What the take-profit goes by").get_by_role("radio", name="None").check()
    await dialog.get_by_role("button", name="Review…").click()

    await expect(dialog).to_contain_text(f"Tandem buys {symbol} for 500.00 USDT at market on mine (Binance)")
    await expect(dialog).to_contain_text(f"Binance is told 5× for {symbol} before; about 100.00 USDT of margin.")
    await expect(dialog).to_contain_text("Stop: at 90.0000")
    await expect(dialog).to_contain_text("Target: none")
    await expect(dialog).to_contain_text("Flow web-start, node entry")
    assert await sizes(trader) == []

    def starts(request: Request) -> bool:
        return request.method == "POST" and request.url.endswith("/api/flows/web-start/executions")

    async with page.expect_request(starts) as asking:
        await dialog.get_by_role("button", name="Start web-start").click()
    asked = await asking.value
    assert (await asked.all_headers())["idempotency-key"]
    assert json.loads(asked.post_data or "") == {
        "accountId": account["id"],
        "symbol": symbol,
        "side": "long",
        "notional": 500,
        "leverage": 5,
        "stopLoss": {"price": 90},
        "takeProfit": {"price": None},
        "nodeId": "entry",
    }
    await page.wait_for_url("**/executions/*")
    steps = page.get_by_role("region", name="Steps")
    await expect(steps).to_contain_text("Opened")
    assert await sizes(trader) == [5]

    # Its end comes over the WebSocket, whoever brings it about.
    await trader.set_price(symbol, "89")
    await expect(steps).to_contain_text("Closed")
    await expect(page.get_by_role("region", name="Execution", exact=True)).to_contain_text("Stop loss")


async def test_what_the_exchange_refuses_is_said_at_the_field_that_is_to_blame(trader: Trader, page: Page) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.add_key()
    await page.goto("/")
    await page.get_by_role("button", name="Open position").click()
    dialog = page.get_by_role("dialog")
    await state_what(dialog, "NOSUCHUSDT", "500")
    await dialog.get_by_role("button", name="Review…").click()
    await dialog.get_by_role("button", name="Open NOSUCHUSDT long").click()
    field = dialog.get_by_label("Symbol")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(dialog).to_contain_text("Type it as the exchange writes it, such as BTCUSDT.")

    await field.fill(symbol)
    await expect(field).not_to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Leverage").fill("900")
    await dialog.get_by_role("button", name="Review…").click()
    await dialog.get_by_role("button", name=f"Open {symbol} long").click()
    await expect(dialog.get_by_label("Leverage")).to_be_focused()
    await expect(dialog).to_contain_text("the most for this size")
    assert await sizes(trader) == []


async def test_a_position_is_opened_by_hand_and_a_second_one_of_the_kind_is_not(trader: Trader, page: Page) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.add_key()
    await page.goto("/")
    await page.get_by_role("button", name="Open position").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("group", name="Side").get_by_role("radio", name="Short").check()
    await dialog.get_by_role("group", name="What the size is stated in").get_by_role("radio", name="Quantity").check()
    await state_what(dialog, symbol, "2")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text(f"Tandem sells 2 {symbol} at market on mine (Binance)")
    await expect(dialog).to_contain_text("trails at 2 %")
    # Who presses twice too quickly opens nothing.
    await expect(dialog.get_by_role("button", name="Change it")).to_be_focused()
    await dialog.get_by_role("button", name=f"Open {symbol} short").click()
    await expect(dialog).to_have_count(0)
    await expect(row_of(page, symbol)).to_contain_text("short")
    await expect(row_of(page, symbol)).to_contain_text("guarded")
    assert await sizes(trader) == [2]

    await page.get_by_role("button", name="Open position").click()
    await dialog.get_by_role("group", name="Side").get_by_role("radio", name="Short").check()
    await state_what(dialog, symbol, "500")
    await expect(dialog).to_contain_text("now 100.000")
    await expect(dialog).to_contain_text(f"This account holds {symbol} short already")
    await dialog.get_by_role("button", name="Review…").click()
    await expect(dialog.get_by_label("Symbol")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="Open position")).to_be_focused()


async def test_an_opening_whose_answer_is_lost_is_asked_for_again_and_not_done_again(
    trader: Trader, page: Page
) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.add_key()
    keys: list[str] = []

    async def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await page.route(lambda url: url.endswith("/api/positions"), lose_the_first_answer)
    await page.goto("/")
    await page.get_by_role("button", name="Open position").click()
    dialog = page.get_by_role("dialog")
    await state_what(dialog, symbol, "200")
    await dialog.get_by_role("button", name="Review…").click()
    await dialog.get_by_role("button", name=f"Open {symbol} long").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Whether it was opened is not known.")
    # Nothing else can be asked for meanwhile than the very same.
    await expect(dialog.get_by_role("button", name="Change it")).to_have_count(0)
    await dialog.get_by_role("button", name="Ask again").click()
    await expect(dialog).to_have_count(0)
    await expect(row_of(page, symbol)).to_be_visible()
    assert await sizes(trader) == [2]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_nothing_can_be_opened_while_opening_is_paused_and_why_is_said(trader: Trader, page: Page) -> None:
    await trader.add_key()
    await page.goto("/executions")
    start = page.get_by_role("button", name="Start execution")
    await start.click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Review…")).to_be_enabled()
    pause = {"openingPaused": True, "closingPaused": False, "reason": "a drill"}
    await trader.call("PUT", "/api/settings/pause", pause)
    await expect(dialog.get_by_role("alert")).to_contain_text("Opening is paused for you: a drill.")
    await expect(dialog.get_by_role("button", name="Review…")).to_be_disabled()
    await page.keyboard.press("Escape")
    await expect(start).to_be_disabled()
    await trader.call("PUT", "/api/settings/pause", {**pause, "openingPaused": False, "reason": ""})
    await expect(start).to_be_enabled()


async def test_who_may_not_trade_is_told_what_to_do(trader: Trader, page: Page) -> None:
    key = await trader.add_key()
    await trader.call("PATCH", f"/api/user-api-keys/{key['id']}", {"tradingEnabled": False})
    await page.goto("/executions")
    await page.get_by_role("button", name="Start execution").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("None of your accounts may trade")
    await expect(dialog.get_by_role("button", name="Review…")).to_be_disabled()
    await dialog.get_by_role("link", name="Keys").click()
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
