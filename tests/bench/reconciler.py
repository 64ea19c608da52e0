"""What reconciliation costs, and how evenly it spreads: `python -m tests.bench.reconciler`.

The kernel is measured in this process. The schedule runs in simulated time, with the rate budget itself and the very
arithmetic that places accounts in the interval, against venues that count weight by the minute. What a real stack
manages is in `tests.bench.reconciliation`.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from statistics import median

from services.common.trading.fill import Settlement
from services.common.trading.reading import AccountReading, ReadingStatus, VenuePosition
from services.common.trading.side import PositionSide, Side
from services.reconciler.domain.absence import AbsencePolicy
from services.reconciler.domain.diff import diff
from services.reconciler.domain.observation import BookedPosition
from tests.schedule_simulation import INTERVAL, MINUTE_WEIGHT, READING_WEIGHT, START, Load, run_budgeted

REPEATS = 9


@dataclass(frozen=True)
class Line:
    what: str
    value: str
    target: str
    met: bool = True

    @classmethod
    def most(cls, what: str, value: float, target: float, unit: str = "", digits: int = 0) -> "Line":
        return cls(what, f"{value:.{digits}f} {unit}".strip(), f"≤ {target:.0f} {unit}".strip(), value <= target)

    @classmethod
    def least(cls, what: str, value: float, target: float, unit: str = "", digits: int = 0) -> "Line":
        return cls(what, f"{value:.{digits}f} {unit}".strip(), f"≥ {target:.0f} {unit}".strip(), value >= target)


def kernel() -> Iterator[Line]:
    """The diff kernel: CPU microseconds a position, where everything agrees and where every twentieth changed."""
    policy = AbsencePolicy(timedelta(seconds=20))
    for changed in (0, 20):
        each = {}
        for count in (1_000, 10_000):
            rows = [_row(number) for number in range(count)]
            seen = [_seen(number, grown=bool(changed) and number % changed == 0) for number in range(count)]
            reading = AccountReading(ReadingStatus.COMPLETE, START, START, tuple(seen))
            took = []
            for _ in range(REPEATS):
                begun = time.process_time()
                found = diff(rows, reading, (), policy)
                took.append(time.process_time() - begun)
            expected = len(range(0, count, changed)) if changed else 0
            assert len(found.decisions) == expected, len(found.decisions)
            each[count] = median(took) / count * 1e6
            what = "in step" if not changed else f"one of {changed} changed"
            yield Line.most(f"kernel, {count} positions, {what}", each[count], 10, "µs a position", 2)
        ratio = each[10_000] / each[1_000]
        yield Line.most("  a position of 10 000 beside one of 1 000", ratio, 2, "times (linear is 1)", 2)


def _row(number: int) -> BookedPosition:
    return BookedPosition(
        position_id=f"OP_1_{number}",
        symbol=f"C{number}USDT",
        position_side=PositionSide.BOTH,
        side=Side.LONG,
        quantity=Decimal("1.5"),
        entry_price=Decimal("65000.25"),
        leverage=Decimal(10),
        settlement=Settlement(START - INTERVAL, START - INTERVAL),
        version=1,
    )


def _seen(number: int, *, grown: bool) -> VenuePosition:
    return VenuePosition(
        symbol=f"C{number}USDT",
        position_side=PositionSide.BOTH,
        side=Side.LONG,
        quantity=Decimal("2.5") if grown else Decimal("1.5"),
        entry_price=Decimal("65000.25"),
        mark_price=Decimal("66000"),
        unrealized_pnl=Decimal("1"),
        notional=Decimal("66000"),
        leverage=Decimal(10),
        updated_at=START - INTERVAL / 2 if grown else START - INTERVAL,
    )


def schedule() -> Iterator[Line]:
    """As many accounts as the budget allows, and twice as many, on one and on eight addresses, their margins included:
    a few times a day, and for every account in the last hour of it.
    """
    for addresses in (1, 8):
        full = MINUTE_WEIGHT * 5 // READING_WEIGHT * addresses
        for times in (1, 2):
            outcome = run_budgeted(Load(times * full, addresses))
            means, seconds = outcome.means, times * INTERVAL.total_seconds()
            on = f"on {addresses} {'address' if addresses == 1 else 'addresses'}"
            yield Line.least(f"{times * full} accounts {on}: budget used", outcome.used * 100, 95, "%", 1)
            yield Line.most("  minutes beyond the budget (429)", outcome.over_budget, 0)
            yield Line.most("  never looked at twice", outcome.starved, 0)
            yield Line.most("  interval, median", median(means), seconds * 1.1, "s")
            yield Line.least("  interval, shortest mean of an account", means[0], seconds * 0.95, "s")
            yield Line.most("  interval, longest mean of an account", means[-1], seconds * 1.2, "s")
            yield Line("  lag, worst", f"{outcome.looks.worst_lag:.0f} s", "told as lag")
    full, late = MINUTE_WEIGHT * 5 // READING_WEIGHT, START.replace(hour=22, minute=50)
    outcome = run_budgeted(Load(full, rounds=16, begin=late))
    yield Line.least(f"{full} accounts on 1 address, as the UTC day ends: margins read", outcome.margins, full)
    yield Line.most("  minutes beyond the budget (429)", outcome.over_budget, 0)
    yield Line.most("  interval, longest mean of an account", outcome.means[-1], INTERVAL.total_seconds() * 1.25, "s")


def main() -> None:
    """Print everything, with the target beside each figure; the exit code says whether all were met."""
    lines = [*kernel(), *schedule()]
    width = max(len(line.what) for line in lines)
    for line in lines:
        print(f"{line.what:<{width}}  {line.value:>26}  {line.target}{'' if line.met else '  MISSED'}")  # noqa: T201
    sys.exit(not all(line.met for line in lines))


if __name__ == "__main__":
    main()
