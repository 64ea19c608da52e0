"""Somebody asks to open a position and waits for it: the same opening as a flow's."""

import asyncio

from services.common.errors import FieldInvalid
from services.monitor.domain.opening import Opening, OpeningState, Wish
from services.monitor.domain.opening_errors import OpenRejected, OpenUnresolved
from services.monitor.opening.opener import Opener
from services.monitor.opening.planning import Planner
from services.monitor.opening.ports import Openings


class ManualOpens:
    """Opens positions for those who wait. The same request id of a user is the same opening."""

    def __init__(self, openings: Openings, planner: Planner, opener: Opener, *, wait_seconds: float) -> None:
        self._openings = openings
        self._planner = planner
        self._opener = opener
        self._wait_seconds = wait_seconds

    async def open(self, wish: Wish, request_id: str) -> Opening:
        """Open a position and wait until the books have it.

        Raises what `Planner.plan` and `Opener.begin` raise, OpenRejected where nothing was opened, OpenUnresolved where
        that is not known yet, and FieldInvalid where the request id was used for another.
        """
        key = f"open {request_id}"
        known = await self._openings.requested(wish.user_id, key)
        if known is None:
            known = await self._opener.begin(wish, await self._planner.plan(wish), key)
        if not known.same_wish(wish):
            raise FieldInvalid(field="request_id", problem="was used for another opening")
        try:
            async with asyncio.timeout(self._wait_seconds):
                over = await self._opener.wait(known.intent_id)
        except TimeoutError:
            raise OpenUnresolved from None
        if over.state is OpeningState.UNRESOLVED:
            raise OpenUnresolved
        if over.state is OpeningState.FAILED:
            raise OpenRejected(why=over.reason)
        return over
