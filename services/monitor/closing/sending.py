"""From PREPARED to an order at the venue.

Invariants: SENT is committed before the order is signed, and the order is signed as of a moment before that commit, so
that a sender that stalled in between is refused by the venue; an intent that waited, or that another process left, is
held against the books before it is sent. Where the key is at hand, an intent begins as SENT: one write before the
order.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from services.common.errors import Conflict, DomainError, PositionNotFound, Unavailable
from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import Filled, PartiallyFilled, Rejected, Unresolved
from services.common.trading.reading import VenuePosition
from services.monitor.closing.parts import Parts
from services.monitor.closing.reporting import OrderStanding
from services.monitor.closing.resolving import look_for_earlier, take_order
from services.monitor.domain.intent import Intent, IntentState, Outcome
from services.monitor.domain.rejection import Remedy, remedy

_log = structlog.get_logger(__name__)

READINGS_OF_AN_ABSENCE = 3
"""How often the venue is asked for a position of which it says that there is nothing to reduce. Resting orders make it
say so too, and a list may lag behind.
"""


async def send(parts: Parts, intent: Intent, *, checked: bool) -> Intent:
    """Send the order of a prepared intent. `checked`: the books were heard just now, so they need not be asked."""
    await parts.wait_until(intent.not_before)
    quantity, version = intent.quantity, intent.position_version
    if not checked:
        try:
            position = await parts.books.get_position(intent.position_id)
        except PositionNotFound as error:
            return await parts.end(intent, IntentState.FAILED, Outcome.NOT_OPEN, error.message)
        quantity = position.quantity if intent.whole else min(intent.quantity, position.quantity)
        if not position.is_open:
            left = await _left_at_the_venue(parts, intent)
            if left <= 0:
                return await parts.end(intent, IntentState.FAILED, Outcome.NOT_OPEN, "the books had closed it")
            quantity = left
        version = position.version
    try:
        credentials = await parts.keys.credentials(intent.account_id)
    except (Unavailable, Conflict):
        raise
    except DomainError as error:
        return await parts.end(intent, IntentState.FAILED, Outcome.REFUSED, error.reason)
    signed_at = parts.clock.now()
    sent = await parts.advance(
        intent,
        replace(
            intent,
            state=IntentState.SENT,
            quantity=quantity,
            position_version=version,
            deadline=signed_at + parts.timing.receive_window,
        ),
    )
    return await dispatch(parts, sent, credentials, signed_at)


async def send_first(parts: Parts, intent: Intent) -> Intent:
    """Send the order of an intent that this process has just begun as SENT: nothing was sent for it yet."""
    credentials = await parts.keys.credentials(intent.account_id)
    return await dispatch(parts, intent, credentials, intent.created_at)


async def dispatch(parts: Parts, sent: Intent, credentials: Credentials, signed_at: datetime) -> Intent:
    """Sign and send, and move the intent on by what the venue answers."""
    order = MarketOrder(sent.symbol, sent.side, sent.position_side, sent.quantity, sent.client_order_id)
    if parts.meter is not None:
        parts.meter.sending(sent)
    outcome = await parts.orders.close_position(sent.venue, credentials, order, signed_at)
    match outcome:
        case Filled(order=filled) | PartiallyFilled(order=filled):
            return await take_order(parts, sent, filled) or sent
        case Unresolved(why=why, order_id=order_id):
            _log.warning("order unresolved", intent_id=str(sent.intent_id), why=why, order_id=order_id)
            parts.report(sent, OrderStanding.PENDING)
            return sent if order_id is None else await parts.advance(sent, replace(sent, order_id=order_id))
        case Rejected():
            return await _rejected(parts, sent, credentials, outcome)


async def _left_at_the_venue(parts: Parts, intent: Intent) -> Decimal:
    """What an earlier attempt of this decision left of a position of which the books knew a part only."""
    attempts = await parts.intents.attempts(intent.closing_id)
    fills = [fill for attempt in attempts for fill in attempt.fills]
    if not fills or not intent.whole:
        return Decimal(0)
    credentials = await parts.keys.credentials(intent.account_id)
    held = await parts.held(intent, credentials)
    return Decimal(0) if held is None else await parts.left(intent, fills, credentials, held)


async def _look(parts: Parts, intent: Intent, credentials: Credentials) -> VenuePosition | None:
    """The position, None where several readings lack it: what is taken for gone is not guarded any more."""
    held = await parts.held(intent, credentials)
    for _ in range(READINGS_OF_AN_ABSENCE - 1):
        if held is not None:
            break
        await parts.pause(parts.timing.polling.total_seconds())
        held = await parts.held(intent, credentials)
    return held


async def _rejected(parts: Parts, intent: Intent, credentials: Credentials, rejected: Rejected) -> Intent:
    reason = " ".join(part for part in (rejected.reason.value, rejected.code, rejected.message) if part)
    _log.warning("order rejected", intent_id=str(intent.intent_id), position_id=intent.position_id, why=reason)
    wait = parts.timing.backoff.delay(intent.attempt)
    match remedy(rejected.reason, first=intent.intent_id == intent.closing_id):
        case Remedy.LOOK:
            held = await _look(parts, intent, credentials)
            if held is None:
                return await look_for_earlier(parts, intent, credentials, reason)
            await parts.sweep(intent, credentials)
            quantity = held.quantity if intent.whole else min(intent.quantity, held.quantity)
            return await parts.try_again(intent, Outcome.BLOCKED, reason, wait=wait, quantity=quantity)
        case Remedy.CLEAR:
            await parts.sweep(intent, credentials)
            return await parts.try_again(intent, Outcome.BLOCKED, reason, wait=wait)
        case Remedy.WAIT:
            parts.keys.forget(intent.account_id)
            if rejected.retry_at is not None:
                wait = max(wait, rejected.retry_at - parts.clock.now(), timedelta(0))
            return await parts.try_again(intent, Outcome.POSTPONED, reason, wait=wait)
        case Remedy.GIVE_UP:
            return await parts.end(intent, IntentState.FAILED, Outcome.REFUSED, reason)
