"""Whatever fails on the way, and whoever takes over: each piece comes to its end, and no step of it is taken twice."""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import DatabaseUnavailable, LeaseLost, ServiceUnavailable
from services.monitor.carrying.carrier import Carrier
from services.monitor.carrying.timing import Timing, Waiting
from services.monitor.domain.intent import Claim
from tests.simulated_time import run_simulated

EPOCH = datetime(2025, 10, 21, tzinfo=UTC)
PARTITION = 7


class PieceState(StrEnum):
    """From BEGUN by DONE to OVER."""

    BEGUN = auto()
    DONE = auto()
    OVER = auto()

    @property
    def over(self) -> bool:
        return self is PieceState.OVER


NEXT = {PieceState.BEGUN: PieceState.DONE, PieceState.DONE: PieceState.OVER}


@dataclass(frozen=True)
class Piece:
    """A row."""

    intent_id: UUID
    claim: Claim | None
    updated_at: datetime
    state: PieceState = PieceState.BEGUN
    user_id: str = "u"
    position_id: str = "OP_1"
    outcome: None = None
    filled_quantity: Decimal = Decimal(0)
    reason: str = ""

    @property
    def work_id(self) -> UUID:
        return self.intent_id


class Fate(Enum):
    """What becomes of one call."""

    WORKS = auto()
    AWAY = auto()
    """It does not answer, and has no effect."""
    UNHEARD = auto()
    """It takes effect, and its answer is lost."""
    BREAKS = auto()
    """It fails in a way that nobody thought of."""


class SimulatedClock:
    """Tells what the loop tells."""

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


class Table:
    """Rows that outlive who works on them, fenced by the claim that holds now."""

    def __init__(self, steps: Sequence[Fate] = (), reads: Sequence[Fate] = (), takeovers: Sequence[Fate] = ()) -> None:
        """What becomes of the first calls of each kind; all others work."""
        self.rows: dict[UUID, Piece] = {}
        self.held: Claim | None = None
        self.reads: Counter[UUID] = Counter()
        self.stepped: Counter[tuple[UUID, PieceState]] = Counter()
        self.steps, self.read, self.takeovers = deque(steps), deque(reads), deque(takeovers)
        self.overlaps = 0
        """How often two tasks carried one piece under one claim."""
        self._stepping: set[tuple[UUID, Claim | None]] = set()

    def take(self, owner: str) -> Claim:
        self.held = Claim(owner, PARTITION, 1 if self.held is None else self.held.epoch + 1)
        return self.held

    def begin(self, number: int, claim: Claim | None) -> Piece:
        piece = Piece(UUID(int=number), claim, SimulatedClock().now())
        self.rows[piece.intent_id] = piece
        return piece

    async def step(self, work: Piece, *, checked: bool) -> Piece:
        place = (work.intent_id, work.claim)
        self.overlaps += place in self._stepping
        self._stepping.add(place)
        try:
            await asyncio.sleep(0.1)
            fate = _next(self.steps)
            if fate in (Fate.WORKS, Fate.UNHEARD):
                self._write(work)
            _raise(fate)
        finally:
            self._stepping.discard(place)
        return self.rows[work.intent_id]

    async def latest(self, work_id: UUID) -> Piece:
        self.reads[work_id] += 1
        await asyncio.sleep(0.01)
        _raise(_next(self.read))
        return self.rows[work_id]

    async def take_over(self, claims: Mapping[int, Claim]) -> Collection[Piece]:
        await asyncio.sleep(0.01)
        claim = claims[PARTITION]
        if claim != self.held:
            raise LeaseLost(key="partition")
        taken = [row for row in self.rows.values() if not row.state.over and row.claim != claim]
        self.rows |= {row.intent_id: replace(row, claim=claim) for row in taken}
        _raise(_next(self.takeovers))
        return [self.rows[row.intent_id] for row in taken]

    async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> Collection[UUID]:
        await asyncio.sleep(0.01)
        live = (row for row in self.rows.values() if not row.state.over and row.claim == claims[PARTITION])
        return [row.intent_id for row in live if row.updated_at < since]

    def _write(self, work: Piece) -> None:
        if work.claim != self.held:
            raise LeaseLost(key="partition")
        row = self.rows[work.intent_id]
        if row != work:
            raise ServiceUnavailable(service="a row that has moved")
        self.stepped[work.intent_id, work.state] += 1
        self.rows[work.intent_id] = replace(row, state=NEXT[work.state], updated_at=SimulatedClock().now())


