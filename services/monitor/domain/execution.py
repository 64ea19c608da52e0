"""A flow's execution: it opens one position and lives until that has ended.

Invariants: an execution follows its opening until there is a position, and its position from then on, by version; each
step tells one fact and a fact is told once; what has ended stays ended, but for late truths: an order that had never
arrived comes to light, the fills of an estimated close are found, and what came of other advice may be known after the
books have the close. The advice that a close came of is told before the close.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.common.errors import Already, NotFound
from services.common.trading.exit_reason import ExitReason
from services.common.trading.level import LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.money import format_decimal
from services.common.trading.side import Side, Venue
from services.monitor.domain.intent import Intent
from services.monitor.domain.opening import Opening, OpeningState


class ExecutionNotFound(NotFound):
    """Execution {execution_id} does not exist."""


class ExecutionEnded(Already):
    """Execution {execution_id} has ended."""


class ExecutionState(StrEnum):
    """Where an execution stands."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
    """No position came of it."""
    UNRESOLVED = "unresolved"
    """Nobody knows whether its order took effect."""

    @property
    def ended(self) -> bool:
        return self in (ExecutionState.CLOSED, ExecutionState.FAILED)


class ExecutionStep(StrEnum):
    """What a step tells of."""

    OPENING = "opening"
    OPENED = "opened"
    LEVEL_MOVED = "level_moved"
    RESIZED = "resized"
    EVALUATED = "evaluated"
    CLOSING = "closing"
    CLOSE_REFUSED = "close_refused"
    CLOSED = "closed"
    RESULT_COMPLETED = "result_completed"
    FAILED = "failed"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How the position ended, as the books have it. Money in quote currency; None while no fills tell it."""

    reason: ExitReason
    cause: str
    executed_at: datetime
    estimated: bool
    price: Decimal | None = None
    quantity: Decimal | None = None
    fee: Decimal | None = None
    realized_pnl: Decimal | None = None
    realized_pnl_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was last seen of the position, in words that can be compared. `quantity` in base units."""

    quantity: Decimal
    stop_loss: str
    take_profit: str
    floor: str


@dataclass(frozen=True, slots=True)
class PositionSeen:
    """A version of a position, as the books tell it. `intent_id`: the opening whose order it came of."""

    position_id: str
    intent_id: UUID
    version: int
    is_open: bool
    quantity: Decimal
    entry_price: Decimal | None
    levels: LevelRules
    result: ExecutionResult | None

    @property
    def seen(self) -> Seen:
        levels = self.levels
        floor = "none" if levels.floor is None else format_decimal(levels.floor)
        return Seen(self.quantity, describe_rule(levels.stop_loss.rule), describe_rule(levels.take_profit.rule), floor)


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as it is now. `position_version` is the latest that it has taken in, `sequence` its latest step's.

    `stop_request_id`: somebody wants it stopped, and that has not come to its end.
    """

    execution_id: UUID
    intent_id: UUID
    user_id: str
    flow_id: str
    node_id: str
    account_id: str
    venue: Venue
    symbol: str
    side: Side
    state: ExecutionState
    started_at: datetime
    reason: str = ""
    position_id: str = ""
    position_version: int = 0
    seen: Seen | None = None
    ended_at: datetime | None = None
    result: ExecutionResult | None = None
    sequence: int = 0
    stop_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to an execution; `fact` names it, so that it is told once. `detail` is for people."""

    step: ExecutionStep
    fact: str
    happened_at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class ExecutionUpdate:
    """A step in its place."""

    sequence: int
    happened_at: datetime
    step: ExecutionStep
    detail: str


Followed = tuple[Execution, tuple[Step, ...]]


def start(opening: Opening, execution_id: UUID) -> Followed:
    """The execution of an opening that has just begun."""
    wish, plan = opening.wish, opening.plan
    execution = Execution(
        execution_id=execution_id,
        intent_id=opening.intent_id,
        user_id=wish.user_id,
        flow_id=wish.provenance.flow_id,
        node_id=wish.provenance.node_id,
        account_id=wish.account_id,
        venue=plan.venue,
        symbol=wish.symbol,
        side=wish.side,
        state=ExecutionState.OPENING,
        started_at=opening.created_at,
    )
    size = f"{wish.side} {format_decimal(plan.quantity)} {wish.symbol} on {plan.venue}"
    return execution, (Step(ExecutionStep.OPENING, "opening", opening.created_at, f"A {size} is being opened."),)


def follow_opening(execution: Execution, opening: Opening) -> Followed:
    """Take in another state of the opening."""
    at, told = opening.updated_at, execution.position_id != ""
    match opening.state:
        case OpeningState.UNRESOLVED if not told:
            step = Step(
                ExecutionStep.UNRESOLVED, "unresolved", at, f"Nobody tells what became of it: {opening.reason}."
            )
            return replace(execution, state=ExecutionState.UNRESOLVED, reason=opening.reason), (step,)
        case OpeningState.FAILED if not told:
            failed = replace(execution, state=ExecutionState.FAILED, reason=opening.reason, ended_at=at)
            step = Step(ExecutionStep.FAILED, f"failed {at.isoformat()}", at, f"Nothing was opened: {opening.reason}.")
            return replace(failed, stop_request_id=None), (step,)
        case OpeningState.SENT if execution.state is ExecutionState.FAILED:
            again = replace(execution, state=ExecutionState.OPENING, reason="", ended_at=None)
            detail = "The order that had never arrived is at the venue after all."
            return again, (Step(ExecutionStep.OPENING, f"opening {at.isoformat()}", at, detail),)
        case OpeningState.BOOKED if not told:
            worth = sum((fill.quantity * fill.price for fill in opening.fills), start=Decimal(0))
            price = format_decimal((worth / opening.filled_quantity).quantize(Decimal("0.00000001")))
            detail = f"Opened {format_decimal(opening.filled_quantity)} at {price}: {opening.position_id}."
            opened = replace(execution, state=_opened_state(execution), reason="", position_id=opening.position_id)
            return opened, (Step(ExecutionStep.OPENED, "opened", at, detail),)
        case _:
            return execution, ()


