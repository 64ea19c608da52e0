"""Transactions: what was traded, fill by fill, from the books alone."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from protos.positions.v1 import positions_pb2
from services.gateway.clients import Transactions
from services.gateway.http import examples, words
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, optional_instant, optional_number, respond
from services.gateway.http.openapi import documented
from services.gateway.http.positions import Cursor, ExchangeName, Limit, Symbol

TransactionId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,200}$", examples=["OP_1729425600_123.4578"])]
_PositionId = Annotated[str, Query(pattern=r"^[\x21-\x7e]{0,64}$", description="of one position; of all if empty")]


class TransactionDocument(Document, kw_only=True, frozen=True):
    """A fill, as far as it belongs to one position. `pnl` is price profit without fees; null where it added."""

    id: str
    position_id: str
    account_id: str
    exchange: str
    symbol: str
    side: str
    order_side: str
    order_id: str
    client_order_id: str | None
    quantity: Decimal | None
    price: Decimal | None
    fee: Decimal | None
    fee_currency: str | None
    pnl: Decimal | None
    reason: str
    flow_id: str | None
    execution_id: str | None
    agent: str | None
    status: str
    executed_at: str | None


class TransactionsAnswer(Document, kw_only=True, frozen=True):
    """Fills, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    transactions: list[TransactionDocument]
    count: int
    next_cursor: str | None
    data_source: str = "database"


class TransactionAnswer(Document, kw_only=True, frozen=True):
    """One fill."""

    success: bool = True
    transaction: TransactionDocument
    data_source: str = "database"


def transactions_router(transactions: Transactions, authenticate: Authenticate) -> APIRouter:
    router = APIRouter(tags=["history"])

    @router.get("/api/transactions", summary="Fills", **documented(TransactionsAnswer, examples.TRANSACTIONS))
    async def list_transactions(
        caller: Annotated[Caller, Depends(authenticate)],
        position: _PositionId = "",
        exchange: ExchangeName | None = None,
        symbol: Symbol = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        page = await transactions.list_transactions(
            positions_pb2.ListTransactionsRequest(
                user_id=caller.user_id,
                position_id=position,
                exchange=words.optional_exchange(exchange),
                symbol=symbol,
                page_size=limit,
                page_token=cursor,
            )
        )
        rows = [_transaction(transaction) for transaction in page.transactions]
        return respond(TransactionsAnswer(transactions=rows, count=len(rows), next_cursor=page.next_page_token or None))

    @router.get(
        "/api/transactions/{transaction_id}",
        summary="One fill",
        **documented(TransactionAnswer, examples.TRANSACTION),
    )
    async def get_transaction(
        transaction_id: TransactionId, caller: Annotated[Caller, Depends(authenticate)]
    ) -> Response:
        found = await transactions.get_transaction(caller.user_id, transaction_id)
        return respond(TransactionAnswer(transaction=_transaction(found)))

    return router


def _transaction(transaction: positions_pb2.Transaction) -> TransactionDocument:
    return TransactionDocument(
        id=transaction.transaction_id,
        position_id=transaction.position_id,
        account_id=transaction.account_id,
        exchange=words.exchange(transaction.exchange),
        symbol=transaction.symbol,
        side=words.side(transaction.side),
        order_side=words.order_side(transaction.order_side),
        order_id=transaction.order_id,
        client_order_id=transaction.client_order_id or None,
        quantity=optional_number(transaction.quantity),
        price=optional_number(transaction.price),
        fee=optional_number(transaction.fee),
        fee_currency=transaction.fee_currency or None,
        pnl=optional_number(transaction.pnl),
        reason=transaction.reason,
        flow_id=transaction.flow_id or None,
        execution_id=transaction.execution_id or None,
        agent=transaction.agent or None,
        status=words.transaction_status(transaction.status),
        executed_at=optional_instant(transaction.executed_at, present=transaction.HasField("executed_at")),
    )
