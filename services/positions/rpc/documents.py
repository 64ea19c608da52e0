"""Timelines and transactions as messages of the contract."""

from protos.positions.v1 import positions_pb2
from services.common.trading.exit_reason import exit_reason
from services.positions.domain.order import SentOrder
from services.positions.domain.timeline import TimelineEntry
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import levels_to_proto
from services.positions.rpc.vocabulary import stamp_of, text_of
from services.positions.store.fills import Transaction


def timeline_to_proto(entry: TimelineEntry) -> positions_pb2.TimelineEntry:
    return positions_pb2.TimelineEntry(
        happened_at=stamp_of(entry.happened_at),
        version=entry.version,
        actor=entry.actor.value,
        change=entry.change.value,
        evidence=entry.evidence,
        reason=entry.reason,
        levels=None if entry.levels is None else levels_to_proto(entry.levels),
    )


def transaction_to_proto(transaction: Transaction | SentOrder) -> positions_pb2.Transaction:
    if isinstance(transaction, SentOrder):
        return _order_to_proto(transaction)
    position, booked = transaction.position, transaction.booked
    fill, came_of = booked.fill, position.provenance
    return positions_pb2.Transaction(
        transaction_id=transaction.transaction_id,
        position_id=position.position_id,
        account_id=position.account_id,
        exchange=words.EXCHANGE.to_proto(position.venue),
        symbol=fill.symbol,
        side=words.SIDE.to_proto(position.side),
        order_side=words.ORDER_SIDE.to_proto(fill.order_side),
        order_id=fill.order_id,
        client_order_id=fill.client_order_id or "",
        quantity=text_of(fill.quantity),
        price=text_of(fill.price),
        fee=text_of(fill.fee),
        fee_currency=fill.fee_currency,
        pnl=text_of(booked.pnl) if booked.reduced else "",
        reason=exit_reason([fill]).value if booked.reduced else "entry",
        flow_id=came_of.flow_id or "",
        execution_id=came_of.execution_id or "",
        agent=came_of.agent or "",
        status=positions_pb2.TRANSACTION_STATUS_FILLED,
        executed_at=stamp_of(fill.executed_at),
    )


def _order_to_proto(order: SentOrder) -> positions_pb2.Transaction:
    return positions_pb2.Transaction(
        transaction_id=order.transaction_id,
        position_id=order.position_id or "",
        account_id=order.account_id,
        exchange=words.EXCHANGE.to_proto(order.venue),
        symbol=order.symbol,
        side=words.SIDE.to_proto(order.side),
        order_side=words.ORDER_SIDE.to_proto(order.order_side),
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        quantity=text_of(order.quantity),
        reason=order.reason,
        status=words.ORDER_STATUS.to_proto(order.status),
        executed_at=stamp_of(order.changed_at),
    )
