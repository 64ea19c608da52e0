"""Symbols that the list of symbols does not hold, or that are written in another script."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from secrets import token_hex
from typing import Any

import pytest

from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.orders.outcome import Filled, Found
from services.common.exchange.prices import PriceKind
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import PositionSide, Venue
from tests.contract.exchange.conftest import open_world
from tests.contract.exchange.world import World, eventually, find_ended

SYMBOLS_PATH = {Venue.BINANCE: "/fapi/v1/exchangeInfo", Venue.BYBIT: "/v5/market/instruments-info"}


@pytest.fixture
async def unlisted(world: World) -> World:
    """A world whose symbol is traded at the venue, and is not in the list that the door has."""
    name = f"D{token_hex(4).upper()}USDT"
    with pytest.raises(VenueError) as raised:
        await world.reader.read_symbol(world.venue, name)
    assert raised.value.kind is VenueErrorKind.UNKNOWN_SYMBOL
    await world.sandbox.post("symbols", symbol=name, price="100")
    return replace(world, symbol=name)


async def test_fills_of_a_symbol_that_is_not_listed_any_more_are_read_all_the_same(unlisted: World) -> None:
    # Else nobody would ever learn how a position in a delisted contract ended.
    before = unlisted.before
    await unlisted.trade("buy", "1")
    await unlisted.trade("sell", "1", reduceOnly=True)
    reading = await unlisted.reader.read_fills(unlisted.venue, unlisted.credentials, unlisted.symbol, before)
    assert reading.status is ReadingStatus.COMPLETE
    assert [fill.quantity for fill in reading.fills] == [Decimal(1), Decimal(1)]
    assert all(fill.fee_quote is not None for fill in reading.fills)


async def test_an_order_on_a_symbol_that_is_not_listed_any_more_is_found_all_the_same(unlisted: World) -> None:
    # Else its outcome would stay open for ever.
    await unlisted.trade("buy", "1")
    before, order = unlisted.before, unlisted.order("1")
    assert isinstance(await unlisted.orders.close_position(unlisted.venue, unlisted.credentials, order), Filled)
    found = await find_ended(unlisted, order.client_order_id, before)
    assert isinstance(found, Found)
    assert found.order.fills_complete


async def test_an_order_is_found_while_the_list_of_symbols_cannot_be_had(world: World) -> None:
    await world.sandbox.post(
        "faults", kind="status", status=500, exchange=world.venue.value, endpoint=SYMBOLS_PATH[world.venue]
    )
    await world.trade("buy", "1")
    before, order = world.before, world.order("1")
    assert isinstance(await world.orders.close_position(world.venue, world.credentials, order), Filled)
    assert isinstance(await find_ended(world, order.client_order_id, before), Found)


@pytest.mark.parametrize("how", ["close", "open"])
async def test_no_order_waits_for_a_list_of_symbols_that_somebody_else_is_waiting_for(world: World, how: str) -> None:
    # A symbol that nobody has makes the list be asked for anew, and whoever asks may be in no hurry.
    await world.trade("buy", "1")
    await world.reader.read_symbol(world.venue, world.symbol)
    delay = {"kind": "delay", "seconds": 6, "exchange": world.venue.value, "endpoint": SYMBOLS_PATH[world.venue]}
    await world.sandbox.post("faults", times=1, **delay)
    asking = asyncio.create_task(world.reader.read_symbol(world.venue, f"N{token_hex(4).upper()}USDT"))

    async def asked() -> bool:
        return bool((await world.sandbox.get("faults"))["faults"] == [])

    await eventually(asked)
    send = world.orders.close_position if how == "close" else world.orders.open_position
    outcome = await send(world.venue, world.credentials, world.order("1"))
    assert isinstance(outcome, Filled)
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.parametrize("hedge", [False, True], ids=["one-way", "hedge"])
async def test_a_symbol_in_another_script_is_traded_as_any_other(sandbox: Any, venues: Any, hedge: bool) -> None:
    venue = Venue.BINANCE
    name = f"币安人生{token_hex(3).upper()}USDT"
    await sandbox.post("symbols", symbol=name, price="100")
    world = replace(await open_world(sandbox, venues, venue, hedge=hedge), symbol=name)
    slot = PositionSide.LONG if hedge else PositionSide.BOTH
    before, order = world.before, world.order("2", slot=slot)
    opened = await world.orders.open_position(venue, world.credentials, order)
    assert isinstance(opened, Filled)
    reading = await world.reader.read_account(venue, world.credentials)
    assert reading.status is ReadingStatus.COMPLETE
    assert [(one.symbol, one.quantity) for one in reading.positions] == [(name, Decimal(2))]
    assert isinstance(await find_ended(world, order.client_order_id, before), Found)
    assert (await world.reader.read_price(venue, name, PriceKind.MARK)).symbol == name
    assert (await world.orders.cancel_reduce_only(venue, world.credentials, name, order.side, slot)).complete
    closed = await world.orders.close_position(venue, world.credentials, world.order("2", slot=slot))
    assert isinstance(closed, Filled)
    fills = await world.reader.read_fills(venue, world.credentials, name, before)
    assert len(fills.fills) == 2