def is_news(execution: Execution, position: PositionSeen) -> bool:
    """Whether a version of a position tells an execution anything: it is its position, and newer than what it knows."""
    return position.version > execution.position_version and execution.position_id in ("", position.position_id)


def meet_position(execution: Execution, position: PositionSeen, at: datetime) -> Followed:
    """Take in that there is a position, where the opening has not told so yet."""
    if execution.position_id:
        return execution, ()
    price = "" if position.entry_price is None else f" at {format_decimal(position.entry_price)}"
    detail = f"Opened {format_decimal(position.quantity)}{price}: {position.position_id}."
    state = _opened_state(execution)
    met = replace(execution, state=state, reason="", ended_at=None, position_id=position.position_id)
    return met, (Step(ExecutionStep.OPENED, "opened", at, detail),)


def follow_position(execution: Execution, position: PositionSeen, at: datetime) -> Followed:
    """Take in a newer version of its position."""
    steps: list[Step] = []
    fact = f"version {position.version}"
    if position.is_open:
        steps += _changes(execution.seen, position.seen, fact, at)
    elif execution.state is not ExecutionState.CLOSED:
        result = position.result
        happened_at = at if result is None else result.executed_at
        detail = "Closed." if result is None else f"Closed: {_outcome(result)}."
        steps.append(Step(ExecutionStep.CLOSED, "closed", happened_at, detail))
        execution = replace(execution, state=ExecutionState.CLOSED, ended_at=at, result=result, stop_request_id=None)
    elif execution.result is not None and execution.result.estimated and position.result is not None:
        if not position.result.estimated:
            detail = f"The fills of its close were found: {_outcome(position.result)}."
            steps.append(Step(ExecutionStep.RESULT_COMPLETED, fact, at, detail))
        execution = replace(execution, result=position.result)
    return replace(execution, position_version=position.version, seen=position.seen), tuple(steps)


def begin_closing(execution: Execution, closing: Intent) -> Followed:
    """An order is about to close its position."""
    if execution.state is not ExecutionState.OPEN:
        return execution, ()
    return replace(execution, state=ExecutionState.CLOSING), (_closing(closing),)


def stop(execution: Execution, request_id: str, at: datetime) -> Followed:
    """Its position is to be closed because somebody said so. Raises ExecutionEnded."""
    if execution.state.ended:
        raise ExecutionEnded(execution_id=execution.execution_id)
    if execution.stop_request_id is not None:
        return execution, ()
    open_ = execution.state in (ExecutionState.OPEN, ExecutionState.CLOSING)
    state = ExecutionState.CLOSING if open_ else execution.state
    step = Step(ExecutionStep.CLOSING, f"stop {request_id}", at, "It was told to stop.")
    return replace(execution, state=state, stop_request_id=request_id), (step,)


def refuse_stop(execution: Execution, why: str, at: datetime) -> Followed:
    """The close that its stop asked for cannot be had: it goes on."""
    if execution.state.ended or execution.stop_request_id is None:
        return execution, ()
    step = Step(ExecutionStep.CLOSE_REFUSED, f"refused {execution.stop_request_id}", at, f"It was not closed: {why}")
    state = ExecutionState.OPEN if execution.state is ExecutionState.CLOSING else execution.state
    return replace(execution, state=state, stop_request_id=None), (step,)


def describe_rule(rule: LevelRule) -> str:
    """A level's rule in words."""
    match rule:
        case NoLevel():
            return "none"
        case Pinned(price):
            return format_decimal(price)
        case Trailing(distance):
            return f"trailing at {format_decimal(distance * 100)} %"


def _opened_state(execution: Execution) -> ExecutionState:
    return ExecutionState.OPEN if execution.stop_request_id is None else ExecutionState.CLOSING


def _changes(before: Seen | None, after: Seen, fact: str, at: datetime) -> list[Step]:
    if before is None:
        return []
    moved = [
        f"{name}: {old} → {new}"
        for name, old, new in (
            ("stop-loss", before.stop_loss, after.stop_loss),
            ("floor", before.floor, after.floor),
            ("take-profit", before.take_profit, after.take_profit),
        )
        if old != new
    ]
    steps = [Step(ExecutionStep.LEVEL_MOVED, fact, at, "; ".join(moved))] if moved else []
    if before.quantity != after.quantity:
        sizes = f"{format_decimal(before.quantity)} → {format_decimal(after.quantity)}"
        steps.append(Step(ExecutionStep.RESIZED, f"size of {fact}", at, f"quantity: {sizes}"))
    return steps


def _closing(closing: Intent) -> Step:
    evidence = closing.evidence
    at_price = "" if evidence.price is None else f" at {format_decimal(evidence.price)}"
    level = "" if evidence.level_price is None else f", past {format_decimal(evidence.level_price)}"
    detail = f"Closing: {closing.cause}{at_price}{level}."
    return Step(ExecutionStep.CLOSING, f"closing {closing.closing_id}", closing.created_at, detail)


def _outcome(result: ExecutionResult) -> str:
    words = [str(result.reason) if result.cause in ("", result.reason) else f"{result.reason} ({result.cause})"]
    if result.price is not None:
        words.append(f"at {format_decimal(result.price)}")
    if result.realized_pnl is not None:
        words.append(f"for {format_decimal(result.realized_pnl)} net")
    if result.estimated:
        words.append("(estimated: no fills tell it yet)")
    return " ".join(words)
