"""Carries each piece of work in a task of its own, from wherever it stands to its end.

Invariants: one task at a time carries a piece under one claim; what another process left, or asked for without holding
the partition, is taken over within a second, and what this one wrote without hearing so within seconds; what does not
answer is tried again, later and later; a task that fails unexpectedly is begun again, so that one piece that goes wrong
keeps no other from its end.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Generic, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from services.common.errors import DomainError, LeaseLost
from services.monitor.carrying.timing import Waiting
from services.monitor.carrying.work import Claims, Rows, W
from services.monitor.domain.intent import Claim

_log = structlog.get_logger(__name__)

UNHEARD = timedelta(seconds=5)
"""How long a row may stand still before it is taken for one whose writer never heard that it was written. Longer than
the receive window of any order: a writer that hears of it after all has an order that its venue refuses as too old."""


class Step(Protocol[W]):
    """Brings a piece that is not over one state further. `checked`: this process has just begun it. Raises DomainError
    where something does not answer, LeaseLost where the claim does not hold any more."""

    async def __call__(self, work: W, *, checked: bool) -> W: ...


class Carrier(Generic[W]):
    """`carry` begins, `run` resumes what is not over. `kind`: what a piece is called in logs."""

    def __init__(
        self,
        kind: str,
        rows: Rows[W],
        step: Step[W],
        claims: Claims,
        waiting: Waiting,
        *,
        on_progress: Callable[[W], None] = lambda _: None,
        scan_seconds: float = 1.0,
        crash_pause_seconds: float = 5.0,
    ) -> None:
        self._kind = kind
        self._rows = rows
        self._step = step
        self._claims = claims
        self._waiting = waiting
        self._on_progress = on_progress
        self._scan_seconds = scan_seconds
        self._crash_pause_seconds = crash_pause_seconds
        self._running: dict[_Place, asyncio.Task[None]] = {}
        self._under_way: dict[_Place, W] = {}
        # Each is there for as long as somebody waits for it.
        self._moved: WeakValueDictionary[UUID, asyncio.Event] = WeakValueDictionary()

    @property
    def under_way(self) -> Collection[W]:
        """What this process carries, as it last saw it."""
        return self._under_way.values()

    def carry(self, work: W, *, checked: bool) -> None:
        """Begin to carry a piece, unless this process does so under the same claim."""
        place = (work.work_id, work.claim)
        if place in self._running:
            return
        self._under_way[place] = work
        task = asyncio.create_task(self._carry(work, checked=checked), name=f"{self._kind} {work.work_id}")
        self._running[place] = task
        task.add_done_callback(lambda _: self._ended(place))

    async def carry_out(self, work: W, *, checked: bool = False, afresh: bool = False) -> W:
        """Return the last row of a piece, over. Raises LeaseLost once another process may act on it.

        `checked`: it was begun here just now, so its first step need not ask anew. `afresh`: it may have moved since it
        was read. Whatever cannot be reached is tried again, later and later; each time the piece is read afresh, so a
        write that took effect unheard is found.
        """
        failures = 0
        while not work.state.over:
            try:
                if afresh:
                    work, checked = await self._reload(work), False
                if not work.state.over:
                    work, checked = await self._step(work, checked=checked), False
                self._progressed(work)
                failures, afresh = 0, False
            except LeaseLost:
                raise
            except DomainError as error:
                failures, afresh = failures + 1, True
                told = {"reason": error.reason, "error": error.message, "failures": failures}
                _log.warning(f"{self._kind} waits", **_facts(work), **told)
                await self._waiting.back_off(failures)
        return work

    async def wait_for(self, work_id: UUID, enough: Callable[[W], bool]) -> W:
        """The last row of a piece, once it is enough. Cancel to stop waiting."""
        while True:
            moved = self._moved.setdefault(work_id, asyncio.Event())
            work = await self._rows.latest(work_id)
            if enough(work):
                return work
            try:
                # Another replica may be the one that carries it: its progress is seen in the table alone.
                async with asyncio.timeout(self._scan_seconds):
                    await moved.wait()
            except TimeoutError:
                continue

    async def resume(self) -> None:
        """Take over whatever is not over in the partitions that are held, and carry on what of it nobody carries."""
        claims = self._claims.claims()
        if not claims:
            return
        for work in await self._rows.take_over(claims):
            self._resume(work)
        held = frozenset(claims.values())
        carried = {work_id for work_id, claim in self._running if claim in held}
        for work_id in await self._rows.unmoved(claims, self._waiting.clock.now() - UNHEARD):
            if work_id not in carried:
                work = await self._rows.latest(work_id)
                if work.claim in held and not work.state.over:
                    self._resume(work)

    async def run(self) -> None:
        """Resume again and again, until cancelled."""
        while True:
            try:
                await self.resume()
            except DomainError as error:
                _log.info(f"{self._kind} is not resumed", reason=error.reason)
            await asyncio.sleep(self._scan_seconds)

    async def drain(self, timeout_seconds: float) -> None:
        """Let what is under way come to its end for a while; the rest is left for a successor, who looks orders up."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout_seconds)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _resume(self, work: W) -> None:
        _log.info(f"{self._kind} resumes", **_facts(work))
        self.carry(work, checked=False)

    async def _carry(self, work: W, *, checked: bool) -> None:
        afresh = False
        while True:
            try:
                over = await self.carry_out(work, checked=checked, afresh=afresh)
            except LeaseLost:
                _log.warning(f"{self._kind} handed over", **_facts(work))
                return
            except Exception:  # noqa: BLE001 - the process's edge: one piece must not take the others with it
                _log.exception(f"{self._kind} failed", **_facts(work))
                await asyncio.sleep(self._crash_pause_seconds)
                checked, afresh = False, True
            else:
                _log.info(f"{self._kind} over", **_facts(over))
                return

    async def _reload(self, work: W) -> W:
        latest = await self._rows.latest(work.work_id)
        if latest.claim != work.claim:
            raise LeaseLost(key=f"{self._kind} {work.intent_id}")
        return latest

    def _progressed(self, work: W) -> None:
        self._under_way[work.work_id, work.claim] = work
        self._on_progress(work)
        moved = self._moved.pop(work.work_id, None)
        if moved is not None:
            moved.set()

    def _ended(self, place: "_Place") -> None:
        del self._running[place], self._under_way[place]


_Place = tuple[UUID, Claim | None]


def _facts(work: W) -> dict[str, object]:
    """What logs say of a piece."""
    return {
        "intent_id": str(work.intent_id),
        "position_id": work.position_id,
        "user_id": work.user_id,
        "state": work.state.value,
        "outcome": work.outcome,
        "quantity": work.filled_quantity,
        "why": work.reason,
    }
