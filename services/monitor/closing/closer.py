"""Begins closings and has them carried to their end.

Invariant: an order is sent only for an intent that was claimed under a lease held now.
"""

from collections.abc import Callable
from functools import partial
from uuid import UUID

import structlog

from services.common.errors import LeaseLost
from services.common.trading.partition import partition_of
from services.monitor.carrying.carrier import Carrier
from services.monitor.carrying.work import Claims
from services.monitor.closing.carrying import step
from services.monitor.closing.parts import Parts
from services.monitor.domain.attempts import Begun, Joined, Opening
from services.monitor.domain.intent import Decision, Intent

_log = structlog.get_logger(__name__)


class Closer(Carrier[Intent]):
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
        super().__init__(
            "closing",
            parts.intents,
            partial(step, parts),
            claims,
            parts,
            scan_seconds=scan_seconds,
            crash_pause_seconds=crash_pause_seconds,
        )
        self._parts = parts
        self._check = check

    async def close(self, decision: Decision) -> Opening:
        """Begin to close a position that was just seen open, unless that is under way or done already.

        Raises DatabaseUnavailable, and LeaseLost where nobody asked for it: nothing was begun, as far as is known; and
        what `check` raises.
        """
        self._check(decision.position.user_id)
        claim = self._claims.claims().get(partition_of(decision.position.account_id))
        now = self._parts.clock.now()
        ready = claim is not None and self._parts.keys.ready(decision.position.account_id)
        deadline = now + self._parts.timing.receive_window if ready else None
        try:
            opening = await self._parts.intents.open(decision, claim, now, deadline)
        except LeaseLost:
            if decision.request_id is None:
                raise
            # Another replica holds the partition by now: it sees the price for itself, but nobody's hand.
            claim = None
            opening = await self._parts.intents.open(decision, claim, now)
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
            self.carry(intent, checked=True)
        elif isinstance(opening, Joined) and claim is not None and intent.claim == claim:
            # Ours, and perhaps nobody's yet: a level that is crossed does not wait until it is found.
            self.carry(intent, checked=False)
        return opening

    async def wait(self, closing_id: UUID, *, until_over: bool = False) -> Intent:
        """The last attempt of a closing, once its fills are booked (or it is over). Cancel to stop waiting."""

        def enough(intent: Intent) -> bool:
            whole = intent.filled_quantity >= intent.quantity
            return intent.state.over or (intent.state.booked and whole and not until_over)

        return await self.wait_for(closing_id, enough)
