"""Daily equity: the first and the last complete reading of a UTC day, written together, lost to no failure."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.common.errors import DatabaseUnavailable
from services.common.trading.reading import AccountMargin, AccountReading, ReadingStatus
from services.positions.equity.recording import EquityRecorder
from services.positions.store.equity import EquitySnapshot
from tests.factories import make_reading


def reading_of(hour: int, equity: int, day: int = 5, **changes: object) -> AccountReading:
    taken_at = datetime(2026, 1, day, hour, tzinfo=UTC)
    margin = AccountMargin(Decimal(equity), Decimal(equity), Decimal(0), Decimal(0))
    return make_reading(taken_at=taken_at, **{"margin": margin, **changes})


class Table:
    """Keeps what is written, or fails."""

    def __init__(self) -> None:
        self.rows: list[EquitySnapshot] = []
        self.away = False

    async def write(self, snapshots: Collection[EquitySnapshot]) -> None:
        if self.away:
            raise DatabaseUnavailable
        self.rows.extend(snapshots)


async def test_a_day_has_a_first_and_a_last() -> None:
    table = Table()
    recorder = EquityRecorder(table.write)
    for hour, equity in ((9, 100), (23, 130), (1, 90), (12, 50)):
        recorder.note("a", reading_of(hour, equity))
    recorder.note("a", reading_of(0, 131, day=6))
    await recorder.flush()
    assert [(row.day, row.opened_equity, row.closed_equity) for row in table.rows] == [
        (date(2026, 1, 5), Decimal(90), Decimal(130)),
        (date(2026, 1, 6), Decimal(131), Decimal(131)),
    ]


async def test_what_is_not_complete_or_has_no_margin_is_no_word_on_equity() -> None:
    table = Table()
    recorder = EquityRecorder(table.write)
    recorder.note("a", reading_of(1, 5, margin=None))
    for status in ReadingStatus:
        if status is not ReadingStatus.COMPLETE:
            recorder.note("a", reading_of(1, 5, status=status))
    await recorder.flush()
    assert table.rows == []


async def test_a_failure_loses_nothing() -> None:
    table = Table()
    recorder = EquityRecorder(table.write)
    recorder.note("a", reading_of(1, 5))
    table.away = True
    with pytest.raises(DatabaseUnavailable):
        await recorder.flush()
    recorder.note("a", reading_of(2, 6))
    table.away = False
    await recorder.flush()
    await recorder.flush()
    assert [(row.opened_equity, row.closed_equity) for row in table.rows] == [(Decimal(5), Decimal(6))]
