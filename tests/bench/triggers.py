"""What one price costs, whatever the number of positions: `python -m tests.bench.triggers [largest N]`.

Half of the positions are long and half short; most trail at 3 to 8 %, armed at random moments of a random walk and with
the watermark that it has given them since; one in five has a pinned stop and target. A second table has what no market
brings about: watermarks spread evenly over 12 800 prices. Beside it the same work by a loop over every position with
the same exact rule, and by NumPy where it is installed. Times are this process's own CPU time; memory is what Python
allocates for the index alone, beside the positions themselves.
"""

import gc
import importlib
import importlib.util
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any

from services.common.trading.effective_levels import reached_level
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.domain.position import Position
from services.monitor.domain.triggers.book import TriggerBook
from services.monitor.triggers.loading import settle_memory

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
TICK = Decimal("0.1")
PRICE = Decimal(64000)
NOW = datetime(2025, 10, 21, tzinfo=UTC)
NONE = Level(NoLevel())
LOOP_UP_TO = 100_000
TRIGGERS = 3_000
HIGHEST = 7_500

TARGETS = {
    "inside the band": (0.5, "µs a tick"),
    "a new high, amortised": (20.0, "µs a tick"),
    "a trigger": (10.0, "µs each"),
    "memory": (400.0, "bytes a position"),
}


@dataclass
class Figures:
    """Of one N; microseconds unless the name says otherwise."""

    size: int
    add: float = 0
    remove: float = 0
    inside: float = 0
    high: float = 0
    worst_high: float = 0
    trigger: float = 0
    triggered: int = 0
    bytes_each: float = 0
    loop: float | None = None
    numpy: float | None = None


@dataclass(frozen=True)
class Given:
    """Positions and their watermarks."""

    positions: list[Position]
    watermarks: list[Decimal]


def positions(size: int, *, spread: bool) -> Given:
    """The same for the same size. `spread`: watermarks all over 1 % on either side."""
    chance = random.Random(size)  # noqa: S311 - a seeded one
    distances = [Trailing(Decimal(number) / 10_000) for number in range(300, 800)]
    walk = [0]
    for _ in range(100_000):
        walk.append(walk[-1] + chance.choice((-1, 1)))
    marks = [PRICE + TICK * (step - walk[-1]) for step in walk]
    best = {Side.LONG: list(accumulate(reversed(marks), max)), Side.SHORT: list(accumulate(reversed(marks), min))}
    made, watermarks = [], []
    for number in range(size):
        side = Side.LONG if number % 2 else Side.SHORT
        age = chance.randrange(len(marks))
        mark = PRICE + TICK * chance.randrange(-6400, 6400) if spread else marks[-1 - age]
        watermarks.append(mark if spread else best[side][age])
        if number % 5:
            levels = LevelRules(Level(chance.choice(distances), NOW, mark), NONE)
        else:
            away = PRICE * (3 + 5 * Decimal(chance.randrange(1000)) / 1000) / 100
            levels = LevelRules(
                Level(Pinned(PRICE - side.sign * away), NOW, mark), Level(Pinned(PRICE + side.sign * away), NOW, mark)
            )
        made.append(
            Position(
                position_id=f"OP_1761048000_{number}",
                user_id="bench",
                account_id="5f0c6d0e-0000-4000-8000-000000000001",
                venue=Venue.BINANCE,
                symbol="BTCUSDT",
                position_side=PositionSide.BOTH,
                side=side,
                quantity=TICK,
                levels=levels,
                version=1,
                is_open=True,
                opened_at=NOW,
            )
        )
    return Given(made, watermarks)


