"""Leverage: set on both venues, asked for twice as often as wished, refused with a reason."""

import itertools
from decimal import Decimal

import pytest

from services.common.exchange.binance import leverage as binance_leverage
from services.common.exchange.bybit import leverage as bybit_leverage
from services.common.exchange.errors import VenueError
from services.common.exchange.orders.outcome import LeverageSet, Rejected, RejectionReason, Unresolved
from services.common.trading.reading import MarginMode
from tests.contract.exchange.world import World


async def test_leverage_is_set_and_setting_it_again_is_no_refusal(world: World) -> None:
    for _ in range(2):
        assert await world.orders.set_leverage(world.venue, world.credentials, world.symbol, 17) == LeverageSet(17)
    await world.trade("buy", "1")
    [position] = (await world.reader.read_account(world.venue, world.credentials)).positions
    assert position.leverage == 17


async def test_a_change_of_leverage_is_seen_at_once_though_settings_are_read_seldom(world: World) -> None:
    await world.trade("buy", "1")
    for leverage in (5, 12):
        await world.orders.set_leverage(world.venue, world.credentials, world.symbol, leverage)
        [position] = (await world.reader.read_account(world.venue, world.credentials)).positions
        assert position.leverage == leverage


@pytest.mark.parametrize("leverage", [0, 76, 1000])
async def test_leverage_beyond_what_the_symbol_has_is_refused(world: World, leverage: int) -> None:
    outcome = await world.orders.set_leverage(world.venue, world.credentials, world.symbol, leverage)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.LEVERAGE


async def test_leverage_of_an_unknown_symbol_is_refused(world: World) -> None:
    outcome = await world.orders.set_leverage(world.venue, world.credentials, "NOSUCHUSDT", 5)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.UNKNOWN_SYMBOL


async def test_leverage_that_nobody_answered_for_is_unresolved_and_may_be_asked_again(world: World) -> None:
    await world.fault("drop", when="after", endpoint="POST *everage", times=1)
    first = await world.orders.set_leverage(world.venue, world.credentials, world.symbol, 9)
    assert isinstance(first, Unresolved)
    assert await world.orders.set_leverage(world.venue, world.credentials, world.symbol, 9) == LeverageSet(9)


async def test_an_account_tells_its_leverage_and_the_brackets_that_bound_it(world: World) -> None:
    assert await world.orders.set_leverage(world.venue, world.credentials, world.symbol, 13) == LeverageSet(13)
    told = await world.reader.read_leverage(world.venue, world.credentials, world.symbol)
    assert (told.leverage, told.margin_mode) == (Decimal(13), MarginMode.CROSS)
    first, last = told.brackets[0], told.brackets[-1]
    assert (first.max_leverage, first.maintenance_rate, first.maintenance_deduction) == (
        Decimal(75),
        Decimal("0.005"),
        Decimal(0),
    )
    assert (last.max_leverage, last.maintenance_rate) == (Decimal(1), Decimal("0.5"))
    caps = [bracket.notional_cap for bracket in told.brackets]
    assert caps == sorted(caps)
    # Brackets join without a step: at each cap, both give the same maintenance margin.
    for lower, upper in itertools.pairwise(told.brackets):
        cap = lower.notional_cap
        ends = [cap * one.maintenance_rate - one.maintenance_deduction for one in (lower, upper)]
        assert ends[0] == ends[1]


async def test_the_leverage_of_an_unknown_symbol_cannot_be_read(world: World) -> None:
    with pytest.raises(VenueError):
        await world.reader.read_leverage(world.venue, world.credentials, "NOSUCHUSDT")


def test_binance_may_answer_one_symbol_as_a_single_object() -> None:
    bracket = {
        "bracket": 1,
        "initialLeverage": 75,
        "notionalCap": 10000,
        "notionalFloor": 0,
        "maintMarginRatio": 0.0065,
    }
    row = {"symbol": "ETHUSDT", "notionalCoef": 1.5, "brackets": [{**bracket, "cum": 0}]}
    configs = [{"symbol": "ETHUSDT", "marginType": "ISOLATED", "leverage": 21}]
    for answer in (row, [row]):
        told = binance_leverage.parse_leverage("ETHUSDT", configs, answer)
        assert (told.leverage, told.margin_mode) == (Decimal(21), MarginMode.ISOLATED)
        assert [one.max_leverage for one in told.brackets] == [75]
    with pytest.raises(ValueError, match="not listed"):
        binance_leverage.parse_leverage("BTCUSDT", configs, [row])


@pytest.mark.parametrize(("rate", "initial"), [("0.005", "0.01"), ("0.5", "1")])
def test_bybit_may_state_rates_in_percent(rate: str, initial: str) -> None:
    limit = {"symbol": "BTCUSDT", "riskLimitValue": "2000000", "maintenanceMargin": rate, "initialMargin": initial}
    limits = {"result": {"list": [{**limit, "maxLeverage": "100.00", "mmDeduction": ""}]}}
    slots = {"result": {"list": [{"symbol": "BTCUSDT", "leverage": "3"}, {"symbol": "BTCUSDT", "leverage": "8"}]}}
    told = bybit_leverage.parse_leverage("BTCUSDT", slots, limits, MarginMode.CROSS)
    assert told.leverage == 8
    assert told.brackets[0].maintenance_rate == Decimal("0.005")
    with pytest.raises(ValueError, match="no slot"):
        bybit_leverage.parse_leverage("ETHUSDT", slots, limits, None)
