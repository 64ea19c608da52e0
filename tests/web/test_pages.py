"""The other pages in a real browser: what was closed in figures and files, parts of positions, pauses, alerts."""

import csv
from decimal import Decimal
from pathlib import Path

from playwright.async_api import Page, expect

from tests.e2e.trader import Trader
from tests.web.test_dashboard import open_position, row_of


async def test_a_part_is_closed_and_the_rest_stays(trader: Trader, page: Page) -> None:
    symbol, _ = await open_position(trader, quantity="4")
    await page.goto("/")
    await row_of(page, symbol).wait_for()
    await page.get_by_role("button", name="Close position…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("How much").fill("9")
    await expect(dialog).to_contain_text("It holds 4 only.")
    await dialog.get_by_role("radio", name="25 %").check(force=True)
    await expect(dialog).to_contain_text("3 stays open, with its stop and target")
    await expect(dialog).to_contain_text("as at entry")
    await dialog.get_by_role("button", name=f"Close 1 {symbol}").click()
    await expect(dialog).to_have_count(0)
    await expect(row_of(page, symbol).locator(".size")).to_have_text("3")
    positions = (await trader.truth())["positions"]
    assert [abs(Decimal(str(one["quantity"]))) for one in positions] == [3]


async def test_care_is_taken_of_a_position_with_the_levels_it_has_and_given_back(trader: Trader, page: Page) -> None:
    symbol, position_id = await open_position(trader)
    await trader.call("PATCH", f"/api/positions/{position_id}/stop-loss", {"price": 95})
    await page.goto("/")
    await expect(row_of(page, symbol)).to_contain_text("guarded")
    await page.get_by_role("button", name="Manage…").click()
    await expect(page.get_by_text("Tandem enforces from now on: stop 95.0000")).to_be_visible()
    await page.get_by_role("button", name="Manage it").click()
    await expect(page.get_by_role("button", name="Release…")).to_be_visible()
    row = (await trader.rows())[symbol]
    assert (row["managed"], row["stopLoss"], row["stopLossEnforced"]) == (True, 95, True)

    # A stop that follows is stated as a percentage.
    await page.get_by_role("radio", name="Trail %").check(force=True)
    await page.get_by_label("Stop-loss").fill("1.5")
    await page.get_by_role("button", name="Set stop").click()
    await expect(page.locator(".level.stop-loss .held")).to_have_text("trails at 1.5 %, enforced by Tandem")

    await page.get_by_role("button", name="Release…").click()
    await page.get_by_role("button", name="Release it").click()
    await expect(row_of(page, symbol)).to_contain_text("observed")


async def test_what_was_closed_is_in_figures_breakdowns_and_a_file(trader: Trader, page: Page, tmp_path: Path) -> None:
    symbol, position_id = await open_position(trader)
    await trader.set_price(symbol, "110")
    await trader.call("POST", f"/api/positions/{position_id}/close")
    await page.goto("/performance")
    await expect(page.locator(f'tr[data-symbol="{symbol}"]')).to_contain_text("manual")
    await expect(page.locator(".tile", has_text="Trades")).to_contain_text("1 won, 0 lost")
    breakdown = page.get_by_role("region", name="Breakdown")
    await expect(breakdown).to_contain_text(symbol)
    await breakdown.get_by_role("radio", name="Exit").check(force=True)
    await expect(breakdown).to_contain_text("Manual")

    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="CSV").click()
    kept = tmp_path / "history.csv"
    await (await downloading.value).save_as(kept)
    lines = list(csv.reader(kept.read_text().splitlines()))
    assert len(lines) == 2
    assert symbol in lines[1]
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="PDF").click()
    report = tmp_path / "report.pdf"
    await (await downloading.value).save_as(report)
    assert report.read_bytes().startswith(b"%PDF")

    # The filters ask the books, not only the page.
    filters = page.get_by_role("search", name="Which positions")
    await filters.get_by_label("Exchange").select_option("bybit")
    await expect(page.get_by_role("heading", name="None fits")).to_be_visible()
    await filters.get_by_role("button", name="Show all").click()
    await expect(page.locator(f'tr[data-symbol="{symbol}"]')).to_be_visible()

    await page.locator(f'tr[data-symbol="{symbol}"] a').click()
    await page.wait_for_url(f"**/positions/{position_id}")
    transactions = page.get_by_role("region", name="Transactions", exact=True)
    await expect(transactions.get_by_role("row")).to_have_count(3)
    await expect(page.get_by_role("region", name="Timeline")).to_contain_text("Closed")