def measure(size: int, *, spread: bool = False) -> Figures:
    """All figures of one N."""
    figures = Figures(size)
    given = positions(size, spread=spread)
    gc.unfreeze()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    book = filled(given)
    figures.bytes_each = (tracemalloc.get_traced_memory()[0] - before) / size
    tracemalloc.stop()
    del book
    settle_memory()

    started = time.process_time()
    book = filled(given)
    figures.add = since(started) / size
    settle_memory()  # as the monitor does once its levels are loaded
    # Prices go to and fro a little, as they do: watermarks spread, and a band opens.
    for step in (0, 40, -40, 0):
        book.crossed(PRICE + step * TICK)
    figures.inside = inside(book)
    figures.high, figures.worst_high = rise(book)
    leaving = random.Random(1).sample(given.positions, min(size // 10, 20_000))  # noqa: S311
    started = time.process_time()
    for position in leaving:
        book.remove(position.position_id)
    figures.remove = since(started) / len(leaving)
    figures.trigger, figures.triggered = fall(book, given)
    if not spread:
        figures.loop = loop(given.positions) if size <= LOOP_UP_TO else None
        figures.numpy = numpy_tick(given.positions)
    return figures


def filled(given: Given) -> TriggerBook:
    book = TriggerBook()
    for position, watermark in zip(given.positions, given.watermarks, strict=True):
        book.put(position, watermark)
    return book


def inside(book: TriggerBook) -> float:
    prices = [PRICE + TICK * step for step in range(-35, 36)] * 1000
    started = time.process_time()
    for price in prices:
        book.crossed(price)
    return since(started) / len(prices)


def rise(book: TriggerBook) -> tuple[float, float]:
    """Each price a new high, through all watermarks and beyond; the mean and the worst."""
    worst = total = 0.0
    steps = range(41, HIGHEST + 1)
    for step in steps:
        price = PRICE + TICK * step
        started = time.process_time()
        book.crossed(price)
        took = since(started)
        total += took
        worst = max(worst, took)
    return total / len(steps), worst


def fall(book: TriggerBook, given: Given) -> tuple[float, int]:
    """A fall through stops until some thousands were triggered, by the prices that trigger and no others, for each.

    Which prices those are was found out before, so that the clock, whose every call costs as much as a quarter of a
    trigger and throws the processor's caches away, is read twice in all. Each of those prices is a new low as well,
    which moves the watermark under the shorts. A small book is filled again and again.
    """
    triggered, total = 0, 0.0
    prices = triggering(book)
    while triggered < TRIGGERS:
        book = filled(given)
        for step in (0, 40, -40, 0, HIGHEST):
            book.crossed(PRICE + step * TICK)
        started = time.process_time()
        found = [book.crossed(price) for price in prices]
        total += since(started)
        triggered += sum(len(crossed.triggers) for crossed in found)
    return total / triggered, triggered


def triggering(book: TriggerBook) -> list[Decimal]:
    """The prices of a fall in single ticks that trigger anything, until some thousands are triggered."""
    prices, triggered, price = [], 0, PRICE * Decimal("0.99")
    while triggered < TRIGGERS and price > PRICE * Decimal("0.9"):
        price -= TICK
        found = len(book.crossed(price).triggers)
        if found:
            prices.append(price)
            triggered += found
    return prices


def loop(given: Sequence[Position]) -> float:
    """One tick over every position by the exact rule, watermarks included."""
    marks = {position.position_id: PRICE for position in given}

    def tick() -> None:
        for position in given:
            mark = marks[position.position_id]
            if (mark < PRICE) if position.side is Side.LONG else (mark > PRICE):
                marks[position.position_id] = PRICE
            reached_level(position.side, position.levels, PRICE, mark)

    return mean(tick, 3)


def numpy_tick(given: Sequence[Position]) -> float | None:
    """One tick over arrays of watermarks and distances, in floats; None where NumPy is not installed."""
    if importlib.util.find_spec("numpy") is None:
        return None
    numpy: Any = importlib.import_module("numpy")
    signs = numpy.array([position.side.sign for position in given], dtype=float)
    marks = signs * float(PRICE)
    factors = numpy.array(
        [
            1 - position.side.sign * float(rule.distance)
            for position in given
            for rule in [position.levels.stop_loss.rule]
            if isinstance(rule, Trailing)
        ]
    )
    signs, marks = signs[: len(factors)], marks[: len(factors)]

    def tick() -> None:
        price = signs * float(PRICE)
        numpy.maximum(marks, price, out=marks)
        numpy.flatnonzero(price <= marks * factors)

    return mean(tick, 20)


def mean(work: Callable[[], None], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        work()
    return since(started) / times


def since(started: float) -> float:
    """Microseconds."""
    return (time.process_time() - started) * 1e6


def show(title: str, all_figures: list[Figures], *, aimed: bool = True) -> bool:
    """Print a table; whether every N is within the targets."""
    print(f"\n{title}")  # noqa: T201
    sizes = "".join(f"{figures.size:>13,}" for figures in all_figures)
    print(f"{'N positions on one symbol':<34}{sizes}   target")  # noqa: T201
    rows: list[tuple[str, Callable[[Figures], float | None], str]] = [
        ("inside the band", lambda f: f.inside, "µs a tick"),
        ("a new high, amortised", lambda f: f.high, "µs a tick"),
        ("a new high, the worst", lambda f: f.worst_high, "µs a tick"),
        ("a trigger", lambda f: f.trigger, "µs each"),
        ("memory", lambda f: f.bytes_each, "bytes a position"),
        ("add", lambda f: f.add, "µs each"),
        ("remove", lambda f: f.remove, "µs each"),
        ("naive loop", lambda f: f.loop, "µs a tick"),
        ("NumPy", lambda f: f.numpy, "µs a tick"),
        ("inside the band", lambda f: f.inside / f.size * 1000, "ns a position"),
        ("a new high", lambda f: f.high / f.size * 1000, "ns a position"),
        ("naive loop", lambda f: None if f.loop is None else f.loop / f.size * 1000, "ns a position"),
        ("NumPy", lambda f: None if f.numpy is None else f.numpy / f.size * 1000, "ns a position"),
    ]
    met = True
    for name, figure, unit in rows:
        values = [figure(figures) for figures in all_figures]
        cells = "".join(f"{'-' if value is None else f'{value:.3f}':>13}" for value in values)
        target = TARGETS.get(name)
        told = ""
        if all(value is None for value in values):
            continue
        if aimed and target is not None and target[1] == unit:
            over = any(value is not None and value >= target[0] for value in values)
            told = f"< {target[0]:g}" + ("  OVER" if over else "")
            met = met and not over
        print(f"{name + ', ' + unit:<34}{cells}   {told}")  # noqa: T201
    return met


def main() -> int:
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    sizes = [size for size in SIZES if size <= largest]
    met = show("a random walk behind", [measure(size) for size in sizes])
    print(  # noqa: T201
        "peers, ns a position and tick: freqtrade 32 000 (131 000 to 197 000 with its loop), "
        "NautilusTrader 1 300 resting and 3 300 when every stop moves"
    )
    show("watermarks spread evenly", [measure(size, spread=True) for size in sizes], aimed=False)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