def _next(fates: deque[Fate]) -> Fate:
    return fates.popleft() if fates else Fate.WORKS


def _raise(fate: Fate) -> None:
    match fate:
        case Fate.AWAY | Fate.UNHEARD:
            raise DatabaseUnavailable
        case Fate.BREAKS:
            raise RuntimeError("nobody thought of this")


class Replica:
    """A process that believes that it holds what it took, until it is told otherwise."""

    def __init__(self, table: Table, owner: str) -> None:
        self._claim: Claim | None = table.take(owner)
        waiting = Waiting(SimulatedClock(), asyncio.sleep, Timing())
        self.carrier: Carrier[Piece] = Carrier("piece", table, table.step, self, waiting)
        self._running = asyncio.create_task(self._live())

    @property
    def claim(self) -> Claim:
        assert self._claim is not None
        return self._claim

    def claims(self) -> Mapping[int, Claim]:
        return {} if self._claim is None else {PARTITION: self._claim}

    async def _live(self) -> None:
        while True:
            try:
                await self.carrier.run()
            except RuntimeError:
                continue  # it would end its process, which would be started again

    async def stop(self, drain_seconds: float = 0) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        await self.carrier.drain(drain_seconds)


class Beginning(Enum):
    """How a piece comes to be."""

    HEARD = auto()
    UNHEARD = auto()
    """It was written under a claim, and its writer never heard so."""
    UNCLAIMED = auto()


@given(
    st.lists(st.sampled_from(Beginning), min_size=1, max_size=4),
    st.tuples(
        st.lists(st.sampled_from(Fate), max_size=8),
        st.lists(st.sampled_from(Fate), max_size=6),
        st.lists(st.sampled_from(Fate), max_size=3),
    ),
    st.lists(st.sampled_from([0.0, 0.05, 0.15, 0.25, 2.0, 7.0]), max_size=3),
)
def test_each_piece_comes_to_its_end_and_each_step_is_written_once(
    beginnings: list[Beginning], fates: tuple[list[Fate], list[Fate], list[Fate]], lives: list[float]
) -> None:
    """`lives`: how long each process works before it stalls, and another one takes over beside it."""

    async def scenario() -> Table:
        table = Table(*fates)
        replicas = [Replica(table, "first")]
        for number, beginning in enumerate(beginnings):
            claim = None if beginning is Beginning.UNCLAIMED else replicas[0].claim
            piece = table.begin(number, claim)
            if beginning is Beginning.HEARD:
                replicas[0].carrier.carry(piece, checked=True)
        for seconds in lives:
            await asyncio.sleep(seconds)
            replicas.append(Replica(table, f"after {seconds} s"))
        async with asyncio.timeout(600):
            for piece in list(table.rows.values()):
                await _over(replicas[-1], piece)
        for replica in replicas:
            await replica.stop()
            assert not replica.carrier.under_way
        return table

    table = run_simulated(scenario())
    assert all(row.state.over for row in table.rows.values())
    assert set(table.stepped.values()) == {1}
    assert len(table.stepped) == 2 * len(beginnings)
    assert not table.overlaps


async def _over(replica: Replica, piece: Piece) -> None:
    while True:
        try:
            await replica.carrier.wait_for(piece.work_id, lambda row: row.state.over)
        except (DatabaseUnavailable, RuntimeError):
            continue
        return


