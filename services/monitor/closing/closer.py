"""Runs the intents of this process's partitions, each in a task of its own.

Invariants: an order is sent only for an intent that was claimed under a lease held now; what another process left, or
asked for without holding the partition, is taken over within a second; what this one wrote without hearing so is
carried on when it is decided again; a task that fails unexpectedly is begun again, so that one intent that goes wrong
keeps no other from closing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

import structlog

from services.common.errors import DomainError, LeaseLost
from services.common.trading.partition import partition_of
from services.monitor.closing.carrying import carry_out
from services.monitor.closing.parts import Parts
from services.monitor.domain.attempts import Begun, Joined, Opening
from services.monitor.domain.intent import Claim, Decision, Intent

_log = structlog.get_logger(__name__)


class Claims(Protocol):
    """The partitions that this process holds now."""

    def claims(self) -> Mapping[int, Claim]:
        """The claim under which it may act, by partition."""
        ...


class Closer:
    """Closes positions: `close` begins, `run` resumes what is not over."""

    def __init__(
        self,
        parts: Parts,
        claims: Claims,
        *,
        check: Callable[[str], None] = lambda _: None,
        scan_seconds: float = 1.0,
        crash_pause_seconds: float = 5.0,
    ) -> None:
        """`check` raises where nothing of a user's may be closed now; what has begun by then is carried to its end."""
        self._parts = parts
        self._claims = claims
        self._check = check
        self._scan_seconds = scan_seconds
        self._crash_pause_seconds = crash_pause_seconds
        self._running: dict[tuple[UUID, Claim | None], asyncio.Task[None]] = {}
        self._moved = asyncio.Event()

    async def close(self, decision: Decision) -> Opening:
        """Begin to close a position that was just seen open, unless that is under way or done already.

        Raises LeaseLost, DatabaseUnavailable: nothing was begun, as far as is known; and what `check` raises.
        """
        self._check(decision.position.user_id)
        claim = self._claims.claims().get(partition_of(decision.position.account_id))
        now = self._parts.clock.now()
        ready = claim is not None and self._parts.keys.ready(decision.position.account_id)
        deadline = now + self._parts.timing.receive_window if ready else None
        opening = await self._parts.intents.open(decision, claim, now, deadline)
        intent = opening.intent
        _log.info(
            "closing",
            opening=type(opening).__name__,
            intent_id=str(intent.intent_id),
            position_id=intent.position_id,
            user_id=intent.user_id,
            cause=decision.cause,
            price=decision.evidence.price,
            level_price=decision.evidence.level_price,
        )
        if isinstance(opening, Begun) and claim is not None:
            self._start(intent, checked=True)
        elif isinstance(opening, Joined) and claim is not None and intent.claim == claim:
            # Ours, and perhaps nobody's: one whose commit was never heard of is not taken over under the same lease.
            self._start(intent, checked=False)
        return opening

    async def wait(self, closing_id: UUID, *, until_over: bool = False) -> Intent:
        """The last attempt of a closing, once its fills are booked (or it is over). Cancel to stop waiting."""
        while True:
            moved = self._moved
            intent = await self._parts.intents.latest(closing_id)
            whole = intent.filled_quantity >= intent.quantity
            if intent.state.over or (intent.state.booked and whole and not until_over):
                return intent
            try:
                # Another replica may be the one that closes it: its progress is seen in the table alone.
                async with asyncio.timeout(self._scan_seconds):
                    await moved.wait()
            except TimeoutError:
                continue

    async def resume(self) -> None:
        """Take over whatever is not over in the partitions that are held."""
        for intent in await self._parts.intents.take_over(self._claims.claims(), self._parts.clock.now()):
            _log.info("resuming", intent_id=str(intent.intent_id), position_id=intent.position_id, state=intent.state)
            self._start(intent, checked=False)

    async def run(self) -> None:
        """Resume again and again, until cancelled."""
        while True:
            try:
                await self.resume()
            except DomainError as error:
                _log.info("resuming waits", reason=error.reason)
            await asyncio.sleep(self._scan_seconds)

    async def drain(self, timeout_seconds: float) -> None:
        """Let what is under way come to its end for a while; the rest is left for a successor, who looks orders up."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=timeout_seconds)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start(self, intent: Intent, *, checked: bool) -> None:
        key = (intent.closing_id, intent.claim)
        if key in self._running:
            return
        task = asyncio.create_task(self._carry_out(intent, checked=checked), name=f"closing {intent.closing_id}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _carry_out(self, intent: Intent, *, checked: bool) -> None:
        while True:
            try:
                over = await carry_out(self._parts, intent, self._progressed, checked=checked)
            except LeaseLost:
                _log.warning("closing handed over", intent_id=str(intent.intent_id))
                return
            except Exception:  # noqa: BLE001 - the process's edge: one intent must not take the others with it
                _log.exception("closing failed", intent_id=str(intent.intent_id), position_id=intent.position_id)
                await asyncio.sleep(self._crash_pause_seconds)
                intent, checked = await self._afresh(intent), False
            else:
                _log.info("closed" if over.outcome and over.outcome.settles else "not closed", **_told(over))
                return

    async def _afresh(self, intent: Intent) -> Intent:
        try:
            latest = await self._parts.intents.latest(intent.closing_id)
        except DomainError:
            return intent
        return latest if latest.claim == intent.claim else intent

    def _progressed(self, _: Intent) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def _told(intent: Intent) -> dict[str, object]:
    return {
        "intent_id": str(intent.intent_id),
        "position_id": intent.position_id,
        "user_id": intent.user_id,
        "attempt": intent.attempt,
        "outcome": intent.outcome,
        "quantity": intent.filled_quantity,
        "why": intent.reason,
    }
