"""From PREPARED to an order at the venue.

Invariants: SENT is committed before the order is signed, and the order is signed as of a moment before that commit, so
that a sender that stalled in between is refused by the venue; what waited, or was left by another process, is checked
anew before it is sent, and not sent at all once it has expired.
"""

from dataclasses import replace

import structlog

from services.common.errors import Conflict, DomainError, Unavailable
from services.common.exchange.orders.gateway import MarketOrder
from services.common.exchange.orders.outcome import Filled, LeverageSet, PartiallyFilled, Rejected, Unresolved
from services.monitor.closing.parts import VenueSilent
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState
from services.monitor.opening.parts import OpeningParts
from services.monitor.opening.resolving import take_order

_log = structlog.get_logger(__name__)


async def send(parts: OpeningParts, opening: Opening, *, checked: bool) -> Opening:
    """Send the order of a prepared opening. `checked`: its plan was made just now."""
    if parts.clock.now() >= opening.expires_at:
        return await parts.fail(opening, OpeningOutcome.EXPIRED, "it could not be sent in time")
    plan = opening.plan
    try:
        if not checked:
            plan = await parts.planner.plan(opening.wish)
        credentials = await parts.keys.credentials(opening.wish.account_id)
    except (Unavailable, Conflict):
        raise
    except DomainError as error:
        return await parts.fail(opening, OpeningOutcome.REJECTED, f"{error.reason}: {error.message}")
    if plan.sets_leverage:
        leverage = int(plan.leverage)
        match await parts.orders.set_leverage(plan.venue, credentials, opening.wish.symbol, leverage):
            case LeverageSet():
                pass
            case Rejected() as rejected:
                return await parts.fail(opening, OpeningOutcome.REJECTED, f"leverage {leverage}: {_words(rejected)}")
            case Unresolved(why=why):
                raise VenueSilent(venue=plan.venue, why=why)
    signed_at = parts.clock.now()
    deadline = signed_at + parts.timing.receive_window
    sent = await parts.advance(opening, replace(opening, plan=plan, state=OpeningState.SENT, deadline=deadline))
    order = MarketOrder(
        sent.wish.symbol, sent.wish.side, plan.position_side, plan.quantity, client_order_id=sent.client_order_id
    )
    match await parts.orders.open_position(plan.venue, credentials, order, signed_at):
        case Filled(order=filled) | PartiallyFilled(order=filled):
            return await take_order(parts, sent, filled) or sent
        case Unresolved(why=why, order_id=order_id):
            _log.warning("opening order unresolved", intent_id=str(sent.intent_id), why=why, order_id=order_id)
            return sent if order_id is None else await parts.advance(sent, replace(sent, order_id=order_id))
        case Rejected() as rejected:
            _log.warning("opening order rejected", intent_id=str(sent.intent_id), why=_words(rejected))
            parts.keys.forget(sent.wish.account_id)
            return await parts.fail(sent, OpeningOutcome.REJECTED, _words(rejected))


def _words(rejected: Rejected) -> str:
    return f"{rejected.reason} {rejected.code} {rejected.message}".strip()
