"""`make screenshots`: every page, dark and light, on a desktop and a phone, of a stack in which something happened.

Prints where the pictures are. The trades are made on the sandbox at prices of their own, by the demo user.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page

from deploy.local.processes import ROOT
from tests.e2e.trader import new_trader
from tests.servers import reachable_directory
from tests.stack import RunningStack, running_stack
from tests.web.browser import BUILT, CHROMIUM, DESKTOP, PHONE, running_browser, signed_in
from tests.web.test_reconciliation import lose_positions

FOLDER = ROOT / "docs" / "screenshots"
WATCH_MILLISECONDS = 45_000
SETTLE_MILLISECONDS = 2_500
WHOLE_WINDOW = ("close", "opening", "opening-plan", "sign-in")
# What is traded and closed again, so that there is a history: symbol, side, quantity, change of the price in percent.
TRADES = (
    ("BNBUSDT", "buy", "1.5", 1.4),
    ("XRPUSDT", "buy", "900", -0.9),
    ("DOGEUSDT", "sell", "6000", -1.6),
    ("ADAUSDT", "buy", "1500", 1.1),
    ("LINKUSDT", "sell", "40", 0.7),
    ("AVAXUSDT", "buy", "25", 1.9),
    ("BNBUSDT", "sell", "1.2", -0.8),
)
PAGES = (
    "operations",
    "performance",
    "position",
    "closed",
    "portfolio",
    "alerts",
    "executions",
    "execution",
    "opening",
    "opening-plan",
    "keys",
    "settings",
    "sign-in",
    "close",
    "empty",
)
# Seen by an administrator, and with everything stopped: after the others, as all of them are of one user.
LAST_PAGES = ("admin", "reconciliation", "absence", "paused", "pausing")
ADDRESSES_OF_LAST = ("/admin", "/admin/reconciliation", "/admin/reconciliation", "/", "/settings")
FLOW = {
    "nodeId": "entry",
    "symbol": "LTCUSDT",
    "side": "long",
    "notional": 900,
    "leverage": 5,
    "stopLoss": {"trailingDistance": 0.015},
    "agent": "trend",
    "aiReasoning": "Higher highs on rising volume, and the last pullback held above the average range.",
    "aiConfidence": 0.82,
    "marketConditions": {"trend": "up", "atr": 420.5},
}


async def make_history(stack: RunningStack) -> dict[str, str]:
    """Trade, close, and arm some levels; the addresses of an open and of a closed position."""
    description = stack.description
    headers = {"Authorization": f"Bearer {description['tokens']['user']}"}
    key = description["accounts"]["binance"]["apiKey"]
    async with (
        httpx.AsyncClient(base_url=stack.sandbox, timeout=30, trust_env=False) as sandbox,
        httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=60, trust_env=False) as gateway,
    ):

        async def call(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
            answer = await client.request(method, path, json=body)
            if answer.is_error:
                sys.stderr.write(f"{method} {path} {body}: {answer.status_code} {answer.text[:200]}\n")
            return answer.json()

        async def rows() -> dict[tuple[str, str], Any]:
            found = (await call(gateway, "GET", "/api/positions/current"))["positions"]
            return {(row["exchange"], row["pair"]): row for row in found}

        await call(gateway, "POST", "/api/positions/sync")
        for symbol, side, quantity, change in TRADES:
            trade = {"exchange": "binance", "apiKey": key, "symbol": symbol, "side": side, "quantity": quantity}
            await call(sandbox, "POST", "/sandbox/trade", trade)
            await call(gateway, "POST", "/api/positions/sync")
            row = (await rows()).get(("binance", symbol))
            if row is None or row["id"] is None:
                continue
            price = f"{row['currentPrice'] * (1 + change / 100):.4f}"
            await call(sandbox, "POST", "/sandbox/price", {"symbol": symbol, "price": price})
            await call(gateway, "POST", f"/api/positions/{row['id']}/close")
        open_now = await rows()
        bitcoin = open_now["binance", "BTCUSDT"]
        ether = open_now["bybit", "ETHUSDT"]
        stop, target = round(bitcoin["currentPrice"] * 0.991), round(bitcoin["currentPrice"] * 1.014)
        await call(gateway, "PATCH", f"/api/positions/{bitcoin['id']}/stop-loss", {"price": stop})
        await call(gateway, "PATCH", f"/api/positions/{bitcoin['id']}/take-profit", {"price": target})
        await call(
            gateway,
            "PATCH",
            f"/api/positions/{ether['id']}/stop-loss",
            {"price": round(ether["currentPrice"] * 0.985, 1)},
        )
        addresses = {"position": f"/positions/{bitcoin['id']}"}
        history = await call(gateway, "GET", "/api/positions/history")
        addresses["closed"] = f"/positions/{history['positions'][0]['id']}"
        await call(gateway, "PUT", "/api/settings/advisor", {"mode": "advise"})
        await _ask_for_alerts(lambda path, body: call(gateway, "POST", path, body), bitcoin)
        accounts = (await call(gateway, "GET", "/api/user-api-keys"))["keys"]
        binance = next(one["id"] for one in accounts if one["exchange"] == "binance")
        for symbol in ("LTCUSDT", "DOTUSDT"):
            body = {**FLOW, "accountId": binance, "symbol": symbol}
            begun = await call(gateway, "POST", "/api/flows/trend-following/executions", body)
            if "execution" in begun:
                addresses.setdefault("execution", f"/executions/{begun['execution']['id']}")
        return addresses


async def happen(stack: RunningStack) -> None:
    """While it is watched: an alert that fires, a stop that moves, a position that is opened and closed."""
    description = stack.description
    headers = {"Authorization": f"Bearer {description['tokens']['user']}"}
    key = description["accounts"]["binance"]["apiKey"]
    async with (
        httpx.AsyncClient(base_url=stack.sandbox, timeout=30, trust_env=False) as sandbox,
        httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=60, trust_env=False) as gateway,
    ):
        rows = (await gateway.get("/api/positions/current")).json()["positions"]
        bitcoin = next(row for row in rows if (row["exchange"], row["pair"]) == ("binance", "BTCUSDT"))
        for change in (1.0015, 1.004):
            price = {"symbol": "BTCUSDT", "price": f"{bitcoin['currentPrice'] * change:.2f}"}
            await sandbox.post("/sandbox/price", json=price)
        await sandbox.post("/sandbox/price", json={"symbol": "BTCUSDT", "release": True})
        stop = {"price": round(bitcoin["currentPrice"] * 0.9935)}
        await gateway.patch(f"/api/positions/{bitcoin['id']}/stop-loss", json=stop)
        trade = {"exchange": "binance", "apiKey": key, "symbol": "ADAUSDT", "side": "buy", "quantity": "800"}
        await sandbox.post("/sandbox/trade", json=trade)
        await gateway.post("/api/positions/sync")
        rows = (await gateway.get("/api/positions/current")).json()["positions"]
        cardano = next(row for row in rows if row["pair"] == "ADAUSDT")
        await sandbox.post(
            "/sandbox/price", json={"symbol": "ADAUSDT", "price": f"{cardano['currentPrice'] * 1.01:.4f}"}
        )
        await gateway.post(f"/api/positions/{cardano['id']}/close")


async def _ask_for_alerts(post: Callable[[str, Any], Awaitable[Any]], bitcoin: Any) -> None:
    """One that fires with the next step of the price, and some that wait."""
    symbol = {"kind": "price_target", "exchange": "binance", "symbol": "BTCUSDT", "direction": "above"}
    near, far = round(bitcoin["currentPrice"] * 1.002), round(bitcoin["currentPrice"] * 1.05)
    for body in (
        {**symbol, "threshold": near, "note": "take some off"},
        {**symbol, "threshold": far, "repeating": True},
        {"kind": "profit_percent", "direction": "below", "threshold": -5, "webhook": True},
        {"kind": "stop_moved", "positionId": bitcoin["id"], "repeating": True},
        {"kind": "liquidation_near", "threshold": 8, "webhook": True, "note": "call me"},
    ):
        await post("/api/alerts", body)


async def take(browser: Browser, stack: RunningStack, addresses: dict[str, str], only: set[str]) -> None:
    """Every page in every dress. Each watches the market for a while first, so that its charts have a line."""
    tokens = stack.description["tokens"]["user"]
    watching = asyncio.Semaphore(0)
    dresses = [(scheme, device) for scheme in ("dark", "light") for device in ("desktop", "phone")]

    async def live() -> None:
        for _ in dresses:
            await watching.acquire()
        await happen(stack)

    async def dress(scheme: str, device: str) -> None:
        async with signed_in(browser, stack.gateway, tokens, **_dress(scheme, device)) as context:
            page = await context.new_page()
            await page.goto("/")
            await page.locator(".row").first.wait_for()
            await page.wait_for_timeout(WATCH_MILLISECONDS / 2)
            watching.release()
            await page.wait_for_timeout(WATCH_MILLISECONDS / 2)
            for name in PAGES:
                if (only and name not in only) or (name == "execution" and name not in addresses):
                    continue
                await _show(page, name, device, addresses, stack)
                path = FOLDER / f"{name}-{device}-{scheme}.png"
                await _picture(page, path, whole_page=name not in WHOLE_WINDOW)

    await asyncio.gather(live(), *(dress(*one) for one in dresses))
    if only and not only & set(LAST_PAGES):
        return
    headers = {"Authorization": f"Bearer {tokens}"}
    async with httpx.AsyncClient(base_url=stack.gateway, headers=headers, timeout=60, trust_env=False) as gateway:
        pause = {"openingPaused": True, "closingPaused": False, "reason": "the exchange announced maintenance"}
        await gateway.put("/api/settings/pause", json=pause)
        async with new_trader(stack, "binance") as someone:
            await lose_positions(someone)
            for scheme, device in dresses:
                await _take_last(browser, stack, scheme, device, only)
        await gateway.put("/api/settings/pause", json={"openingPaused": False, "closingPaused": False})


def _dress(scheme: str, device: str) -> dict[str, Any]:
    options: dict[str, Any] = {"viewport": DESKTOP if device == "desktop" else PHONE, "color_scheme": scheme}
    if device == "phone":
        options |= {"device_scale_factor": 2, "has_touch": True, "is_mobile": True}
    return options


async def _take_last(browser: Browser, stack: RunningStack, scheme: str, device: str, only: set[str]) -> None:
    """What an administrator sees, and what is seen while trading is paused."""
    token = stack.description["tokens"]["admin"]
    async with signed_in(browser, stack.gateway, token, **_dress(scheme, device)) as context:
        page = await context.new_page()
        for name, address in zip(LAST_PAGES, ADDRESSES_OF_LAST, strict=True):
            if only and name not in only:
                continue
            await page.goto(address)
            await page.get_by_role("heading", level=1).wait_for()
            if name == "pausing":
                await page.get_by_role("button", name="Pause closing").click()
            if name == "absence":
                await page.get_by_role("button", name="Confirm absence…").first.click()
            await page.wait_for_timeout(SETTLE_MILLISECONDS)
            await page.evaluate("window.scrollTo(0, 0)")
            path = FOLDER / f"{name}-{device}-{scheme}.png"
            await _picture(page, path, whole_page=name not in ("paused", "absence"))


async def _picture(page: Page, path: Path, *, whole_page: bool) -> None:
    """Of what is seen, or of the whole page in a window as high as that, at whose end what is fixed to it then lies."""
    window = page.viewport_size
    assert window is not None
    if whole_page:
        height = await page.evaluate("document.documentElement.scrollHeight")
        await page.set_viewport_size({"width": window["width"], "height": max(height, window["height"])})
    await page.screenshot(path=path, scale="css")
    await page.set_viewport_size(window)


async def _show(page: Page, name: str, device: str, addresses: dict[str, str], stack: RunningStack) -> None:
    go: dict[str, Callable[[], Awaitable[Any]]] = {
        "operations": lambda: page.evaluate("0"),
        "sign-in": lambda: _sign_out(page),
        "close": lambda: _ask_to_close(page, device),
        "empty": lambda: _be_nobody(page, stack),
        "position": lambda: page.goto(addresses["position"]),
        "execution": lambda: page.goto(addresses["execution"]),
        "opening": lambda: _ask_to_open(page),
        "opening-plan": lambda: _review_opening(page),
        "closed": lambda: page.goto(addresses["closed"]),
    }
    if name in go:
        await go[name]()
    else:
        await page.goto(f"/{name}")
    if name == "operations" and device == "phone":
        await page.locator(".row").first.tap()
    await page.wait_for_timeout(SETTLE_MILLISECONDS)


async def _sign_out(page: Page) -> None:
    await page.goto("/settings")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Continue as the demo trader").wait_for()


async def _ask_to_close(page: Page, device: str) -> None:
    await page.get_by_role("button", name="Continue as the demo trader").click()
    await page.get_by_role("link", name="Operations", exact=True).click()
    if device == "phone":
        await page.locator(".row").first.tap()
    await page.get_by_role("button", name="Close position…").click()


async def _ask_to_open(page: Page) -> None:
    await page.goto("/executions")
    await page.get_by_role("button", name="Start execution").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Flow", exact=True).fill("mean-reversion")
    await dialog.get_by_label("Symbol").fill("XRPUSDT")
    await dialog.get_by_label("Size").fill("750")
    await dialog.get_by_label("Leverage").fill("5")


async def _review_opening(page: Page) -> None:
    await _ask_to_open(page)
    await page.get_by_role("button", name="Review…").click()


async def _be_nobody(page: Page, stack: RunningStack) -> None:
    await page.goto("/settings")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("Access token").fill(stack.token("nobody"))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Operations", exact=True).click()


async def main(only: set[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with reachable_directory() as folder:
        async with running_stack(folder / "stack") as stack, running_browser() as browser:
            await take(browser, stack, await make_history(stack), only)
    sys.stdout.write(f"pictures in {FOLDER}\n")


if __name__ == "__main__":
    if CHROMIUM is None or not BUILT:
        raise SystemExit("screenshots need chromium (apt-get install chromium) and the dashboard (make web)")
    asyncio.run(main(set(sys.argv[1:])))
