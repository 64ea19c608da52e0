"""Fixtures of the end-to-end tests."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.trader import Trader, new_trader
from tests.stack import RunningStack


@pytest.fixture(params=["binance", "bybit"])
async def trader(request: pytest.FixtureRequest, stack: RunningStack) -> AsyncIterator[Trader]:
    async with new_trader(stack, request.param) as someone:
        yield someone
