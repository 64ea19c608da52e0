"""Orders without fills among the transactions: working, cancelled, and gone once fills tell of them."""

from decimal import Decimal
from uuid import uuid4

import pytest

from protos.positions.v1 import positions_pb2, types_pb2
from services.common.errors import FieldInvalid, PositionNotFound
from services.positions.domain.account import Account
from services.positions.domain.decision import Close
from services.positions.domain.errors import TransactionNotFound
from services.positions.rpc.positions import PositionsRpc
from tests.contract.positions.conftest import Books
from tests.contract.positions.test_openings import opening
from tests.contract.positions.test_requests import rpc
from tests.factories import make_fill

__all__ = ["rpc"]
PENDING, FILLED, CANCELLED = (
    positions_pb2.TRANSACTION_STATUS_PENDING,
    positions_pb2.TRANSACTION_STATUS_FILLED,
    positions_pb2.TRANSACTION_STATUS_CANCELLED,
)


def order(intent_id: str, **changes: object) -> positions_pb2.RecordOrderRequest:
    plain: dict[str, object] = {
        "intent_id": intent_id,
        "client_order_id": f"t-{intent_id}",
        "order_side": types_pb2.ORDER_SIDE_SELL,
        "quantity": "1",
        "status": PENDING,
        "reason": "stop_loss",
    }
    return positions_pb2.RecordOrderRequest(**(plain | changes))  # type: ignore[arg-type]


async def listed(rpc: PositionsRpc, user_id: str, **filters: object) -> list[positions_pb2.Transaction]:
    request = positions_pb2.ListTransactionsRequest(user_id=user_id, **filters)  # type: ignore[arg-type]
    return list((await rpc.ListTransactions(request, None)).transactions)  # type: ignore[arg-type]


async def test_a_working_order_is_pending_until_it_ends(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, intent_id = await books.adopt(account), uuid4().hex
    await rpc.RecordOrder(order(intent_id, position_id=position_id), None)  # type: ignore[arg-type]
    [shown] = await listed(rpc, account.user_id)
    assert (shown.transaction_id, shown.status, shown.price) == (f"order.{intent_id}", PENDING, "")
    assert (shown.position_id, shown.symbol, shown.side) == (position_id, "BTCUSDT", types_pb2.SIDE_LONG)
    cancelled = order(intent_id, position_id=position_id, status=CANCELLED, reason="refused by the venue")
    await rpc.RecordOrder(cancelled, None)  # type: ignore[arg-type]
    await rpc.RecordOrder(order(intent_id, position_id=position_id), None)  # type: ignore[arg-type]
    [shown] = await listed(rpc, account.user_id)
    assert (shown.status, shown.reason) == (CANCELLED, "refused by the venue")
    assert await listed(rpc, account.user_id, status=PENDING) == []
    found = await rpc.GetTransaction(
        positions_pb2.GetTransactionRequest(user_id=account.user_id, transaction_id=shown.transaction_id),
        None,  # type: ignore[arg-type]
    )
    assert found.transaction == shown


async def test_what_was_filled_is_shown_by_its_fills(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, intent_id = await books.adopt(account), uuid4().hex
    await rpc.RecordOrder(order(intent_id, position_id=position_id), None)  # type: ignore[arg-type]
    fill = make_fill(client_order_id=f"t-{intent_id}")
    await books.apply(account, Close(position_id, 1, (fill,), Decimal(0)))
    assert [one.status for one in await listed(rpc, account.user_id)] == [FILLED], "though nobody said that it ended"


async def test_an_opening_order_has_no_position_yet(books: Books, account: Account, rpc: PositionsRpc) -> None:
    intent_id = uuid4().hex
    place = {
        "account_id": account.account_id,
        "symbol": "ETHUSDT",
        "position_side": types_pb2.POSITION_SIDE_BOTH,
        "side": types_pb2.SIDE_LONG,
        "order_side": types_pb2.ORDER_SIDE_BUY,
    }
    await rpc.RecordOrder(order(intent_id, **place), None)  # type: ignore[arg-type]
    [shown] = await listed(rpc, account.user_id, symbol="ETHUSDT")
    assert (shown.position_id, shown.account_id, shown.status) == ("", account.account_id, PENDING)
    await rpc.RecordOrder(order(intent_id, status=FILLED, **place), None)  # type: ignore[arg-type]
    assert await listed(rpc, account.user_id) == []
    wrong = place | {"position_side": types_pb2.POSITION_SIDE_SHORT}
    with pytest.raises(FieldInvalid):
        await rpc.RecordOrder(order(uuid4().hex, **wrong), None)  # type: ignore[arg-type]
    with pytest.raises(PositionNotFound):
        await rpc.RecordOrder(order(uuid4().hex, position_id="OP_1_0"), None)  # type: ignore[arg-type]


async def test_an_opening_order_that_is_booked_is_shown_by_its_fills(
    books: Books, account: Account, rpc: PositionsRpc
) -> None:
    intent_id = uuid4()
    place = {
        "account_id": account.account_id,
        "symbol": "BTCUSDT",
        "position_side": types_pb2.POSITION_SIDE_BOTH,
        "side": types_pb2.SIDE_LONG,
        "order_side": types_pb2.ORDER_SIDE_BUY,
    }
    await rpc.RecordOrder(order(str(intent_id), **place), None)  # type: ignore[arg-type]
    await books.openings.record(opening(account, intent_id))
    shown = await listed(rpc, account.user_id)
    assert {one.status for one in shown} == {FILLED}, "though nobody said that it ended"
    await rpc.RecordOrder(order(uuid4().hex, **place), None)  # type: ignore[arg-type]
    assert [one.status for one in await listed(rpc, account.user_id, status=PENDING)] == [PENDING]


async def test_fills_and_orders_are_one_list_page_by_page(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id = await books.adopt(account, quantity=Decimal(9))
    for number in range(3):
        books.clock.advance(1)
        await rpc.RecordOrder(order(uuid4().hex, position_id=position_id), None)  # type: ignore[arg-type]
        await books.fills.record_fills(position_id, [make_fill(f"f{number}", executed_at=books.clock.now())], "intent")
    token, shown = "", []
    while True:
        request = positions_pb2.ListTransactionsRequest(user_id=account.user_id, page_size=2, page_token=token)
        page = await rpc.ListTransactions(request, None)  # type: ignore[arg-type]
        shown += [one.transaction_id for one in page.transactions]
        token = page.next_page_token
        if not token:
            break
    assert len(shown) == len(set(shown)) == 6
    assert shown == [one.transaction_id for one in await listed(rpc, account.user_id)]


async def test_another_user_sees_none_of_it(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, intent_id = await books.adopt(account), uuid4().hex
    await rpc.RecordOrder(order(intent_id, position_id=position_id), None)  # type: ignore[arg-type]
    assert await listed(rpc, "another") == []
    request = positions_pb2.GetTransactionRequest(user_id="another", transaction_id=f"order.{intent_id}")
    with pytest.raises(TransactionNotFound):
        await rpc.GetTransaction(request, None)  # type: ignore[arg-type]
