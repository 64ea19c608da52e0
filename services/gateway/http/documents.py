"""A position as a whole: what the document routes answer and what the WebSocket pushes."""

from decimal import Decimal

import msgspec

from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import live_pb2, types_pb2
from services.gateway.http import words
from services.gateway.http.json import (
    Document,
    number,
    optional_instant,
    optional_number,
    optional_percent,
    raw_object,
)
from services.gateway.http.operations import ReadWarning


class LevelDocument(Document, kw_only=True, frozen=True):
    """The rule of a level: `trailing` at a `distance` (a fraction of the price), `pinned` at a `price`, or `none`."""

    rule: str
    distance: Decimal | None
    price: Decimal | None
    enforced: bool
    armed_at: str | None
    armed_mark: Decimal | None


class ExitDocument(Document, kw_only=True, frozen=True):
    """How a position ended. Figures are null while no fills tell them; `pnl` is net of fees and funding."""

    price: Decimal | None
    quantity: Decimal | None
    fee: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None
    reason: str
    cause: str | None
    executed_at: str | None
    estimated: bool


class EntryDocument(Document, kw_only=True, frozen=True):
    """How a position was opened, as the books have it. `totalValue`, `margin` and `fee` are quote currency."""

    price: Decimal | None
    size: Decimal | None
    leverage: Decimal | None
    margin: Decimal | None
    total_value: Decimal | None
    fee: Decimal | None
    timestamp: str | None
    ai_reasoning: str | None
    ai_confidence: Decimal | None
    market_conditions: msgspec.Raw | None


class TrailingStopDocument(Document, kw_only=True, frozen=True):
    """A stop that follows the price at a `distance` (a fraction of it), and who set it: user, flow or ai."""

    enabled: bool
    distance: Decimal | None
    adjusted_by: str | None


class AdviceDocument(Document, kw_only=True, frozen=True):
    """An AI's advice to close, `urgency` low, medium or high. Advice closes nothing."""

    reason: str
    urgency: str
    confidence: Decimal | None
    given_at: str | None


class AiManagementDocument(Document, kw_only=True, frozen=True):
    """What is managed of a position's levels, as the books alone can tell."""

    current_stop_loss: Decimal | None
    current_take_profit: Decimal | None
    trailing_stop: TrailingStopDocument
    should_close: AdviceDocument | None


class PositionDocument(Document, kw_only=True, frozen=True):
    """A position in the books. `exit` is null while it is open."""

    id: str
    account_id: str
    exchange: str
    symbol: str
    position_side: str
    side: str
    status: str
    origin: str
    managed: bool
    quantity: Decimal
    entry_price: Decimal
    leverage: Decimal | None
    opened_at: str | None
    stop_loss: LevelDocument
    take_profit: LevelDocument
    floor: Decimal | None
    exit: ExitDocument | None
    version: int
    flow_id: str | None
    node_id: str | None
    execution_id: str | None
    agent: str | None
    entry: EntryDocument
    ai_management: AiManagementDocument | None
    realized_pnl: Decimal | None
    funding: Decimal | None
    plan: str | None
    commission_percent: Decimal | None
    commission: Decimal | None
    trigger_price: str


class MarkDocument(Document, kw_only=True, frozen=True):
    """What a position is worth at a mark price. `pnl` is unrealised, without fees and funding."""

    id: str
    current_price: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None
    stop_loss: Decimal | None


class ProvenanceDocument(Document, kw_only=True, frozen=True):
    """What a position came of: the flow, its node and execution, and what an AI said to it."""

    flow_id: str | None
    node_id: str | None
    execution_id: str | None
    agent: str | None
    ai_reasoning: str | None
    ai_confidence: Decimal | None
    market_conditions: msgspec.Raw | None


class LiveDocument(Document, kw_only=True, frozen=True):
    """What the venue says of an open position now; the levels are the prices that hold now.

    `riskLevel` (low, medium, high) goes by the distance to liquidation; `marginLevel` is the account's maintenance
    margin as a fraction of its equity (1 is liquidation); `ageSeconds` is how old the venue's word is. `commission` is
    what the plan would take of the profit now; `triggerPrice` (mark, last) is the price that levels go by.
    """

    current_price: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    leverage: Decimal | None
    liquidation_price: Decimal | None
    notional: Decimal | None
    margin: Decimal | None
    margin_level: Decimal | None
    risk_level: str | None
    in_sync: bool
    out_of_sync_reasons: list[str]
    guarded: bool
    unguarded_reason: str | None
    data_source: str
    age_seconds: float
    plan: str | None
    commission: Decimal | None
    origin: str | None
    provenance: ProvenanceDocument | None
    trigger_price: str
    should_close: AdviceDocument | None


class PositionAnswer(Document, kw_only=True, frozen=True):
    """One position. `live` is null for a closed one, and where the venue was not read; `warnings` then says why."""

    success: bool = True
    position: PositionDocument
    live: LiveDocument | None
    data_source: str = "database"
    warnings: list[ReadWarning] | msgspec.UnsetType = msgspec.UNSET


class LevelAnswer(Document, kw_only=True, frozen=True):
    """The position after a change of its levels. `notes` say what to know of a level that was taken all the same."""

    success: bool = True
    position: PositionDocument
    data_source: str = "database"
    notes: list[str] | msgspec.UnsetType = msgspec.UNSET


