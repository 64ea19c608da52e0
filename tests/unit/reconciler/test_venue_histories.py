"""Random histories of a venue against the kernel and books in memory.

Whatever is traded, and however the venue's list, its fills and its margin fail or lie on the way: no row is closed
while its position lives, and once the venue is well again every position that ended is closed, with its own exit.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.trading.fill import Fill, run_to
from services.common.trading.reading import PositionKey, ReadingStatus, VenuePosition
from services.common.trading.side import PositionSide
from services.reconciler.domain.absence import AbsencePolicy, PendingAbsence
from services.reconciler.domain.completion import complete_exits
from services.reconciler.domain.decision import Adopt, Close, CloseEstimated
from services.reconciler.domain.diff import diff
from services.reconciler.domain.suspicion import Circumstances
from tests.fakes.observatory import Books, VenueAccount

POLICY = AbsencePolicy(timedelta(seconds=20))
SYMBOLS = ["AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT"]
FAULTS = ["none", "none", "empty", "missing", "stale", "failed", "partial"]


@dataclass
class World:
    """The venue as it is, the venue as it says, and the books. `lives` counts how often each key began."""

    venue: VenueAccount = field(default_factory=VenueAccount)
    books: Books = field(default_factory=Books)
    pending: tuple[PendingAbsence, ...] = ()
    lives: dict[PositionKey, int] = field(default_factory=lambda: defaultdict(int))
    life_of: dict[str, int] = field(default_factory=dict)
    past: list[dict[PositionKey, VenuePosition]] = field(default_factory=list)
    past_lives: list[dict[PositionKey, int]] = field(default_factory=list)
    failed_at: datetime | None = None
    life_of_fill: dict[str, int] = field(default_factory=dict)
    exits: dict[str, tuple[Fill, ...]] = field(default_factory=dict)

    def trade(self, symbol: str, change: int, price: int) -> None:
        before = {key: seen.side for key, seen in self.venue.positions.items()}
        fill = self.venue.trade(Decimal(change), symbol=symbol, price=Decimal(60_000 + 100 * price))
        self.life_of_fill[fill.fill_id] = self.lives[PositionKey(symbol, PositionSide.BOTH)]
        for key, seen in self.venue.positions.items():
            if before.get(key) is not seen.side:
                self.lives[key] += 1
        self.past.append(dict(self.venue.positions))
        self.past_lives.append(dict(self.lives))

    def read(self, fault: str, *, fills: bool, margin: bool, wait: float) -> None:
        """One look, and what is decided upon it."""
        self.venue.now += timedelta(seconds=wait)
        reading, lives = self.venue.read(), dict(self.lives)
        if fault == "empty":
            reading = replace(reading, positions=())
        elif fault == "missing":
            reading = replace(reading, positions=reading.positions[1:])
        elif fault == "stale" and len(self.past) > 1:
            reading, lives = replace(reading, positions=tuple(self.past[-2].values())), self.past_lives[-2]
        elif fault in ("failed", "partial"):
            reading = replace(reading, status=ReadingStatus(fault), positions=reading.positions[1:])
            self.failed_at = reading.asked_at
        booked = self.books.observed(self.venue, reading)
        if not fills:
            booked = tuple(replace(row, fills=(), fills_complete=False) for row in booked)
        degraded = self.failed_at is not None and reading.asked_at - self.failed_at < timedelta(seconds=60)
        told = self.venue.initial_margin if margin else None
        found = diff(booked, reading, self.pending, POLICY, Circumstances(told, degraded))
        self.pending = found.absences
        before = dict(self.books.rows)
        results = self.books.apply(uuid4(), found.decisions)
        for decision, result in zip(found.decisions, results, strict=True):
            if isinstance(decision, Adopt) and result.position_id:
                self.life_of[result.position_id] = lives[decision.position.key]
            elif isinstance(decision, Close) and result.position_id:
                self._check_ended(decision.position_id, before[decision.position_id].key)
                row = before[decision.position_id]
                run = run_to(row.side, row.quantity, decision.fills, row.settlement, decision.final_quantity)
                assert run is not None
                self.exits[decision.position_id] = run.reducing
            elif isinstance(decision, CloseEstimated) and result.position_id:
                self._check_ended(decision.position_id, before[decision.position_id].key)

    def back_fill(self) -> None:
        waiting = self.books.waiting(self.venue, list(self.books.estimated))
        self.books.apply(uuid4(), complete_exits(waiting))

    def _check_ended(self, position_id: str, key: PositionKey) -> None:
        lives_on = key in self.venue.positions and self.lives[key] == self.life_of[position_id]
        assert not lives_on, f"{position_id} was closed while it is open"


EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("trade"),
            st.sampled_from(SYMBOLS),
            st.integers(-3, 3).filter(bool),
            st.integers(1, 9),
        ),
        st.tuples(
            st.just("read"),
            st.sampled_from(FAULTS),
            st.booleans(),
            st.booleans(),
            st.sampled_from([1, 5, 19, 20, 61]),
        ),
    ),
    max_size=30,
)


@settings(max_examples=150)
@given(EVENTS)
def test_no_false_close_and_every_true_one_in_the_end(events: list[tuple[object, ...]]) -> None:
    world = World()
    for symbol in SYMBOLS:
        world.trade(symbol, 1, 1)
    world.read("none", fills=True, margin=True, wait=1)
    for event in events:
        match event:
            case ("trade", str(symbol), int(change), int(price)):
                world.trade(symbol, change, price)
            case ("read", str(fault), bool(fills), bool(margin), int(wait)):
                world.read(fault, fills=fills, margin=margin, wait=wait)
    for _ in range(3):
        world.read("none", fills=True, margin=True, wait=61)
        world.back_fill()
    held = {key: (seen.side, seen.quantity, seen.entry_price) for key, seen in world.venue.positions.items()}
    assert {row.key: (row.side, row.quantity, row.entry_price) for row in world.books.rows.values()} == held
    assert world.pending == ()
    assert world.books.estimated == {}
    exits = {**world.exits, **{key: run.reducing for key, run in world.books.completed.items()}}
    for position_id, reducing in exits.items():
        # The fills of its own end, and nobody else's.
        assert {world.life_of_fill[fill.fill_id] for fill in reducing} == {world.life_of[position_id]}
