"""What the venues say of a leverage that is so already, and of one that an account may not have."""

import pytest

from services.common.exchange.orders.outcome import LeverageSet, Rejected, RejectionReason
from services.common.trading.side import Venue
from tests.contract.exchange.world import World


@pytest.mark.parametrize(
    ("venue", "code", "message"),
    [
        (Venue.BINANCE, -4028, "Leverage 17 already exist with 17"),
        (Venue.BYBIT, 110043, "Set leverage has not been modified."),
    ],
)
async def test_what_is_so_already_is_no_refusal_however_the_venue_says_it(
    world: World, code: int, message: str
) -> None:
    await world.fault("status", status=200, code=code, message=message, endpoint="POST *everage")
    assert await world.orders.set_leverage(world.venue, world.credentials, world.symbol, 17) == LeverageSet(17)


@pytest.mark.parametrize(
    ("venue", "code"),
    [(Venue.BINANCE, -4202), (Venue.BINANCE, -4403), (Venue.BYBIT, 110013), (Venue.BYBIT, 110038)],
)
async def test_leverage_that_the_account_may_not_have_is_refused(world: World, code: int) -> None:
    await world.fault("status", status=200, code=code, endpoint="POST *everage")
    outcome = await world.orders.set_leverage(world.venue, world.credentials, world.symbol, 50)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.code) == (RejectionReason.LEVERAGE, str(code))
