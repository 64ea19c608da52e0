"""What a fact of the books says to whoever follows its account's stream."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from services.common.bus import Received
from services.common.outbox import OutboxEvent
from services.common.trading.exit_reason import ExitReason
from services.positions import events
from services.positions.domain.position import Position, PositionExit, PositionStatus
from services.positions.guards import LevelPlaces
from services.positions.readings import AccountReadings
from services.positions.streams.events import OwnFacts
from services.positions.streams.hearing import Booked
from tests.factories import NOON, at
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader
from tests.unit.positions.test_live import booked_of
from tests.unit.positions.test_readings import OneKey


def closed(*, estimated: bool) -> Position:
    """A position that ended half a minute after noon."""
    figure = None if estimated else Decimal(1)
    end = PositionExit(
        figure, figure, figure, figure, figure, ExitReason.CLOSED_EXTERNALLY, "hand", at(30), estimated=estimated
    )
    return replace(booked_of(), status=PositionStatus.CLOSED, exit=end)


@pytest.mark.parametrize(
    ("fact", "position", "quantity", "happened_at"),
    [
        (events.position_opened, booked_of(), Decimal(1), None),
        (events.position_levels_changed, booked_of(quantity=Decimal("2.5")), Decimal("2.5"), None),
        (events.position_closed, closed(estimated=False), Decimal(0), at(30)),
        (events.position_closed, closed(estimated=True), Decimal(0), None),
    ],
    ids=["opened", "changed", "closed", "closed without fills"],
)
async def test_a_fact_says_what_is_open_now(
    fact: Callable[[Position, datetime], OutboxEvent],
    position: Position,
    quantity: Decimal,
    happened_at: datetime | None,
) -> None:
    clock = FixedClock(NOON)
    told: list[tuple[str, Booked]] = []
    own = OwnFacts(
        AccountReadings(FakeVenueReader(), OneKey(), clock, timedelta(seconds=5)),
        LevelPlaces(NOON),
        clock,
        on_user=lambda _: None,
        on_account=lambda _: None,
        on_position=lambda account_id, booked: told.append((account_id, booked)),
    )
    event = fact(position, at(40))
    await own.handle(Received(event.subject, event.payload, str(event.id), 1, at(41), 1))
    assert told == [("a", Booked(position.key, quantity, happened_at))]
