"""Carries an opening one state further, from wherever it stands."""

from dataclasses import replace

from services.common.errors import DomainError, TransactionConflict, Unavailable, VersionConflict
from services.monitor.domain.opening import Opening, OpeningOutcome, OpeningState
from services.monitor.opening.parts import OnBooked, OpeningParts
from services.monitor.opening.resolving import resolve
from services.monitor.opening.sending import send


async def step(parts: OpeningParts, on_booked: OnBooked, opening: Opening, *, checked: bool) -> Opening:
    """The next state of an opening. `checked`: it was begun here just now, so its plan need not be made anew."""
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
    """Hand the fills to the books, whose answer is the position; raises until they have them.

    What they refuse may fit once they are reconciled with the venue, which is asked for; somebody is told of it.
    """
    try:
        position = await parts.books.record_opening(opening)
    except (Unavailable, TransactionConflict, VersionConflict):
        raise
    except DomainError as error:
        if not opening.reason:
            opening = await parts.advance(opening, replace(opening, reason=f"the books refuse it: {error.message}"))
        await parts.stir(opening)
        raise
    booked = replace(
        opening, state=OpeningState.BOOKED, outcome=OpeningOutcome.OPENED, position_id=position.position_id, reason=""
    )
    booked = await parts.advance(opening, booked)
    on_booked(booked, position)
    return booked
