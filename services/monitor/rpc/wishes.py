"""Requests to open as the domain has them.

Invariant: what is taken here the books take as well: an order that was filled is not refused for the words beside it.
"""

from decimal import Decimal
from uuid import UUID

from protos.monitor.v1 import flows_pb2, monitor_pb2
from protos.positions.v1 import types_pb2
from services.common.errors import FieldInvalid
from services.common.fields import amount_of, held, number_of, object_of, positive_of, required, rule_from
from services.common.trading.level import LevelRule
from services.common.trading.side import Side
from services.monitor.domain.opening import (
    DEFAULT_STOP,
    DEFAULT_TARGET,
    OpeningOrigin,
    OpeningProvenance,
    Size,
    SizeKind,
    Wish,
)

LONGEST_REQUEST_ID = 200
_LONGEST_SYMBOL = 40
_LONGEST_REASONING = 20_000
_SIDES = {types_pb2.SIDE_LONG: Side.LONG, types_pb2.SIDE_SHORT: Side.SHORT}
_ORIGINS = {types_pb2.ORIGIN_FLOW: OpeningOrigin.FLOW, types_pb2.ORIGIN_MANUAL: OpeningOrigin.MANUAL}


def wish_of_opening(request: monitor_pb2.OpenPositionRequest) -> Wish:
    """Raises FieldInvalid."""
    provenance = request.provenance
    origin = _ORIGINS.get(request.origin)
    if origin is None:
        raise FieldInvalid(field="origin", problem="is neither flow nor manual")
    return _wish(
        request,
        origin,
        OpeningProvenance(
            flow_id=held(provenance.flow_id, "provenance.flow_id"),
            node_id=held(provenance.node_id, "provenance.node_id"),
            execution_id=held(provenance.execution_id, "provenance.execution_id"),
            agent=held(provenance.agent, "provenance.agent"),
            ai_reasoning=held(provenance.ai_reasoning, "provenance.ai_reasoning", _LONGEST_REASONING),
            ai_confidence=_share_of(provenance.ai_confidence, "provenance.ai_confidence"),
            market_conditions=_object_text(provenance.market_conditions, "provenance.market_conditions"),
        ),
    )


def wish_of_execution(request: flows_pb2.StartExecutionRequest) -> Wish:
    """Raises FieldInvalid."""
    return _wish(
        request,
        OpeningOrigin.FLOW,
        OpeningProvenance(
            flow_id=required(request.flow_id, "flow_id"),
            node_id=held(request.node_id, "node_id"),
            agent=held(request.agent, "agent"),
            ai_reasoning=held(request.ai_reasoning, "ai_reasoning", _LONGEST_REASONING),
            ai_confidence=_share_of(request.ai_confidence, "ai_confidence"),
            market_conditions=_object_text(request.market_conditions, "market_conditions"),
        ),
    )


def request_id_of(text: str) -> str:
    """What makes a write the same write. Raises FieldInvalid."""
    return required(text, "request_id", LONGEST_REQUEST_ID)


def execution_id_of(text: str) -> UUID | None:
    """None for what cannot be an execution's id. Raises FieldInvalid where there is none."""
    try:
        return UUID(required(text, "execution_id"))
    except ValueError:
        return None


def _wish(
    request: monitor_pb2.OpenPositionRequest | flows_pb2.StartExecutionRequest,
    origin: OpeningOrigin,
    provenance: OpeningProvenance,
) -> Wish:
    side = _SIDES.get(request.side)
    if side is None:
        raise FieldInvalid(field="side", problem="is neither long nor short")
    return Wish(
        user_id=required(request.user_id, "user_id"),
        account_id=required(request.account_id, "account_id"),
        symbol=required(request.symbol, "symbol", _LONGEST_SYMBOL),
        side=side,
        size=_size(request.WhichOneof("size"), request.quantity, request.notional, request.risk_percent),
        origin=origin,
        leverage=positive_of(request.leverage, "leverage") if request.leverage else None,
        stop_loss=_rule(request.stop_loss, DEFAULT_STOP),
        take_profit=_rule(request.take_profit, DEFAULT_TARGET),
        provenance=provenance,
    )


def _size(stated: str | None, quantity: str, notional: str, risk_percent: str) -> Size:
    match stated:
        case "quantity":
            return Size(SizeKind.QUANTITY, amount_of(quantity, stated))
        case "notional":
            return Size(SizeKind.NOTIONAL, amount_of(notional, stated))
        case "risk_percent":
            percent = positive_of(risk_percent, stated)
            if percent > 100:
                raise FieldInvalid(field=stated, problem="is above 100")
            return Size(SizeKind.RISK_PERCENT, percent)
        case _:
            raise FieldInvalid(field="size", problem="is required: a quantity, a notional or a risk percent")


def _rule(level: types_pb2.Level, default: LevelRule) -> LevelRule:
    name = level.WhichOneof("rule")
    return default if name is None else rule_from(name, level.pinned.price, level.trailing.distance)


def _share_of(text: str, field: str) -> Decimal | None:
    if not text:
        return None
    number = number_of(text, field)
    if not 0 <= number <= 1:
        raise FieldInvalid(field=field, problem="is not between 0 and 1")
    return number


def _object_text(text: str, field: str) -> str:
    object_of(text, field)
    return text
