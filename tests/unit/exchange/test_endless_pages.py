"""Lists that never end, and numbers that two symbols share: what a venue repeats is not asked for again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.common.exchange.binance.market import read_candles as read_binance_candles
from services.common.exchange.binance.orders_seen import OrdersSeen
from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.bybit.market import read_candles as read_bybit_candles
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import to_milliseconds
from services.common.exchange.prices import Candle, CandleSpan, PriceKind
from services.common.trading.side import Venue
from tests.factories import NOON

READERS = {Venue.BINANCE: read_binance_candles, Venue.BYBIT: read_bybit_candles}
SPAN = CandleSpan("X", 1, NOON, NOON + timedelta(days=2), PriceKind.LAST)


@dataclass
class Answers:
    """What is answered, by the parameters that were sent."""

    of: Any
    asked: list[Mapping[str, Any]] = field(default_factory=list)


class Wire(VenueClient):
    """Answers as told, and gives up after a hundred questions. It stands for the wire alone."""

    def __init__(self, venue: Venue, answers: Answers) -> None:
        super().__init__(None, Budget(venue, BudgetLimits(1, 10**6)))
        self._answers = answers

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any] | None = None,
        *,
        lane: Lane,
        weight: int | None = None,
        signed_at: datetime | None = None,
    ) -> Any:
        self._answers.asked.append(params or {})
        assert len(self._answers.asked) < 100, "it asks for ever"
        return self._answers.of(params or {})


def bars(first: datetime, count: int) -> list[list[Any]]:
    return [
        [to_milliseconds(first + timedelta(minutes=number)), "1", "1", "1", "1", "1", "1"] for number in range(count)
    ]


async def read(venue: Venue, listed: list[list[Any]]) -> tuple[tuple[Candle, ...], int]:
    answers = Answers(lambda _: listed if venue is Venue.BINANCE else {"result": {"list": listed}})
    return await READERS[venue](Wire(venue, answers), SPAN, Lane.LIVE), len(answers.asked)


@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_a_page_of_candles_that_comes_again_and_again_is_a_bad_answer(venue: Venue) -> None:
    # Before what was asked for, on Binance, and after it on Bybit, whose pages go backwards.
    outside = NOON - timedelta(days=3) if venue is Venue.BINANCE else NOON + timedelta(days=3)
    with pytest.raises(VenueError) as raised:
        await read(venue, bars(outside, 1000))
    assert raised.value.kind is VenueErrorKind.BAD_ANSWER


@pytest.mark.parametrize("venue", list(Venue), ids=str)
async def test_a_candle_that_was_not_asked_for_is_left_out(venue: Venue) -> None:
    candles, _ = await read(venue, [*bars(NOON - timedelta(days=3), 2), *bars(NOON, 2), *bars(SPAN.until, 2)])
    assert [candle.opened_at for candle in candles] == [NOON, NOON + timedelta(minutes=1)]


async def test_two_symbols_may_number_their_orders_alike() -> None:
    # Order numbers count up by symbol: the client id of the one would have told why the other was closed.
    names = {"BTCUSDT": "autoclose-1", "ETHUSDT": "tdm-s-somebody"}
    answers = Answers(lambda params: {"orderId": 7, "type": "MARKET", "clientOrderId": names[params["symbol"]]}
                      if "orderId" in params else [])  # fmt: skip
    client, seen = Wire(Venue.BINANCE, answers), OrdersSeen()
    for symbol, name in names.items():
        facts = await seen.facts(client, symbol, ["7"], NOON, NOON, Lane.LIVE)
        assert facts["7"].client_order_id == name
