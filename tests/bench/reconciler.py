"""What reconciliation costs, and how evenly it spreads: `python -m tests.bench.reconciler`.

The kernel is measured in this process. The schedule runs on a simulated clock, with the very arithmetic that places
accounts in the interval and backs them off, against a venue that counts weight by the minute and answers 429 beyond it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from statistics import median

from services.common.trading.fill import Settlement
from services.common.trading.reading import AccountReading, ReadingStatus, VenuePosition
from services.common.trading.side import PositionSide, Side
from services.reconciler.domain.absence import AbsencePolicy
from services.reconciler.domain.diff import diff
from services.reconciler.domain.observation import BookedPosition
from services.reconciler.domain.schedule import next_due

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)
MINUTE_WEIGHT = 1200
"""Binance's weight a minute and address, as this project budgets it."""

READING_WEIGHT = 5
REPEATS = 9


@dataclass(frozen=True)
class Line:
    what: str
    value: str
    target: str


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
            yield Line(f"kernel, {count} positions, {what}", f"{each[count]:.2f} µs a position", "< 10 µs")
        ratio = each[10_000] / each[1_000]
        yield Line("  a position of 10 000 beside one of 1 000", f"{ratio:.2f} times", "about 1 (linear)")


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


@dataclass
class Address:
    """One egress address: what was spent of its present minute, by the gate that a process keeps before the venue."""

    minute: int = -1
    spent: int = 0
    refused: int = 0

    def room(self, at: datetime) -> bool:
        """Whether the budget lets one more reading through now."""
        minute = int(at.timestamp() // 60)
        if minute != self.minute:
            self.minute, self.spent = minute, 0
        return self.spent + READING_WEIGHT <= MINUTE_WEIGHT

    def spend(self) -> None:
        """One reading. The venue would answer 429 beyond the limit."""
        self.spent += READING_WEIGHT
        if self.spent > MINUTE_WEIGHT:
            self.refused += 1


@dataclass
class Run:
    """What a simulated schedule came to. `gaps` are the seconds between looks at one account."""

    gaps: dict[int, list[float]] = field(default_factory=dict)
    looks: int = 0
    refused: int = 0
    worst_lag: float = 0.0


def simulate(accounts: int, addresses: int, rounds: int = 8) -> Run:
    """So many intervals of a schedule; accounts keep to their address, as a replica behind it would."""
    run = Run(gaps={number: [] for number in range(accounts)})
    ends_at = START + rounds * INTERVAL
    warm = START + 2 * INTERVAL
    for place in range(addresses):
        own = range(place, accounts, addresses)
        due = [(START + (INTERVAL * order) / max(1, len(own)), number) for order, number in enumerate(own)]
        due.sort()
        last: dict[int, datetime] = {}
        address, now = Address(), START
        while due:
            at, number = heappop(due)
            now = max(now, at)
            while not address.room(now):
                now = datetime.fromtimestamp((int(now.timestamp() // 60) + 1) * 60, UTC)
            if now >= ends_at:
                break
            address.spend()
            if now >= warm:
                run.looks += 1
                run.worst_lag = max(run.worst_lag, (now - at).total_seconds())
                if number in last and last[number] >= warm:
                    run.gaps[number].append((now - last[number]).total_seconds())
            last[number] = now
            heappush(due, (next_due(now, 0, INTERVAL, number // addresses + 1), number))
        run.refused += address.refused
    return run


def schedule() -> Iterator[Line]:
    """As many accounts as the budget allows, and twice as many, on one and on eight addresses."""
    for addresses in (1, 8):
        full = MINUTE_WEIGHT * 5 // READING_WEIGHT * addresses
        for load, accounts in (("full", full), ("double", 2 * full)):
            run = simulate(accounts, addresses)
            minutes = 6 * 5 * addresses
            used = run.looks * READING_WEIGHT / (minutes * MINUTE_WEIGHT)
            each = [max(gaps) for gaps in run.gaps.values() if gaps]
            starved = sum(1 for gaps in run.gaps.values() if not gaps)
            means = [sum(gaps) / len(gaps) for gaps in run.gaps.values() if gaps]
            name = f"{accounts} accounts on {addresses} {'address' if addresses == 1 else 'addresses'}"
            yield Line(f"{name}: budget used", f"{used:.1%}", "≥ 95 %")
            yield Line("  429", str(run.refused), "0")
            yield Line("  never looked at twice", str(starved), "0")
            expected = "300 s" if load == "full" else "about 600 s"
            yield Line("  interval, median", f"{median(means):.0f} s", expected)
            yield Line("  interval, shortest and longest mean", f"{min(means):.0f}–{max(means):.0f} s", "alike (fair)")
            yield Line("  longest wait of any", f"{max(each):.0f} s", "≤ 360 s" if load == "full" else "≤ 1200 s")
            yield Line("  lag, worst", f"{run.worst_lag:.0f} s", "told as lag")


def main() -> None:
    """Print everything, with the target beside each figure."""
    lines = [*kernel(), *schedule()]
    width = max(len(line.what) for line in lines)
    for line in lines:
        print(f"{line.what:<{width}}  {line.value:>26}  {line.target}")  # noqa: T201


if __name__ == "__main__":
    main()
