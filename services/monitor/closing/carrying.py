"""Carries one intent from wherever it stands to its end, through whatever does not answer on the way."""

from collections.abc import Callable

import structlog

from services.common.errors import DomainError, LeaseLost
from services.monitor.closing.booking import book, finish
from services.monitor.closing.parts import Parts
from services.monitor.closing.resolving import resolve
from services.monitor.closing.sending import send, send_first
from services.monitor.domain.intent import Intent, IntentState

_log = structlog.get_logger(__name__)

OnProgress = Callable[[Intent], None]


async def carry_out(parts: Parts, intent: Intent, on_progress: OnProgress, *, checked: bool = False) -> Intent:
    """Return the last attempt of the decision, over. Raises LeaseLost once another process may act on it.

    `checked`: it was begun here just now, by what the books had said: its first order need not wait for them, and if it
    is SENT already, nothing was sent yet. Whatever cannot be reached is
    tried again, later and later; each time the intent is read afresh, so a write that took effect unheard is found.
    """
    failures = 0
    while not intent.state.over:
        try:
            if failures:
                await parts.pause(parts.timing.backoff.delay(failures).total_seconds())
                intent, checked = await _reload(parts, intent), False
            if not intent.state.over:
                intent, checked = await _step(parts, intent, checked=checked), False
            on_progress(intent)
            failures = 0
        except LeaseLost:
            raise
        except DomainError as error:
            failures += 1
            _log.warning(
                "closing waits",
                intent_id=str(intent.intent_id),
                position_id=intent.position_id,
                state=intent.state,
                reason=error.reason,
                error=error.message,
                failures=failures,
            )
    return intent


async def _step(parts: Parts, intent: Intent, *, checked: bool) -> Intent:
    match intent.state:
        case IntentState.PREPARED:
            return await send(parts, intent, checked=checked)
        case IntentState.SENT if checked:
            return await send_first(parts, intent)
        case IntentState.SENT:
            return await resolve(parts, intent)
        case IntentState.FILLED:
            return await book(parts, intent)
        case IntentState.BOOKED:
            return await finish(parts, intent)
        case IntentState.DONE | IntentState.FAILED:
            return intent


async def _reload(parts: Parts, intent: Intent) -> Intent:
    latest = await parts.intents.latest(intent.closing_id)
    if latest.claim != intent.claim:
        raise LeaseLost(key=f"intent {intent.intent_id}")
    return latest
