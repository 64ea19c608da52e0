"""From FILLED to DONE: the fills into the books, then what is left at the venue.

Invariants: fills are handed to the books until the books have them, or say that they will have them by reconciliation;
resting orders are cancelled only after the venue has shown that the position is gone; a whole close goes on until
nothing is left of what the venue held, more than the books knew of as well, but never touches what was opened after it.
"""

from dataclasses import replace
from datetime import timedelta

import structlog

from services.common.errors import Conflict, DomainError, NotFound, Precondition, Unavailable
from services.monitor.closing.parts import Parts
from services.monitor.domain.intent import Intent, IntentState, Outcome
from services.monitor.domain.story import tell_story

_log = structlog.get_logger(__name__)

RECORD_TRIES = 3
"""How often fills are handed over that the books say do not fit."""
READINGS_OF_A_CLOSE = 3
"""How often the venue is asked for a position that its order has closed: some lists lag behind."""


async def book(parts: Parts, intent: Intent) -> Intent:
    """Hand the fills of an order to the books."""
    story = tell_story(intent, await parts.intents.attempts(intent.closing_id))
    for tried in range(1, RECORD_TRIES + 1):
        try:
            await parts.books.record_fills(intent.position_id, intent.fills, intent.intent_id, story)
        except (NotFound, Precondition) as error:
            _log.warning("fills do not fit the books", intent_id=str(intent.intent_id), reason=error.reason)
            if tried == RECORD_TRIES:
                reason = f"the books follow by reconciliation: {error.reason}"
                booked = await parts.advance(intent, replace(intent, state=IntentState.BOOKED, reason=reason))
                await parts.stir(booked)
                return booked
            await parts.pause(parts.timing.backoff.delay(tried).total_seconds())
        else:
            break
    return await parts.advance(intent, replace(intent, state=IntentState.BOOKED))


async def finish(parts: Parts, intent: Intent) -> Intent:
    """Close what is left of the position, or sweep what rests on it once it is gone."""
    try:
        credentials = await parts.keys.credentials(intent.account_id)
    except (Unavailable, Conflict):
        raise
    except DomainError as error:
        return await parts.end(intent, IntentState.DONE, Outcome.CLOSED, f"not swept: {error.reason}")
    held = await parts.held(intent, credentials)
    for _ in range(READINGS_OF_A_CLOSE - 1):
        if held is None or not intent.whole:
            break
        await parts.pause(parts.timing.polling.total_seconds())
        held = await parts.held(intent, credentials)
    if held is None:
        await parts.sweep(intent, credentials)
        return await parts.end(intent, IntentState.DONE, Outcome.CLOSED)
    if intent.whole:
        left = await parts.left(intent, intent.fills, credentials, held)
    else:
        left = min(held.quantity, intent.quantity - intent.filled_quantity)
    if left > 0:
        reason = f"the venue holds {left} of it still"
        return await parts.try_again(
            intent, Outcome.PARTLY_CLOSED, reason, wait=timedelta(0), state=IntentState.DONE, quantity=left
        )
    return await parts.end(intent, IntentState.DONE, Outcome.CLOSED, f"the venue shows {held.quantity} after the close")