def test_a_piece_that_is_carried_is_not_carried_twice() -> None:
    async def scenario() -> Table:
        table = Table()
        replica = Replica(table, "one")
        piece = table.begin(1, replica.claim)
        for _ in range(2):
            replica.carrier.carry(piece, checked=True)
        await _over(replica, piece)
        await replica.stop()
        return table

    assert not run_simulated(scenario()).overlaps


def test_what_another_process_takes_over_while_it_is_read_is_left_to_it() -> None:
    class Contested(Table):
        async def unmoved(self, claims: Mapping[int, Claim], since: datetime) -> Collection[UUID]:
            found = await super().unmoved(claims, since)
            if found:
                self.rows |= {key: replace(self.rows[key], claim=self.take("another")) for key in found}
            return found

    async def scenario() -> Table:
        table = Contested()
        replica = Replica(table, "one")
        table.begin(1, replica.claim)
        await asyncio.sleep(60)
        assert not replica.carrier.under_way
        await replica.stop()
        return table

    assert not run_simulated(scenario()).stepped


def test_what_breaks_while_it_is_read_afresh_is_begun_again() -> None:
    async def scenario() -> Table:
        table = Table([Fate.BREAKS], [Fate.BREAKS] * 3)
        replica = Replica(table, "one")
        replica.carrier.carry(table.begin(1, replica.claim), checked=True)
        await asyncio.sleep(60)
        await replica.stop()
        return table

    (row,) = run_simulated(scenario()).rows.values()
    assert row.state.over


@pytest.mark.parametrize(("unheard", "seconds"), [(True, 8), (False, 0.5)])
def test_what_nobody_heard_of_waits_a_few_seconds_and_what_was_heard_does_not(unheard: bool, seconds: float) -> None:
    async def scenario() -> tuple[float, int]:
        table = Table()
        replica = Replica(table, "one")
        piece = table.begin(1, replica.claim)
        if not unheard:
            replica.carrier.carry(piece, checked=True)
        await replica.carrier.wait_for(piece.work_id, lambda row: row.state.over)
        await replica.stop()
        return asyncio.get_running_loop().time(), max(table.stepped.values())

    took, steps = run_simulated(scenario())
    assert took < seconds
    assert steps == 1


def test_who_waits_for_one_piece_is_not_woken_by_the_steps_of_others() -> None:
    async def scenario() -> Table:
        table = Table()
        replica = Replica(table, "one")
        pieces = [table.begin(number, replica.claim) for number in range(50)]
        idle = table.begin(1000, None)
        asleep = asyncio.create_task(replica.carrier.wait_for(idle.work_id, lambda _: False))
        waits = [replica.carrier.wait_for(piece.work_id, lambda row: row.state.over) for piece in pieces]
        for piece in pieces:
            replica.carrier.carry(piece, checked=True)
        await asyncio.gather(*waits)
        asleep.cancel()
        await asyncio.wait([asleep])
        await replica.stop()
        return table

    table = run_simulated(scenario())
    assert table.reads.total() <= 51 * 4, "each is read when it has moved, and once a second"


def test_a_drain_lets_what_can_end_end_and_leaves_the_rest_to_a_successor() -> None:
    async def scenario() -> Table:
        table = Table([Fate.AWAY] * 3)
        first = Replica(table, "first")
        first.carrier.carry(table.begin(1, first.claim), checked=True)
        await asyncio.sleep(0.3)
        await first.stop(drain_seconds=60)
        assert [row.state for row in table.rows.values()] == [PieceState.OVER]
        table.steps.extend([Fate.AWAY] * 6)
        second = Replica(table, "second")
        second.carrier.carry(table.begin(2, second.claim), checked=True)
        await asyncio.sleep(0.3)
        before = asyncio.get_running_loop().time()
        await second.stop(drain_seconds=1)
        assert asyncio.get_running_loop().time() == before + 1
        assert not table.rows[UUID(int=2)].state.over
        third = Replica(table, "third")
        await _over(third, table.rows[UUID(int=2)])
        await third.stop()
        return table

    assert set(run_simulated(scenario()).stepped.values()) == {1}
