"""Funding rates, as each venue tells them beside its prices."""

from decimal import Decimal

import pytest

from services.common.exchange.errors import VenueError
from services.common.exchange.funding import FundingReader
from tests.contract.exchange.world import World


async def test_a_funding_rate_is_a_fraction_of_the_notional(world: World) -> None:
    rate = await FundingReader(world.venues).read_funding(world.venue, world.symbol)
    assert isinstance(rate, Decimal)
    assert abs(rate) < Decimal("0.01")


async def test_of_a_symbol_that_there_is_not_there_is_none(world: World) -> None:
    with pytest.raises(VenueError):
        await FundingReader(world.venues).read_funding(world.venue, "NOSUCHUSDT")
