"""The live view of an account whose private stream is followed: told by the stream, priced by the stream, not polled.

Each test has a user, an account and symbols of its own; every wait is for a condition and has a deadline.
"""

from decimal import Decimal

from tests.e2e.trader import Json, Trader, until


async def asked(trader: Trader) -> dict[str, int]:
    """What the exchange was asked about this account so far, by endpoint."""
    answer = await trader.sandbox.get("/sandbox/requests")
    counts: dict[str, int] = answer.json()[trader.exchange]["byKey"].get(trader.api_key, {})
    return counts


async def price_shown(trader: Trader, symbol: str) -> Json:
    return (await trader.rows()).get(symbol, {}).get("currentPrice")


async def followed(trader: Trader) -> str:
    """Wait until the account's stream is up: a trade by hand is shown without anybody having dropped the cache."""
    symbol = await trader.mint_symbol("100")
    await trader.rows()
    await trader.trade(symbol, "buy", "1")
    await until(trader.rows, lambda rows: symbol in rows, f"{symbol} to be shown")
    return symbol


async def moved(trader: Trader, symbol: str, price: str) -> dict[str, int]:
    """Move the price, wait until the view shows it, and say what was asked of the exchange until then."""
    await trader.set_price(symbol, price)
    await until(
        lambda: price_shown(trader, symbol), lambda shown: shown == Decimal(price), f"{symbol} to be shown at {price}"
    )
    return await asked(trader)


async def test_prices_of_a_watched_account_cost_no_question_about_it(trader: Trader) -> None:
    await trader.add_key()
    symbol = await followed(trader)
    prices = iter(range(101, 200))

    async def two_moves() -> tuple[dict[str, int], dict[str, int]]:
        return await moved(trader, symbol, str(next(prices))), await moved(trader, symbol, str(next(prices)))

    await until(two_moves, lambda counts: counts[0] == counts[1], "prices to be shown without polling")


async def test_what_happens_at_the_exchange_is_shown_as_the_stream_tells_it(trader: Trader) -> None:
    await trader.add_key()
    first = await followed(trader)
    second = await trader.mint_symbol("50")
    await trader.trade(second, "sell", "2")
    rows = await until(trader.rows, lambda rows: second in rows, f"{second} to be shown")
    assert rows[second]["type"] == "SHORT"
    await trader.trade(second, "sell", "1")
    await until(trader.rows, lambda rows: rows[second]["quantity"] == 3, "the addition to be shown")
    await trader.trade(first, "sell", "1", reduce_only=True)
    await until(
        trader.rows,
        lambda rows: first not in rows or not (rows[first]["inSync"] and rows[first]["dataSource"] == "exchange"),
        "the close to be shown",
    )


async def test_the_books_follow_what_the_stream_saw_without_anybody_asking(trader: Trader) -> None:
    await trader.add_key()
    first = await followed(trader)
    second = await trader.mint_symbol("50")
    await trader.trade(second, "sell", "2")
    await until(
        trader.rows, lambda rows: all(rows.get(one, {}).get("inSync") for one in (first, second)), "both to be booked"
    )
    await trader.trade(second, "sell", "1")
    await until(
        trader.rows, lambda rows: rows[second]["quantity"] == 3 and rows[second]["inSync"], "the addition to be booked"
    )
    await trader.trade(first, "sell", "1", reduce_only=True)
    await until(trader.history, lambda rows: first in rows, "the close to be booked")
    assert first not in await trader.rows()


async def test_a_level_is_guarded_once_the_monitor_has_taken_it_in(trader: Trader) -> None:
    await trader.add_key()
    symbol = await followed(trader)
    await trader.call("POST", "/api/positions/sync")
    rows = await until(trader.rows, lambda rows: rows.get(symbol, {}).get("id"), f"{symbol} to be booked")
    assert rows[symbol]["guarded"] is False
    await trader.call("PATCH", f"/api/positions/{rows[symbol]['id']}/stop-loss", {"price": 90})
    await until(trader.rows, lambda rows: rows[symbol]["guarded"], f"{symbol} to be guarded")
