"""What became of an order that was, or may have been, sent.

Invariants: an order that is not known to the venue is given up only after it was asked for twice, apart from each other
and both after the venue can still take it; an answer that is not complete is no answer.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from services.common.errors import Conflict, DomainError, PositionNotFound, Unavailable
from services.common.exchange.credentials import Credentials
from services.common.exchange.orders.outcome import Found, NotFound, OrderStatus, Unresolved, VenueOrder
from services.monitor.closing.parts import Parts, VenueSilent
from services.monitor.closing.reporting import OrderStanding
from services.monitor.domain.intent import Intent, IntentState, Outcome

_log = structlog.get_logger(__name__)

ABSENCES_NEEDED = 2
_LOOK_BACK = timedelta(minutes=1)
"""Orders are looked for from this long before they were signed: the venue's clock is not ours."""


async def resolve(parts: Parts, intent: Intent) -> Intent:
    """Find the order of a sent intent, and follow it until it has ended."""
    try:
        credentials = await parts.keys.credentials(intent.account_id)
    except (Unavailable, Conflict):
        raise
    except DomainError as error:
        if await _is_open(parts, intent):
            raise
        # The account has no key to ask with any more, and nothing is left to close: there is no end to wait for.
        reason = f"the books had closed it before its order could be looked up: {error.reason}"
        return await parts.end(intent, IntentState.FAILED, Outcome.NOT_OPEN, reason)
    return await _follow(parts, intent, credentials)


async def _follow(parts: Parts, intent: Intent, credentials: Credentials) -> Intent:
    gone_after = _deadline(intent) + parts.timing.settling
    if intent.order_id is None:
        await parts.wait_until(gone_after)
    absences = asked = 0
    while True:
        asked += 1
        match await _find(parts, intent, credentials):
            case Found(order=order):
                taken = await take_order(parts, intent, order)
                if taken is not None:
                    if taken.state is IntentState.FILLED:
                        parts.report(taken, OrderStanding.FILLED)
                    return taken
                await parts.poll(asked)
            case NotFound():
                if parts.clock.now() < gone_after:
                    await parts.wait_until(gone_after)
                    continue
                absences += 1
                if absences >= ABSENCES_NEEDED:
                    reason = "the venue has no order of that id"
                    wait = timedelta(0) if intent.attempt == 1 else parts.timing.backoff.delay(intent.attempt)
                    return await parts.try_again(intent, Outcome.NEVER_ARRIVED, reason, wait=wait)
                await parts.pause(parts.timing.asking.total_seconds())
            case Unresolved(why=why):
                raise VenueSilent(venue=intent.venue, why=why)


async def take_order(parts: Parts, intent: Intent, order: VenueOrder) -> Intent | None:
    """Move the intent on by what its order did; None where that is not known in full yet."""
    if order.status is OrderStatus.OPEN:
        return None
    if order.filled_quantity == 0:
        reason = f"the venue ended the order without a fill: {order.note}".rstrip(": ")
        wait = parts.timing.backoff.delay(intent.attempt)
        return await parts.try_again(intent, Outcome.NOT_FILLED, reason, wait=wait)
    if not order.fills_complete:
        return None
    filled = replace(intent, state=IntentState.FILLED, order_id=order.order_id, fills=order.fills)
    return await parts.advance(intent, filled)


async def look_for_earlier(parts: Parts, intent: Intent, credentials: Credentials, reason: str) -> Intent:
    """The venue has no such position: where an earlier order of ours took it after all, its fills are this intent's.

    What others did is for reconciliation to tell, which is asked for at once: only it sees all of the account's fills,
    and which of them the books have.
    """
    for earlier in await parts.intents.earlier(intent):
        match await _find(parts, earlier, credentials):
            case Found(order=order) if order.filled_quantity > 0:
                if not order.fills_complete:
                    raise VenueSilent(venue=intent.venue, why="the fills of an order are not listed in full yet")
                _log.warning("an order came to light late", intent_id=str(earlier.intent_id), order_id=order.order_id)
                late = replace(intent, state=IntentState.FILLED, order_id=order.order_id, fills=order.fills)
                return await parts.advance(intent, replace(late, reason=reason))
            case Unresolved(why=why):
                raise VenueSilent(venue=intent.venue, why=why)
    over = await parts.end(intent, IntentState.FAILED, Outcome.GONE, reason)
    await parts.stir(over)
    return over


async def _is_open(parts: Parts, intent: Intent) -> bool:
    try:
        return (await parts.books.get_position(intent.position_id)).is_open
    except PositionNotFound:
        return False


async def _find(parts: Parts, intent: Intent, credentials: Credentials) -> Found | NotFound | Unresolved:
    since = _deadline(intent) - parts.timing.receive_window - _LOOK_BACK
    return await parts.orders.find_order(intent.venue, credentials, intent.symbol, intent.client_order_id, since)


def _deadline(intent: Intent) -> datetime:
    return intent.deadline if intent.deadline is not None else intent.updated_at
