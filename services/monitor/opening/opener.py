"""Runs the openings of this process's partitions, each in a task of its own.

Invariants: an order is sent only for an opening that was claimed under a lease held now; what another process left, or
asked for without holding the partition, is taken over within a second; a task that fails unexpectedly is begun again.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from services.common.errors import DomainError, LeaseLost
from services.common.trading.partition import partition_of
from services.monitor.closing.closer import Claims
from services.monitor.domain.intent import Claim
from services.monitor.domain.opening import Opening, OpeningState, Plan, Wish
from services.monitor.opening.carrying import OnProgress, carry_out
from services.monitor.opening.parts import OnBooked, OpeningParts

_log = structlog.get_logger(__name__)


class Opener:
    """Opens positions: `begin` begins, `run` resumes what is not over. `patience`: how long one may wait to be sent."""

    def __init__(
        self,
        parts: OpeningParts,
        claims: Claims,
        *,
        patience: timedelta,
        on_booked: OnBooked,
        on_progress: OnProgress,
        scan_seconds: float = 1.0,
        crash_pause_seconds: float = 5.0,
    ) -> None:
        self._parts = parts
        self._claims = claims
        self._patience = patience
        self._on_booked = on_booked
        self._on_progress = on_progress
        self._scan_seconds = scan_seconds
        self._crash_pause_seconds = crash_pause_seconds
        self._running: dict[tuple[UUID, Claim | None], asyncio.Task[None]] = {}
        self._moved = asyncio.Event()
        self._unresolved: set[UUID] = set()

    @property
    def unresolved(self) -> int:
        """How many openings of the partitions held have an order of which nobody knows what became."""
        return len(self._unresolved)

    async def begin(self, wish: Wish, plan: Plan, request_id: str, execution_id: UUID | None = None) -> Opening:
        """Write the opening of a plan that was made just now and begin to carry it out, unless its request did before.

        Raises SlotTaken, DatabaseUnavailable: nothing was begun, as far as is known.
        """
        now = self._parts.clock.now()
        opening = Opening(
            intent_id=uuid4(),
            wish=wish,
            plan=plan,
            state=OpeningState.PREPARED,
            created_at=now,
            updated_at=now,
            expires_at=now + self._patience,
            request_id=request_id,
            execution_id=execution_id,
            claim=self._claims.claims().get(partition_of(wish.account_id)),
        )
        try:
            begun = await self._parts.openings.begin(opening)
        except LeaseLost:
            # Another replica holds the partition by now: it will find the opening there.
            begun = await self._parts.openings.begin(replace(opening, claim=None))
        if begun.intent_id == opening.intent_id:
            _log.info("opening", intent_id=str(begun.intent_id), symbol=wish.symbol, quantity=plan.quantity)
            if begun.claim is not None:
                self._start(begun, checked=True)
        return begun

    async def wait(self, intent_id: UUID) -> Opening:
        """The opening, once it is over or nobody knows what became of it. Cancel to stop waiting."""
        while True:
            moved = self._moved
            opening = await self._parts.openings.get(intent_id)
            if opening.state.over or opening.state is OpeningState.UNRESOLVED:
                return opening
            try:
                # Another replica may be the one that opens it: its progress is seen in the table alone.
                async with asyncio.timeout(self._scan_seconds):
                    await moved.wait()
            except TimeoutError:
                continue

    async def resume(self) -> None:
        """Take over whatever is not over in the partitions that are held."""
        for opening in await self._parts.openings.take_over(self._claims.claims()):
            _log.info("opening resumes", intent_id=str(opening.intent_id), state=opening.state)
            self._start(opening, checked=False)

    async def run(self) -> None:
        """Resume again and again, until cancelled."""
        while True:
            try:
                await self.resume()
            except DomainError as error:
                _log.info("openings wait", reason=error.reason)
            await asyncio.sleep(self._scan_seconds)

    async def drain(self, timeout_seconds: float) -> None:
        """Let what is under way come to its end for a while; the rest is left for a successor, who looks orders up."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout_seconds)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start(self, opening: Opening, *, checked: bool) -> None:
        key = (opening.intent_id, opening.claim)
        if key in self._running:
            return
        task = asyncio.create_task(self._carry_out(opening, checked=checked), name=f"opening {opening.intent_id}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    async def _carry_out(self, opening: Opening, *, checked: bool) -> None:
        while True:
            try:
                over = await carry_out(self._parts, opening, self._progressed, self._on_booked, checked=checked)
            except LeaseLost:
                _log.warning("opening handed over", intent_id=str(opening.intent_id))
                return
            except Exception:  # noqa: BLE001 - the process's edge: one opening must not take the others with it
                _log.exception("opening failed", intent_id=str(opening.intent_id))
                await asyncio.sleep(self._crash_pause_seconds)
                opening, checked = await self._afresh(opening), False
            else:
                _log.info(
                    "opened" if over.position_id else "not opened", intent_id=str(over.intent_id), why=over.reason
                )
                return

    async def _afresh(self, opening: Opening) -> Opening:
        try:
            latest = await self._parts.openings.get(opening.intent_id)
        except DomainError:
            return opening
        return latest if latest.claim == opening.claim else opening

    def _ended(self, key: tuple[UUID, Claim | None]) -> None:
        self._running.pop(key, None)
        self._unresolved.discard(key[0])

    def _progressed(self, opening: Opening) -> None:
        if opening.state is OpeningState.UNRESOLVED:
            self._unresolved.add(opening.intent_id)
        else:
            self._unresolved.discard(opening.intent_id)
        self._on_progress(opening)
        self._moved.set()
        self._moved = asyncio.Event()
