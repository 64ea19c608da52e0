"""How attempts begin, and how one follows another.

Invariants: a position with an intent under way gets no second one; a version of a position that was settled gets none
either; a level that was refused waits until the price has recovered and crosses it anew, a person who asks does not; a
person is never answered with somebody's close of a part in place of the close that was asked for.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from services.monitor.domain.intent import Claim, Decision, Intent, IntentState, Outcome

REFUSED_PAUSE = timedelta(minutes=5)
"""How long a level is left alone after a refusal that repeating does not mend."""


@dataclass(frozen=True, slots=True)
class Settled:
    """No new order is needed: the last intent settled this version of the position."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Paused:
    """The venue refused the last order, and a level is not tried again before `until`."""

    intent: Intent
    until: datetime


@dataclass(frozen=True, slots=True)
class Joined:
    """An intent for this position is under way already, whatever its cause."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Begun:
    """A new intent."""

    intent: Intent


Opening = Settled | Paused | Joined | Begun


def answers(decision: Decision, opening: Opening) -> bool:
    """Whether what stands in a decision's stead does what was decided.

    The close of a part that is under way does not: who asked for more, or for another part, waits for its end and asks
    again. A level does so by itself.
    """
    return decision.request_id is None or not isinstance(opening, Joined) or opening.intent.whole


def begin(
    decision: Decision,
    last: Intent | None,
    *,
    attempt: int,
    intent_id: UUID,
    now: datetime,
    claim: Claim | None,
    deadline: datetime | None = None,
) -> Opening:
    """What a decision leads to, given the position's last intent and the number that an attempt would have.

    With a claim and a deadline a new intent begins as SENT.
    """
    sent = claim is not None and deadline is not None
    position = decision.position
    if last is not None and not last.state.over:
        return Joined(last)
    if last is not None and _settles(last, decision):
        return Settled(last)
    if last is not None and last.outcome is Outcome.REFUSED and decision.request_id is None and not decision.afresh:
        until = last.updated_at + REFUSED_PAUSE
        if now < until:
            return Paused(last, until)
    return Begun(
        Intent(
            intent_id=intent_id,
            closing_id=intent_id,
            position_id=position.position_id,
            position_version=position.version,
            user_id=position.user_id,
            account_id=position.account_id,
            venue=position.venue,
            symbol=position.symbol,
            position_side=position.position_side,
            side=position.side,
            quantity=position.quantity if decision.quantity is None else decision.quantity,
            cause=decision.cause,
            attempt=attempt,
            evidence=decision.evidence,
            state=IntentState.SENT if sent else IntentState.PREPARED,
            not_before=now,
            created_at=now,
            updated_at=now,
            claim=claim,
            deadline=deadline if sent else None,
            whole=decision.quantity is None or decision.quantity == position.quantity,
        )
    )


def _settles(last: Intent, decision: Decision) -> bool:
    """Whether the last intent leaves nothing to do of a decision. A part that was closed leaves the rest to a person
    who asks for it, though the books may not have that part yet.
    """
    if last.outcome is None or not last.outcome.settles or last.position_version < decision.position.version:
        return False
    return last.whole or last.outcome is not Outcome.CLOSED or decision.request_id is None


def follow_up(
    intent: Intent, intent_id: UUID, now: datetime, wait: timedelta, quantity: Decimal | None = None
) -> Intent:
    """The next attempt of the same decision, after a wait; for the same quantity unless another is given."""
    return replace(
        intent,
        intent_id=intent_id,
        attempt=intent.attempt + 1,
        quantity=intent.quantity if quantity is None else quantity,
        state=IntentState.PREPARED,
        not_before=now + wait,
        created_at=now,
        updated_at=now,
        deadline=None,
        order_id=None,
        fills=(),
        outcome=None,
        reason="",
    )
