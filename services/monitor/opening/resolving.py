"""What became of the order of an opening that was, or may have been, sent.

Invariants: an order is said never to have arrived only after the venue has denied it twice, apart from each other and
both after it can still take it; as long as the venue says nothing, nothing is concluded, and nothing is sent.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from services.common.errors import DomainError
from services.common.exchange.orders.outcome import Found, NotFound, OrderLookup, OrderStatus, Unresolved, VenueOrder
from services.monitor.closing.parts import VenueSilent
from services.monitor.closing.resolving import ABSENCES_NEEDED
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState
from services.monitor.opening.parts import OpeningParts

_log = structlog.get_logger(__name__)

_LOOK_BACK = timedelta(minutes=1)
"""Orders are looked for from this long before they were signed: the venue's clock is not ours."""


async def resolve(parts: OpeningParts, opening: Opening) -> Opening:
    """Find the order, and follow it until it has ended. Raises VenueSilent where the venue does not tell."""
    gone_after = _deadline(opening) + parts.timing.settling
    if opening.order_id is None:
        await parts.wait_until(gone_after)
    absences = asked = 0
    while True:
        asked += 1
        match await _find(parts, opening):
            case Found(order=order):
                taken = await take_order(parts, opening, order)
                if taken is not None:
                    return taken
                late = await _tell_if_late(parts, opening, gone_after, "the order is not filled yet")
                if late is not opening:
                    return late
                await parts.poll(asked)
            case NotFound():
                if parts.clock.now() < gone_after:
                    await parts.wait_until(gone_after)
                    continue
                absences += 1
                if absences >= ABSENCES_NEEDED:
                    reason = "the order never arrived: the venue has none of that id"
                    return await parts.fail(opening, OpeningOutcome.NEVER_ARRIVED, reason)
                await parts.pause(parts.timing.asking.total_seconds())
            case Unresolved(why=why):
                late = await _tell_if_late(parts, opening, gone_after, why)
                if late is not opening:
                    return late
                raise VenueSilent(venue=opening.plan.venue, why=why)


async def take_order(parts: OpeningParts, opening: Opening, order: VenueOrder) -> Opening | None:
    """Move the opening on by what its order did; None where that is not known in full yet."""
    if order.status is OrderStatus.OPEN:
        return None
    if order.filled_quantity == 0:
        reason = f"the venue ended the order without a fill: {order.note}".rstrip(": ")
        return await parts.fail(opening, OpeningOutcome.NOT_FILLED, reason)
    if not order.fills_complete:
        return None
    return await parts.advance(
        opening,
        replace(
            opening, state=OpeningState.FILLED, order_id=order.order_id, fills=order.fills, outcome=None, reason=""
        ),
    )


async def _find(parts: OpeningParts, opening: Opening) -> OrderLookup:
    try:
        credentials = await parts.keys.credentials(opening.wish.account_id)
    except DomainError as error:
        return Unresolved(f"there is no key to ask with: {error.reason}")
    since = _deadline(opening) - parts.timing.receive_window - _LOOK_BACK
    return await parts.orders.find_order(
        opening.plan.venue, credentials, opening.wish.symbol, opening.client_order_id, since
    )


async def _tell_if_late(parts: OpeningParts, opening: Opening, gone_after: datetime, why: str) -> Opening:
    """Say that nobody knows, once that has lasted."""
    if opening.state is OpeningState.UNRESOLVED or parts.clock.now() < gone_after + parts.unresolved_after:
        return opening
    _log.warning("opening unresolved", intent_id=str(opening.intent_id), why=why)
    return await parts.advance(opening, replace(opening, state=OpeningState.UNRESOLVED, reason=why))


def _deadline(opening: Opening) -> datetime:
    return opening.deadline if opening.deadline is not None else opening.updated_at
