"""Messages that are odd, over the wire: none freezes a price, costs another symbol its own, or ends a stream."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.feed import FeedTimes, PriceFeed
from services.common.exchange.fields import to_milliseconds
from services.common.exchange.hints import Hint
from services.common.exchange.prices import PriceKind
from services.common.exchange.streams import AccountStream
from services.common.trading.side import Venue
from tests.contract.exchange.scripted import Script, venues_that
from tests.contract.exchange.world import eventually

PATIENT = FeedTimes(silence_seconds=20, stale_seconds=20, poll_seconds=20, ping_seconds=20)
CREDENTIALS = Credentials("key-of-nobody", "secret-of-nobody")


def marks(stamp: int, **prices: Any) -> str:
    """Binance's array of mark prices."""
    return json.dumps(
        [{"e": "markPriceUpdate", "E": stamp, "s": symbol, "p": price} for symbol, price in prices.items()]
    )


def ticker(stamp: int, price: str) -> str:
    """Bybit's snapshot of one symbol."""
    return json.dumps(
        {"topic": "tickers.X", "type": "snapshot", "ts": stamp, "data": {"symbol": "X", "markPrice": price}}
    )


@pytest.mark.parametrize("ahead_ms", [60_000, 3_600_000, 10**15])
@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_one_price_from_the_future_does_not_freeze_its_symbol(venue: Venue, ahead_ms: int) -> None:
    script = Script()
    async with venues_that(script) as venues:
        feed = PriceFeed(venues, venue, lambda _: None, PATIENT)
        feed.subscribe(["X"])
        running = asyncio.create_task(feed.run())

        def say(stamp: int, price: str) -> str:
            return marks(stamp, X=price) if venue is Venue.BINANCE else ticker(stamp, price)

        def is_now(price: str) -> bool:
            latest = feed.latest("X", PriceKind.MARK)
            return latest is not None and latest.price == Decimal(price)

        await eventually(lambda: script.opened == 1)
        now = to_milliseconds(venues.now())
        await script.say(say(now, "100"))
        await eventually(lambda: is_now("100"))
        await script.say(say(now + ahead_ms, "101"), say(now + 1, "102"))
        await eventually(lambda: is_now("102"))
        # An older price is no news all the same.
        await script.say(say(now - 5, "90"), say(now + 2, "103"))
        await eventually(lambda: is_now("103"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("odd", [None, 7, {"a": 1}, "NaN", "", "1e400", "0.00000000", "-1"])
async def test_an_odd_row_among_all_marks_costs_no_other_symbol(odd: Any) -> None:
    script = Script()
    async with venues_that(script) as venues:
        feed = PriceFeed(venues, Venue.BINANCE, lambda _: None, PATIENT)
        feed.subscribe(["X", "ODD"])
        running = asyncio.create_task(feed.run())
        await eventually(lambda: script.opened == 1)
        await script.say(marks(to_milliseconds(venues.now()), ODD=odd, X="100"))
        await eventually(lambda: feed.latest("X", PriceKind.MARK) is not None)
        assert feed.latest("ODD", PriceKind.MARK) is None
        assert script.opened == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


ODD_EVENTS: dict[Venue, list[Any]] = {
    Venue.BINANCE: [
        {"e": "ACCOUNT_UPDATE", "a": {"P": [1, None]}},
        {"e": "ACCOUNT_UPDATE", "a": {"P": {"s": "X"}}},
        {"e": "ORDER_TRADE_UPDATE", "o": "FILLED"},
        {"e": "ORDER_TRADE_UPDATE", "o": [1]},
        {"e": "ALGO_UPDATE", "o": 5},
        {"e": "MARGIN_CALL", "p": [7]},
        {"e": "MARGIN_CALL", "p": 7},
        {"e": "ACCOUNT_CONFIG_UPDATE", "ac": "X"},
        {"e": {"e": 1}},
    ],
    Venue.BYBIT: [
        {"topic": "position", "data": [1, None, []]},
        {"topic": "order", "data": {"symbol": "X"}},
        {"topic": {"a": 1}, "data": 1},
        {"topic": "execution", "data": "X"},
        {"op": {"a": 1}, "success": None},
    ],
}


def private(request: web.Request) -> web.Response:
    return web.json_response({"listenKey": "a-listen-key"})


@pytest.mark.parametrize(("venue", "event"), [(venue, event) for venue, all_ in ODD_EVENTS.items() for event in all_])
async def test_an_odd_event_ends_no_private_stream(venue: Venue, event: Any) -> None:
    hints: list[Hint] = []
    listening = json.dumps({"op": "subscribe", "success": True})
    script = Script(answer=private, greeting=[listening] if venue is Venue.BYBIT else [])
    async with venues_that(script) as venues:
        stream = AccountStream(venues, venue, CREDENTIALS, hints.append)
        running = asyncio.create_task(stream.run())
        await eventually(lambda: stream.listening)
        good = {"e": "TRADE_LITE", "s": "GOOD"} if venue is Venue.BINANCE else {
            "topic": "execution", "data": [{"symbol": "GOOD"}]
        }  # fmt: skip
        await script.say(json.dumps(event), json.dumps(good))
        await eventually(lambda: running.done() or any(hint.symbol == "GOOD" for hint in hints))
        assert not running.done()
        assert script.opened == 1
        assert all(hint.symbol is None or isinstance(hint.symbol, str) for hint in hints)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("message", ["Params Error", "error:request expired"])
async def test_a_login_that_came_too_late_does_not_say_that_the_key_is_bad(message: str) -> None:
    # Where our clock is behind, the login has expired when it arrives: readings mend the clock, the next login is good.
    expired = json.dumps({"op": "auth", "success": False, "ret_msg": message})
    script = Script(answer=lambda _: web.json_response({"retCode": 0, "result": {}}), greeting=[expired])
    async with venues_that(script) as venues:
        running = asyncio.create_task(AccountStream(venues, Venue.BYBIT, CREDENTIALS, lambda _: None).run())
        await eventually(lambda: running.done() or script.opened >= 2)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_refused_login_that_may_be_the_keys_fault_is_settled_by_a_reading() -> None:
    expired = json.dumps({"op": "auth", "success": False, "ret_msg": "Params Error"})
    unknown = {"retCode": 10003, "retMsg": "API key is invalid."}
    async with venues_that(Script(answer=lambda _: web.json_response(unknown), greeting=[expired])) as venues:
        with pytest.raises(VenueError) as raised:
            await AccountStream(venues, Venue.BYBIT, CREDENTIALS, lambda _: None).run()
    assert raised.value.kind is VenueErrorKind.BAD_KEY


@pytest.mark.parametrize("message", ["Your api key has expired.", "error sign!", "invalid apikey"])
async def test_a_login_that_is_refused_for_its_key_ends_the_stream(message: str) -> None:
    refused = json.dumps({"op": "auth", "success": False, "ret_msg": message})
    async with venues_that(Script(greeting=[refused])) as venues:
        with pytest.raises(VenueError) as raised:
            await AccountStream(venues, Venue.BYBIT, CREDENTIALS, lambda _: None).run()
    assert raised.value.kind is VenueErrorKind.BAD_KEY
