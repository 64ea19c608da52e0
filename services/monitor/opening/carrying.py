"""Carries one opening from wherever it stands to its end, through whatever does not answer on the way."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from services.common.errors import DomainError, LeaseLost
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState
from services.monitor.opening.parts import OnBooked, OpeningParts
from services.monitor.opening.resolving import resolve
from services.monitor.opening.sending import send

_log = structlog.get_logger(__name__)

OnProgress = Callable[[Opening], None]


async def carry_out(
    parts: OpeningParts, opening: Opening, on_progress: OnProgress, on_booked: OnBooked, *, checked: bool = False
) -> Opening:
    """Return the opening, over. Raises LeaseLost once another process may act on it.

    `checked`: it was begun here just now, so its plan need not be made anew. Whatever cannot be reached is asked again,
    later and later; each time the opening is read afresh, so a write that took effect unheard is found.
    """
    failures = 0
    while not opening.state.over:
        try:
            if failures:
                await parts.pause(parts.timing.backoff.delay(failures).total_seconds())
                opening, checked = await _reload(parts, opening), False
            if not opening.state.over:
                opening, checked = await _step(parts, opening, on_booked, checked=checked), False
            on_progress(opening)
            failures = 0
        except LeaseLost:
            raise
        except DomainError as error:
            failures += 1
            _log.warning(
                "opening waits",
                intent_id=str(opening.intent_id),
                state=opening.state,
                reason=error.reason,
                error=error.message,
                failures=failures,
            )
    return opening


async def _step(parts: OpeningParts, opening: Opening, on_booked: OnBooked, *, checked: bool) -> Opening:
    match opening.state:
        case OpeningState.PREPARED:
            return await send(parts, opening, checked=checked)
        case OpeningState.SENT | OpeningState.UNRESOLVED:
            return await resolve(parts, opening)
        case OpeningState.FILLED:
            return await _book(parts, opening, on_booked)
        case OpeningState.BOOKED | OpeningState.FAILED:
            return opening


async def _book(parts: OpeningParts, opening: Opening, on_booked: OnBooked) -> Opening:
    """Hand the fills to the books, whose answer is the position; raises until they have them."""
    position = await parts.books.record_opening(opening)
    booked = replace(
        opening, state=OpeningState.BOOKED, outcome=OpeningOutcome.OPENED, position_id=position.position_id
    )
    booked = await parts.advance(opening, booked)
    on_booked(booked, position)
    return booked


async def _reload(parts: OpeningParts, opening: Opening) -> Opening:
    latest = await parts.openings.get(opening.intent_id)
    if latest.claim != opening.claim:
        raise LeaseLost(key=f"opening {opening.intent_id}")
    return latest
