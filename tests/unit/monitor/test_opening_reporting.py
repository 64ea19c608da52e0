"""Orders that opened nothing yet are told of; what has none is not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.trading.side import PositionSide, Venue
from services.monitor.domain.opening import Opening, OpeningState, Plan
from services.monitor.opening.reporting import is_news
from tests.factories import NOON
from tests.unit.monitor.opening_world import a_wish, prepared


def an_opening(state: OpeningState, **changes: object) -> Opening:
    plan = Plan(Venue.BINANCE, PositionSide.BOTH, Decimal(2), Decimal(100), Decimal(10), sets_leverage=False)
    opening = prepared(a_wish(), plan, None, NOON, "r1")
    values = {"state": state, "deadline": NOON + timedelta(seconds=2), **changes}
    return replace(opening, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", OpeningState)
def test_what_has_no_order_is_not_told_of(state: OpeningState) -> None:
    assert not is_news(an_opening(state, deadline=None))


@pytest.mark.parametrize("state", OpeningState)
def test_an_order_is_told_of_unless_its_fills_are_on_their_way(state: OpeningState) -> None:
    assert is_news(an_opening(state)) is (state is not OpeningState.FILLED)
