"""Reading an account: complete only when every page was read and the margin agrees."""

import asyncio
from decimal import Decimal

import pytest

from services.common.exchange.client import Endpoint
from services.common.exchange.credentials import Credentials
from services.common.trading.reading import MarginMode, ReadingStatus
from services.common.trading.side import PositionSide, Side, Venue
from tests.contract.exchange.world import MARGIN_PATH, POSITIONS_PATH, World


async def test_a_position_is_read_with_all_that_the_venue_knows(world: World) -> None:
    await world.trade("buy", "2")
    await world.set_price("103")
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.status is ReadingStatus.COMPLETE, reading.reason
    [position] = reading.positions
    truth = (await world.truth())["positions"][0]
    assert position.symbol == world.symbol
    assert (position.side, position.position_side) == (Side.LONG, PositionSide.BOTH)
    assert position.quantity == Decimal(2)
    assert position.entry_price == Decimal(truth["entryPrice"])
    assert position.mark_price == Decimal(103)
    assert position.notional == Decimal(206)
    assert position.unrealized_pnl == (Decimal(103) - position.entry_price) * 2
    assert position.leverage == Decimal(truth["leverage"])
    assert position.margin_mode is MarginMode.CROSS
    assert position.maintenance_margin is not None
    assert position.initial_margin is not None
    assert position.updated_at is not None
    assert reading.asked_at <= reading.taken_at
    assert reading.margin is not None
    assert reading.margin.equity == Decimal((await world.truth())["equity"])


async def test_a_short_position_is_a_positive_quantity(world: World) -> None:
    await world.trade("sell", "1")
    reading = await world.reader.read_account(world.venue, world.credentials)
    [position] = reading.positions
    assert (position.side, position.quantity) == (Side.SHORT, Decimal(1))


async def test_hedge_legs_never_collapse(hedged: World) -> None:
    await hedged.trade("buy", "2", positionSide="LONG")
    await hedged.trade("sell", "1", positionSide="SHORT")
    reading = await hedged.reader.read_account(hedged.venue, hedged.credentials)
    legs = {position.position_side: position for position in reading.positions}
    assert legs[PositionSide.LONG].quantity == Decimal(2)
    assert legs[PositionSide.SHORT].quantity == Decimal(1)
    assert legs[PositionSide.SHORT].side is Side.SHORT


async def test_a_flat_account_is_complete_because_its_margin_says_so_too(world: World) -> None:
    reading = await world.reader.read_account(world.venue, world.credentials, with_margin=False)
    assert reading.status is ReadingStatus.COMPLETE
    assert reading.positions == ()
    assert reading.margin is not None


async def test_who_holds_nothing_is_read_without_the_margin(world: World) -> None:
    await world.fault("status", status=500, endpoint=MARGIN_PATH[world.venue])
    reading = await world.reader.read_account(world.venue, world.credentials, with_margin=False, held=False)
    assert (reading.status, reading.positions, reading.margin) == (ReadingStatus.COMPLETE, (), None)


async def test_a_successful_empty_answer_is_suspicious(world: World) -> None:
    await world.trade("buy", "1")
    await world.fault("empty_positions")
    for with_margin in (True, False):
        reading = await world.reader.read_account(world.venue, world.credentials, with_margin=with_margin)
        assert reading.status is ReadingStatus.SUSPICIOUS


async def test_an_empty_answer_without_a_margin_is_suspicious(world: World) -> None:
    await world.fault("status", status=500, endpoint=MARGIN_PATH[world.venue])
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.status is ReadingStatus.SUSPICIOUS


async def test_a_list_that_lacks_a_row_is_suspicious(world: World) -> None:
    await world.trade("buy", "1")
    other = await world.sandbox.mint_symbol()
    account = {"exchange": world.venue.value, "apiKey": world.credentials.api_key}
    await world.sandbox.post("trade", symbol=other, side="buy", quantity="5", **account)
    await world.fault("missing_positions", symbols=[other])
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.status is ReadingStatus.SUSPICIOUS
    assert [position.symbol for position in reading.positions] == [world.symbol]