async def test_a_pause_is_seen_wherever_one_is_and_closing_is_stopped_only_in_words(trader: Trader, page: Page) -> None:
    symbol, position_id = await open_position(trader)
    await trader.call("PATCH", f"/api/positions/{position_id}/stop-loss", {"price": 95})
    await page.goto("/")
    await expect(row_of(page, symbol)).to_contain_text("guarded")
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="Pause closing").click()
    stop = page.get_by_role("button", name="Pause closing").last
    await expect(page.get_by_text("Every position is then unguarded.")).to_be_visible()
    await expect(stop).to_be_disabled()
    await page.get_by_label("Reason").fill("a drill")
    await page.get_by_label("to confirm").fill("positions are unguarded")
    await stop.click()
    banner = page.get_by_role("alert").filter(has_text="Closing is paused")
    await expect(banner).to_contain_text("a drill")
    await page.get_by_role("link", name="Operations", exact=True).click()
    await expect(banner).to_be_visible()
    await expect(row_of(page, symbol)).to_contain_text("not guarded")

    await banner.get_by_role("link", name="Change").click()
    await page.get_by_role("button", name="Go on closing").click()
    await page.get_by_role("button", name="Go on with closing").click()
    await expect(banner).to_have_count(0)


async def test_an_alert_is_asked_for_told_armed_again_and_deleted(trader: Trader, page: Page) -> None:
    symbol, _ = await open_position(trader)
    await page.goto("/alerts")
    await expect(page.get_by_role("heading", name="No alert yet")).to_be_visible()

    # Nobody listens there: what is posted stays to be delivered, and is shown so.
    webhook = page.get_by_role("region", name="Webhook")
    await webhook.get_by_label("Address").fill("https://127.0.0.1:9/hook")
    await webhook.get_by_role("button", name="Set webhook").click()
    await expect(webhook.locator(".secret")).to_contain_text("whsec_")
    await expect(webhook.get_by_role("button", name="Copy the secret")).to_be_visible()
    await webhook.get_by_role("button", name="I have kept it").click()
    await expect(webhook.locator(".secret")).to_have_count(0)
    await expect(webhook).to_contain_text("https://127.0.0.1:9/hook")
    form = page.get_by_role("region", name="New alert")
    await form.get_by_role("button", name="Add alert").click()
    await expect(form.get_by_role("alert")).to_contain_text("Type a symbol")
    await form.get_by_label("Symbol").fill(symbol.lower())
    await form.get_by_label("Threshold").fill("101.5")
    await form.get_by_label("Note").fill("take some off")
    await form.get_by_label("Also post it to the webhook").check()
    await form.get_by_role("button", name="Add alert").click()
    line = page.locator(".alert-line")
    await expect(line).to_contain_text(f"{symbol} on Binance rises above 101.500")
    await expect(line).to_contain_text("armed")

    await trader.set_price(symbol, "101")
    await trader.set_price(symbol, "101.9")
    told = page.get_by_role("region", name="Told")
    await expect(told).to_contain_text("take some off")
    await expect(page.locator(".notice.alert")).to_contain_text(f"Price target: {symbol}")
    await expect(line).to_contain_text("has fired")
    await expect(webhook.get_by_role("list", name="Deliveries").get_by_role("listitem")).to_have_count(1)

    await line.get_by_role("button", name="Edit").click()
    await line.get_by_label("Threshold").fill("105")
    await line.get_by_role("button", name="Save and arm").click()
    await expect(line).to_contain_text("rises above 105.000")
    await expect(line).to_contain_text("armed")
    await line.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="No alert yet")).to_be_visible()
    await page.get_by_role("link", name="Operations", exact=True).click()
    await expect(page.get_by_role("region", name="Events")).to_contain_text("Price target")


async def test_a_flow_is_followed_step_by_step_and_stopped(trader: Trader, page: Page) -> None:
    symbol = await trader.mint_symbol("100")
    key = await trader.add_key()
    body = {"accountId": key["id"], "symbol": symbol, "side": "long", "notional": 500, "stopLoss": {"price": 90}}
    await page.goto("/executions")
    await expect(page.get_by_role("heading", name="No flow has been executed yet")).to_be_visible()
    await trader.call("POST", "/api/flows/web/executions", body)
    await expect(page.locator(".executions li")).to_contain_text(symbol)
    await page.get_by_role("link", name="web").click()
    steps = page.get_by_role("region", name="Steps")
    await expect(steps).to_contain_text("Opened")
    await page.get_by_role("button", name="Stop…").click()
    await page.get_by_role("button", name="Close its position and end it").click()
    await expect(steps).to_contain_text("Closed")
    await expect(page.get_by_role("region", name="Execution")).to_contain_text("Manual")
    assert not (await trader.truth())["positions"]


async def test_the_advisor_is_told_how_far_it_may_go_and_says_what_it_thinks(trader: Trader, page: Page) -> None:
    _, position_id = await open_position(trader)
    await page.goto("/settings")
    await page.get_by_role("radio", name="Off").check()
    await expect(page.locator(".notice")).to_contain_text("Advisor: off")
    await page.get_by_role("radio", name="Advise", exact=False).first.check()
    await expect(page.locator(".notice").last).to_contain_text("Advisor: advise")
    await page.goto(f"/positions/{position_id}")
    advisor = page.get_by_role("region", name="Advisor")
    await expect(advisor.get_by_role("link", name="advises only")).to_be_visible()
