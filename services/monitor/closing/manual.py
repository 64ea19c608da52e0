"""A person asks to close a position or a part of it: the same closing as any other, and an answer to wait for."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from services.common.clock import Clock
from services.common.errors import FieldInvalid, PositionAlreadyClosed, TradingNotEnabled
from services.common.trading.client_order_id import OrderCause
from services.common.trading.fill import summarize_exit
from services.monitor.closing.ports import Books, Intents, TradingKeys
from services.monitor.domain.attempts import Opening, answers
from services.monitor.domain.errors import CloseRejected, CloseUnresolved
from services.monitor.domain.intent import Decision, Evidence, Intent, Outcome

LONGEST_REQUEST_ID = 200


@dataclass(frozen=True, slots=True)
class Closed:
    """What a close came to. `exit_price` in quote currency, volume-weighted; `quantity` in base units."""

    intent_id: UUID
    position_id: str
    exit_price: Decimal
    quantity: Decimal


class Closes(Protocol):
    """Who closes positions."""

    async def close(self, decision: Decision) -> Opening: ...

    async def wait(self, closing_id: UUID, *, until_over: bool = False) -> Intent: ...


class ManualCloses:
    """Closes positions for their users. The same request id of a user is the same close."""

    def __init__(
        self, intents: Intents, closes: Closes, books: Books, keys: TradingKeys, clock: Clock, *, wait_seconds: float
    ) -> None:
        self._intents = intents
        self._closes = closes
        self._books = books
        self._keys = keys
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def close(self, user_id: str, position_id: str, request_id: str, quantity: Decimal | None = None) -> Closed:
        """Close a position, or that quantity of it (base units), and wait for it; first for a part that another closes.

        Raises PositionNotFound (another user's as well), PositionAlreadyClosed, TradingNotEnabled, CloseRejected,
        CloseUnresolved (the close goes on), FieldInvalid, and what is unavailable.
        """
        for field, value in (("user_id", user_id), ("position_id", position_id), ("request_id", request_id)):
            if not value:
                raise FieldInvalid(field=field, problem="is empty")
        if len(request_id) > LONGEST_REQUEST_ID:
            raise FieldInvalid(field="request_id", problem=f"is longer than {LONGEST_REQUEST_ID} characters")
        until = asyncio.get_running_loop().time() + self._wait_seconds
        while (known := await self._intents.requested(user_id, request_id)) is None:
            decision = await self._decide(user_id, position_id, request_id, quantity)
            opening = await self._closes.close(decision)
            if answers(decision, opening):
                known = opening.intent
                break
            await self._wait(opening.intent.closing_id, until, until_over=True)
        if known.position_id != position_id:
            raise FieldInvalid(field="request_id", problem="was used for another position")
        return await self._answer(await self._wait(known.closing_id, until))

    async def _wait(self, closing_id: UUID, until: float, *, until_over: bool = False) -> Intent:
        try:
            async with asyncio.timeout_at(until):
                return await self._closes.wait(closing_id, until_over=until_over)
        except TimeoutError:
            raise CloseUnresolved from None

    async def _decide(self, user_id: str, position_id: str, request_id: str, quantity: Decimal | None) -> Decision:
        position = await self._books.get_position(position_id, user_id)
        if not position.is_open:
            raise PositionAlreadyClosed(position_id=position_id)
        if quantity is not None and not 0 < quantity <= position.quantity:
            raise FieldInvalid(field="quantity", problem=f"is not above 0 and at most {position.quantity}")
        await self._keys.credentials(position.account_id)
        return Decision(position, OrderCause.MANUAL, Evidence(self._clock.now()), request_id, quantity)

    async def _answer(self, intent: Intent) -> Closed:
        match intent.outcome:
            case Outcome.NOT_OPEN | Outcome.GONE:
                raise PositionAlreadyClosed(position_id=intent.position_id)
            case Outcome.REFUSED if intent.reason == TradingNotEnabled.reason:
                raise TradingNotEnabled(account_id=intent.account_id)
            case Outcome.REFUSED:
                raise CloseRejected(why=intent.reason)
        attempts = await self._intents.attempts(intent.closing_id)
        exit_ = summarize_exit(fill for attempt in attempts for fill in attempt.fills)
        if exit_ is None:
            raise CloseRejected(why=intent.reason or "nothing was filled")
        return Closed(intent.intent_id, intent.position_id, exit_.price, exit_.quantity)