@pytest.mark.parametrize("kind", ["html", "truncated", "empty", "drop"])
async def test_an_unreadable_answer_is_a_failed_reading(world: World, kind: str) -> None:
    await world.trade("buy", "1")
    await world.fault(kind, endpoint=POSITIONS_PATH[world.venue])
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.status is ReadingStatus.FAILED
    assert reading.reason


async def test_a_wrong_secret_is_a_failed_reading(world: World) -> None:
    wrong = Credentials(world.credentials.api_key, "wrong")
    reading = await world.reader.read_account(world.venue, wrong)
    assert reading.status is ReadingStatus.FAILED
    assert "bad_key" in reading.reason


async def test_bybit_lists_twenty_rows_unless_asked_for_every_page(bybit: World) -> None:
    positions = []
    for _ in range(23):
        symbol = await bybit.sandbox.mint_symbol()
        positions.append({"symbol": symbol, "side": "long", "quantity": "1"})
    account = await bybit.sandbox.post("accounts", exchange="bybit", positions=positions)
    reading = await bybit.reader.read_account(Venue.BYBIT, Credentials(account["apiKey"], account["secret"]))
    assert reading.status is ReadingStatus.COMPLETE
    assert len(reading.positions) == 23


async def test_a_number_without_quotes_is_a_decimal_too(binance: World) -> None:
    brackets = Endpoint("fapiPrivate", "GET", "leverageBracket", answer=list)
    [row] = await binance.call(brackets, symbol="BTCUSDT")
    # A float would be 0.004000000000000000083…
    assert row["brackets"][0]["maintMarginRatio"] == Decimal("0.004")
    assert isinstance(row["brackets"][0]["maintMarginRatio"], Decimal)


async def test_leverage_and_margin_mode_are_joined_where_the_row_lacks_them(binance: World) -> None:
    await binance.trade("buy", "1")
    for _ in range(3):
        reading = await binance.reader.read_account(Venue.BINANCE, binance.credentials)
        assert reading.positions[0].leverage is not None
        assert reading.positions[0].margin_mode is MarginMode.CROSS
    asked = (await binance.sandbox.get("requests"))["binance"]["byKey"][binance.credentials.api_key]
    assert sum(number for path, number in asked.items() if "symbolConfig" in path) == 1


async def test_a_liquidation_price_of_zero_is_absent(world: World) -> None:
    await world.trade("buy", "0.1")
    reading = await world.reader.read_account(world.venue, world.credentials)
    assert reading.positions[0].liquidation_price is None


async def test_five_concurrent_users_each_read_their_own_account(world: World) -> None:
    users = []
    for quantity in range(1, 6):
        position = {"symbol": world.symbol, "side": "long", "quantity": str(quantity)}
        account = await world.sandbox.post("accounts", exchange=world.venue.value, positions=[position])
        users.append(Credentials(account["apiKey"], account["secret"]))
    readings = await asyncio.gather(*(world.reader.read_account(world.venue, user) for user in users))
    assert [reading.positions[0].quantity for reading in readings] == [Decimal(n) for n in range(1, 6)]


async def test_two_keys_of_one_account_have_one_venue_user_id(world: World) -> None:
    second = await world.sandbox.post(
        "accounts",
        exchange=world.venue.value,
        accountOf=world.credentials.api_key,
        permissions={"trading": False, "withdraw": True},
    )
    reports = [
        await world.reader.verify_key(world.venue, credentials)
        for credentials in (world.credentials, Credentials(second["apiKey"], second["secret"]))
    ]
    assert reports[0].venue_user_id == reports[1].venue_user_id == (await world.truth())["userId"]
    assert [report.valid for report in reports] == [True, True]
    assert [report.can_trade for report in reports] == [True, False]
    assert [report.can_withdraw for report in reports] == [False, True]


async def test_a_key_that_the_venue_refuses_is_invalid_and_an_outage_says_nothing(world: World) -> None:
    wrong = Credentials(world.credentials.api_key, "wrong")
    assert (await world.reader.verify_key(world.venue, wrong)).valid is False
    unknown = Credentials("no-such-key", "wrong")
    assert (await world.reader.verify_key(world.venue, unknown)).valid is False
    await world.fault("status", status=503)
    assert (await world.reader.verify_key(world.venue, world.credentials)).valid is None
