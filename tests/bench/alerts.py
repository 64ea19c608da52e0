"""What one price costs while users wait for prices: `python -m tests.bench.alerts`; exit 1 on a missed target.

CPU time, one process, all thresholds on one symbol: a tick inside the band; what is reached, for each (without writing
it); and beside them a loop that asks every threshold at each tick.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from services.common.trading.partition import partition_of
from services.common.trading.side import Venue
from services.monitor.alerts.watching import Watching
from services.monitor.domain.alert import AlertKind
from services.monitor.domain.alerts.conditions import Condition, price_condition
from services.monitor.domain.alerts.rule import Direction, Rule, UserAlert
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price
from tests.fakes.clock import FixedClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BTC = Instrument(Venue.BINANCE, "BTCUSDT")
INSIDE_TARGET_NS, REACHED_TARGET_US = 1_000, 60
TICKS = 100_000


def watching(count: int) -> tuple[Watching, list[UserAlert]]:
    """So many targets over and under 100 000."""
    draw, alerts = random.Random(1), []  # noqa: S311 - the same figures each time
    rule = Rule(AlertKind.PRICE_TARGET, "demo", Venue.BINANCE, "BTCUSDT")
    for number in range(count):
        above = bool(number % 2)
        away = Decimal(draw.randrange(1_000, 5_000_000)) / 100
        direction = Direction.ABOVE if above else Direction.BELOW
        stated = replace(rule, direction=direction, threshold=100_000 + away * direction.sign)
        alerts.append(UserAlert(UUID(int=number), stated, "", active=True, created_at=NOW, armed_at=NOW))
    room = Watching(
        FixedClock(NOW),
        lambda _: None,
        lambda: None,
        lambda _: None,
        longest_gap=timedelta(seconds=15),
        unasked=None,
    )
    room.hold([partition_of("demo")])
    room.load(alerts, {})
    return room, alerts


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ask_all(conditions: list[Condition], price: Decimal) -> list[bool]:
    """The loop that nobody needs."""
    return [condition.reached(price) for condition in conditions]


def main() -> int:
    """Print the figures beside their targets."""
    missed = False
    for count in (100, 10_000, 100_000):
        room, alerts = watching(count)
        inside = [Price(BTC, Decimal(100_000) + number % 7, NOW) for number in range(1_000)] * (TICKS // 1_000)

        def ticks(room: Watching = room, prices: list[Price] = inside) -> None:
            for price in prices:
                room.on_price(price)

        each_ns = cpu(ticks) / TICKS * 1e9
        conditions = [price_condition(alert.rule) for alert in alerts]
        naive_ns = cpu(partial(ask_all, conditions, inside[0].value)) * 1e9
        steps = [Price(BTC, Decimal(100_000) + number * 100, NOW) for number in range(1, 501)]

        def climb(room: Watching = room, prices: list[Price] = steps) -> None:
            for price in prices:
                room.on_price(price)

        spent, reached = cpu(climb), len(room.due)
        each_us = spent / max(reached, 1) * 1e6
        missed = missed or each_ns > INSIDE_TARGET_NS or each_us > REACHED_TARGET_US
        sys.stdout.write(
            f"{count:>7} thresholds: tick inside the band {each_ns:5.0f} ns (target {INSIDE_TARGET_NS}, a loop"
            f" {naive_ns:8.0f}); reached {reached:>6} in 500 ticks, {each_us:4.1f} us each"
            f" (target {REACHED_TARGET_US})\n"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
