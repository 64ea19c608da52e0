"""RecordOpening's request as the domain has it."""

from uuid import UUID

from protos.positions.v1 import positions_pb2
from services.common.errors import FieldInvalid
from services.common.trading.fill import Fill
from services.common.trading.reading import PositionKey
from services.positions.commands.openings import Opening
from services.positions.commands.orders import OpeningOrder, OrderNews
from services.positions.domain.position import Origin
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import fills_from_proto
from services.positions.rpc.stated import provenance_from, stated_from
from services.positions.rpc.vocabulary import amount_of, held, positive_of, required


def opening_from(request: positions_pb2.RecordOpeningRequest) -> Opening:
    """Raises FieldInvalid: for fills of another slot or direction as well."""
    opening = Opening(
        intent_id=_uuid_of(request.intent_id, "intent_id"),
        user_id=required(request.user_id, "user_id"),
        account_id=required(request.account_id, "account_id"),
        key=PositionKey(required(request.symbol, "symbol"), words.POSITION_SIDE.to_domain(request.position_side)),
        side=words.SIDE.to_domain(request.side),
        fills=fills_from_proto(request.fills),
        leverage=positive_of(request.leverage, "leverage") if request.leverage else None,
        origin=words.ORIGIN.to_domain(request.origin),
        provenance=provenance_from(request.provenance),
        stated=stated_from(request.stop_loss, request.take_profit),
        mark_price=amount_of(request.mark_price, "mark_price"),
    )
    if opening.origin is Origin.EXTERNAL:
        raise FieldInvalid(field="origin", problem="is neither flow nor manual")
    if opening.key.position_side.value not in ("both", opening.side.value):
        raise FieldInvalid(field="position_side", problem="is the leg of the other side")
    if not opening.fills:
        raise FieldInvalid(field="fills", problem="is required: what the order did")
    for fill in opening.fills:
        _check(opening, fill)
    return opening


def _check(opening: Opening, fill: Fill) -> None:
    if fill.symbol != opening.key.symbol or fill.position_side is not opening.key.position_side:
        raise FieldInvalid(field="fills", problem="belong to another position")
    if fill.order_side is not opening.side.opening:
        raise FieldInvalid(field="fills", problem="did not open a position of this side")


def _uuid_of(text: str, field: str) -> str:
    try:
        return str(UUID(required(text, field)))
    except ValueError:
        raise FieldInvalid(field=field, problem="is not a UUID") from None


def order_from(request: positions_pb2.RecordOrderRequest) -> OrderNews:
    """Raises FieldInvalid."""
    of: str | OpeningOrder = held(request.position_id, "position_id")
    if not of:
        of = OpeningOrder(
            required(request.account_id, "account_id"),
            required(request.symbol, "symbol"),
            words.POSITION_SIDE.to_domain(request.position_side),
            words.SIDE.to_domain(request.side),
        )
    return OrderNews(
        intent_id=required(request.intent_id, "intent_id"),
        of=of,
        client_order_id=required(request.client_order_id, "client_order_id"),
        order_id=held(request.order_id, "order_id"),
        order_side=words.ORDER_SIDE.to_domain(request.order_side),
        quantity=amount_of(request.quantity, "quantity"),
        status=words.ORDER_STATUS.to_domain(request.status),
        reason=held(request.reason, "reason"),
    )