def position_document(position: types_pb2.Position) -> PositionDocument:
    return PositionDocument(
        id=position.position_id,
        account_id=position.account_id,
        exchange=words.exchange(position.exchange),
        symbol=position.symbol,
        position_side=words.position_side(position.position_side),
        side=words.side(position.side),
        status=words.status(position.status),
        origin=words.origin(position.origin),
        managed=position.managed,
        quantity=number(position.quantity),
        entry_price=number(position.entry_price),
        leverage=optional_number(position.leverage),
        opened_at=optional_instant(position.opened_at, present=position.HasField("opened_at")),
        stop_loss=level_document(position.levels.stop_loss),
        take_profit=level_document(position.levels.take_profit),
        floor=optional_number(position.levels.floor),
        exit=exit_document(position.exit) if position.HasField("exit") else None,
        version=position.version,
        flow_id=position.provenance.flow_id or None,
        node_id=position.provenance.node_id or None,
        execution_id=position.provenance.execution_id or None,
        agent=position.provenance.agent or None,
        entry=_entry(position),
        ai_management=_ai_management(position.ai_management) if position.HasField("ai_management") else None,
        realized_pnl=optional_number(position.realized_pnl),
        funding=optional_number(position.funding),
        plan=position.plan or None,
        commission_percent=optional_number(position.commission_percent),
        commission=optional_number(position.commission),
        trigger_price=words.trigger_price(position.trigger_price),
    )


def mark_document(mark: monitor_events.PositionMarked) -> MarkDocument:
    return MarkDocument(
        id=mark.position_id,
        current_price=optional_number(mark.mark_price),
        pnl=optional_number(mark.unrealized_pnl),
        pnl_percent=optional_percent(mark.unrealized_pnl_percent),
        stop_loss=optional_number(mark.stop_loss),
    )


def live_document(position: live_pb2.LivePosition) -> LiveDocument:
    return LiveDocument(
        current_price=optional_number(position.current_price),
        pnl=optional_number(position.pnl),
        pnl_percent=optional_percent(position.pnl_percent),
        stop_loss=optional_number(position.stop_loss),
        take_profit=optional_number(position.take_profit),
        leverage=optional_number(position.leverage),
        liquidation_price=optional_number(position.liquidation_price),
        notional=optional_number(position.notional),
        margin=optional_number(position.initial_margin),
        margin_level=optional_number(position.margin_level),
        risk_level=words.risk_level(position.risk_level),
        in_sync=position.in_sync,
        out_of_sync_reasons=list(position.out_of_sync_reasons),
        guarded=position.guarded,
        unguarded_reason=position.unguarded_reason or None,
        data_source=words.data_source(position.data_source),
        age_seconds=round(position.age_seconds, 3),
        plan=position.plan or None,
        commission=optional_number(position.commission),
        origin=words.origin(position.origin) if position.origin else None,
        provenance=_provenance(position.provenance) if position.HasField("provenance") else None,
        trigger_price=words.trigger_price(position.trigger_price),
        should_close=_advice(position.should_close) if position.HasField("should_close") else None,
    )


def _provenance(origin: types_pb2.Provenance) -> ProvenanceDocument:
    return ProvenanceDocument(
        flow_id=origin.flow_id or None,
        node_id=origin.node_id or None,
        execution_id=origin.execution_id or None,
        agent=origin.agent or None,
        ai_reasoning=origin.ai_reasoning or None,
        ai_confidence=optional_number(origin.ai_confidence),
        market_conditions=raw_object(origin.market_conditions),
    )


def level_document(level: types_pb2.Level) -> LevelDocument:
    armed = level.HasField("armed_at")
    return LevelDocument(
        rule=level.WhichOneof("rule") or "none",
        distance=optional_number(level.trailing.distance),
        price=optional_number(level.pinned.price),
        enforced=armed,
        armed_at=optional_instant(level.armed_at, present=armed),
        armed_mark=optional_number(level.armed_mark),
    )


def _entry(position: types_pb2.Position) -> EntryDocument:
    entry, origin = position.entry, position.provenance
    return EntryDocument(
        price=optional_number(entry.price),
        size=optional_number(entry.size),
        leverage=optional_number(entry.leverage),
        margin=optional_number(entry.margin),
        total_value=optional_number(entry.total_value),
        fee=optional_number(entry.fee),
        timestamp=optional_instant(entry.executed_at, present=entry.HasField("executed_at")),
        ai_reasoning=origin.ai_reasoning or None,
        ai_confidence=optional_number(origin.ai_confidence),
        market_conditions=raw_object(origin.market_conditions),
    )


def _ai_management(management: types_pb2.AiManagement) -> AiManagementDocument:
    return AiManagementDocument(
        current_stop_loss=optional_number(management.current_stop_loss),
        current_take_profit=optional_number(management.current_take_profit),
        trailing_stop=TrailingStopDocument(
            enabled=management.trailing_stop_enabled,
            distance=optional_number(management.trailing_stop_distance),
            adjusted_by=words.author(management.trailing_stop_adjusted_by),
        ),
        should_close=_advice(management.should_close) if management.HasField("should_close") else None,
    )


def _advice(advice: types_pb2.CloseAdvice) -> AdviceDocument:
    return AdviceDocument(
        reason=advice.reason,
        urgency=words.urgency(advice.urgency),
        confidence=optional_number(advice.confidence),
        given_at=optional_instant(advice.given_at, present=advice.HasField("given_at")),
    )


def exit_document(end: types_pb2.Exit) -> ExitDocument:
    return ExitDocument(
        price=optional_number(end.price),
        quantity=optional_number(end.quantity),
        fee=optional_number(end.fee),
        pnl=optional_number(end.realized_pnl),
        pnl_percent=optional_percent(end.realized_pnl_percent),
        reason=words.exit_reason(end.reason),
        cause=end.cause or None,
        executed_at=optional_instant(end.executed_at, present=end.HasField("executed_at")),
        estimated=end.estimated,
    )
