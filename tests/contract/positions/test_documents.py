"""Documents, timelines, transactions, openings and accounts over the wire; each spoken for another user as well."""

from collections.abc import Awaitable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from protos.positions.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    observation_pb2,
    observation_pb2_grpc,
    positions_pb2,
    positions_pb2_grpc,
    types_pb2,
)
from services.common.errors import CallerRefused, DomainError, FieldInvalid, Invalid, NotFound, PositionNotFound
from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.side import OrderSide
from services.positions.domain.account import Account
from services.positions.domain.decision import CloseEstimated
from services.positions.domain.provenance import Plan
from services.positions.rpc.messages import fill_to_proto
from tests.contract.positions.conftest import Books, NewAccount
from tests.contract.positions.test_rpc import Channel, channel
from tests.factories import at, make_fill, make_reading, make_seen

__all__ = ["channel"]


async def opening(books: Books, account: Account, **changes: Any) -> positions_pb2.RecordOpeningRequest:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen())
    intent_id = uuid4()
    fill = make_fill(
        "o1",
        order_side=OrderSide.BUY,
        price=Decimal(65000),
        executed_at=at(0),
        client_order_id=str(ClientOrderId(OrderCause.OPEN, intent_id)),
    )
    fields: dict[str, Any] = {
        "intent_id": str(intent_id),
        "user_id": account.user_id,
        "account_id": account.account_id,
        "symbol": "BTCUSDT",
        "position_side": types_pb2.POSITION_SIDE_BOTH,
        "side": types_pb2.SIDE_LONG,
        "fills": [fill_to_proto(fill)],
        "leverage": "10",
        "origin": types_pb2.ORIGIN_FLOW,
        "provenance": types_pb2.Provenance(
            flow_id="flow-1",
            node_id="node-1",
            execution_id="run-1",
            agent="scalper",
            ai_reasoning="because",
            ai_confidence="0.75",
            market_conditions='{"trend":"up"}',
        ),
        "stop_loss": types_pb2.Level(pinned=types_pb2.Pinned(price="64000")),
        "take_profit": types_pb2.Level(pinned=types_pb2.Pinned(price="70000")),
        "mark_price": "66000",
    }
    return positions_pb2.RecordOpeningRequest(**{**fields, **changes})


async def test_the_full_document(books: Books, account: Account, channel: Channel) -> None:
    await books.accounts.set_plan(account.user_id, Plan("pro", Decimal(10)), "admin")
    monitor = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    gateway = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    opened = (await monitor.RecordOpening(await opening(books, account))).position
    await gateway.RecordCloseAdvice(
        positions_pb2.RecordCloseAdviceRequest(
            user_id=account.user_id,
            position_id=opened.position_id,
            advice=types_pb2.CloseAdvice(reason="fading", urgency=types_pb2.URGENCY_HIGH, confidence="0.9"),
        )
    )
    await monitor.RecordFills(
        positions_pb2.RecordFillsRequest(
            position_id=opened.position_id,
            fills=[fill_to_proto(make_fill("c1", quantity=Decimal("0.4"), executed_at=at(15)))],
            intent_id="i",
        )
    )
    document = (
        await gateway.GetPosition(
            positions_pb2.GetPositionRequest(user_id=account.user_id, position_id=opened.position_id)
        )
    ).position
    entry, came_of, managed = document.entry, document.provenance, document.ai_management
    assert (entry.price, entry.size, entry.leverage) == ("65000", "0.6", "10")
    assert (entry.total_value, entry.margin, entry.fee) == ("39000", "3900", "26.4")
    assert (came_of.flow_id, came_of.agent, came_of.ai_confidence) == ("flow-1", "scalper", "0.75")
    assert came_of.market_conditions == '{"trend":"up"}'
    assert (managed.current_stop_loss, managed.current_take_profit) == ("64000", "70000")
    assert (managed.trailing_stop_enabled, managed.trailing_stop_adjusted_by) == (False, types_pb2.AUTHOR_FLOW)
    assert (managed.should_close.reason, managed.should_close.urgency) == ("fading", types_pb2.URGENCY_HIGH)
    assert (document.plan, document.commission_percent, document.commission) == ("pro", "10", "")
    assert document.realized_pnl == "347.2"  # 0.4 of 1 000, less twice 26.4
    assert document.intent_id
    closed = await monitor.RecordFills(
        positions_pb2.RecordFillsRequest(
            position_id=opened.position_id,
            fills=[fill_to_proto(make_fill("c2", quantity=Decimal("0.6"), executed_at=at(16)))],
            intent_id="i",
        )
    )
    assert (closed.position.exit.realized_pnl, closed.position.commission) == ("920.8", "92.08")


async def test_positions_are_listed_by_state_exchange_symbol_and_flow(
    books: Books, account: Account, channel: Channel
) -> None:
    stub = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    monitor = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    flow = (await monitor.RecordOpening(await opening(books, account))).position.position_id
    closed = await books.adopt(account, symbol="ETHUSDT", updated_at=at(1))
    await books.apply(account, CloseEstimated(closed, 1, at(15)))
    third = await books.adopt(account, symbol="SOLUSDT", updated_at=at(2))

    async def listed(**which: Any) -> list[str]:
        request = positions_pb2.ListPositionsRequest(user_id=account.user_id, **which)
        return [one.position_id for one in (await stub.ListPositions(request)).positions]

    assert await listed() == [third, closed, flow]
    assert await listed(filter=positions_pb2.POSITION_FILTER_OPEN) == [third, flow]
    assert await listed(filter=positions_pb2.POSITION_FILTER_CLOSED) == [closed]
    assert await listed(symbol="ETHUSDT") == [closed]
    assert await listed(flow_id="flow-1") == [flow]
    assert await listed(exchange=types_pb2.EXCHANGE_BYBIT) == []
    found: list[str] = []
    token = ""
    for _ in range(3):
        page = await stub.ListPositions(
            positions_pb2.ListPositionsRequest(user_id=account.user_id, page_size=1, page_token=token)
        )
        found.extend(one.position_id for one in page.positions)
        token = page.next_page_token
    assert (found, token) == ([third, closed, flow], "")


async def test_one_transaction_per_fill(books: Books, account: Account, channel: Channel) -> None:
    stub = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    monitor = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    opened = (await monitor.RecordOpening(await opening(books, account))).position
    stop = str(ClientOrderId(OrderCause.STOP_LOSS, UUID(int=7)))
    fills = [
        make_fill("c1", quantity=Decimal("0.4"), executed_at=at(15), client_order_id=stop),
        make_fill("c2", quantity=Decimal("0.6"), executed_at=at(16), client_order_id=stop),
    ]
    await books.fills.record_fills(opened.position_id, fills, "i")
    found: list[positions_pb2.Transaction] = []
    token = ""
    for _ in range(2):
        page = await stub.ListTransactions(
            positions_pb2.ListTransactionsRequest(user_id=account.user_id, page_size=2, page_token=token)
        )
        found.extend(page.transactions)
        token = page.next_page_token
    assert token == ""
    assert [(one.reason, one.quantity, one.pnl) for one in found] == [
        ("stop_loss", "0.6", "600"),
        ("stop_loss", "0.4", "400"),
        ("entry", "1", ""),
    ]
    entry = found[-1]
    assert (entry.order_side, entry.side) == (types_pb2.ORDER_SIDE_BUY, types_pb2.SIDE_LONG)
    assert (entry.agent, entry.execution_id, entry.fee_currency) == ("scalper", "run-1", "USDT")
    assert entry.status == positions_pb2.TRANSACTION_STATUS_FILLED
    request = positions_pb2.GetTransactionRequest(user_id=account.user_id, transaction_id=entry.transaction_id)
    assert (await stub.GetTransaction(request)).transaction == entry


async def test_care_over_the_wire(books: Books, account: Account, channel: Channel) -> None:
    stub = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen(liquidation_price=Decimal(64900)))
    position_id = await books.adopt(account)
    whose: dict[str, Any] = {"user_id": account.user_id, "position_id": position_id}
    managed = await stub.ManagePosition(positions_pb2.ManagePositionRequest(**whose))
    assert managed.position.ai_management.trailing_stop_enabled
    assert managed.position.ai_management.trailing_stop_distance == "0.02"
    assert [("beyond the liquidation price" in one) for one in managed.warnings] == [True]
    stop = positions_pb2.LEVEL_KIND_STOP_LOSS
    trailing = types_pb2.Trailing(distance="0.01")
    changed = await stub.SetLevel(positions_pb2.SetLevelRequest(kind=stop, trailing=trailing, **whose))
    assert changed.position.levels.stop_loss.trailing.distance == "0.01"
    floor = positions_pb2.Floor(price="65500")
    changed = await stub.SetLevel(positions_pb2.SetLevelRequest(kind=stop, floor=floor, **whose))
    assert changed.position.levels.floor == "65500"
    released = await stub.ReleasePosition(positions_pb2.ReleasePositionRequest(**whose))
    assert not released.position.managed
    timeline = await stub.ListTimeline(positions_pb2.ListTimelineRequest(page_size=2, **whose))
    rest = await stub.ListTimeline(positions_pb2.ListTimelineRequest(page_token=timeline.next_page_token, **whose))
    assert [one.change for one in (*timeline.entries, *rest.entries)] == [
        "adopted",
        "managed",
        "level_set",
        "level_set",
        "released",
    ]


async def test_accounts_over_the_wire(books: Books, account: Account, channel: Channel) -> None:
    stub = accounts_pb2_grpc.AccountsServiceStub(channel("gateway"))
    whose: dict[str, Any] = {"user_id": account.user_id, "account_id": account.account_id}
    assert (await stub.VerifyAccount(accounts_pb2.VerifyAccountRequest(**whose))).account.verified
    assert not (await stub.SetTrading(accounts_pb2.SetTradingRequest(**whose))).account.trading_enabled
    renamed = await stub.RenameAccount(accounts_pb2.RenameAccountRequest(name=" Savings ", **whose))
    assert renamed.account.name == "Savings"
    assert (await stub.SetAutoManage(accounts_pb2.SetAutoManageRequest(enabled=True, **whose))).account.auto_manage
    plan = accounts_pb2.Plan(name="pro", commission_percent="12.5")
    await stub.SetPlan(accounts_pb2.SetPlanRequest(user_id=account.user_id, plan=plan, set_by="admin"))
    assert (await stub.GetPlan(accounts_pb2.GetPlanRequest(user_id=account.user_id))).plan == plan
    await stub.RemoveAccount(accounts_pb2.RemoveAccountRequest(**whose))
    assert not (await stub.ListAccounts(accounts_pb2.ListAccountsRequest(user_id=account.user_id))).accounts


async def test_another_users_things_are_nobodys(
    books: Books, account: Account, channel: Channel, new_account: NewAccount
) -> None:
    """Every call that speaks for a user, spoken for another one."""
    gateway, monitor = channel("gateway"), channel("monitor")
    opened = (
        await positions_pb2_grpc.PositionsServiceStub(monitor).RecordOpening(await opening(books, account))
    ).position
    await books.accounts.set_plan(account.user_id, Plan("pro", Decimal(10)), "admin")
    user = (await new_account()).user_id
    stub, keys = positions_pb2_grpc.PositionsServiceStub(gateway), accounts_pb2_grpc.AccountsServiceStub(gateway)
    whose: dict[str, Any] = {"user_id": user, "position_id": opened.position_id}
    transaction_id = f"{opened.position_id}.o1"
    calls: list[Awaitable[Any]] = [
        stub.GetPosition(positions_pb2.GetPositionRequest(**whose)),
        stub.ManagePosition(positions_pb2.ManagePositionRequest(**whose)),
        stub.ReleasePosition(positions_pb2.ReleasePositionRequest(**whose)),
        stub.RecordCloseAdvice(positions_pb2.RecordCloseAdviceRequest(**whose)),
        stub.ListTimeline(positions_pb2.ListTimelineRequest(**whose)),
        stub.SetLevel(
            positions_pb2.SetLevelRequest(
                kind=positions_pb2.LEVEL_KIND_STOP_LOSS, floor=positions_pb2.Floor(price="1"), **whose
            )
        ),
    ]
    for call in calls:
        with pytest.raises(PositionNotFound):
            await call
    theirs: dict[str, Any] = {"user_id": user, "account_id": account.account_id}
    calls = [
        stub.GetTransaction(positions_pb2.GetTransactionRequest(user_id=user, transaction_id=transaction_id)),
        keys.VerifyAccount(accounts_pb2.VerifyAccountRequest(**theirs)),
        keys.SetTrading(accounts_pb2.SetTradingRequest(**theirs)),
        keys.RenameAccount(accounts_pb2.RenameAccountRequest(name="mine", **theirs)),
        keys.SetAutoManage(accounts_pb2.SetAutoManageRequest(**theirs)),
        keys.RemoveAccount(accounts_pb2.RemoveAccountRequest(**theirs)),
        positions_pb2_grpc.PositionsServiceStub(monitor).RecordOpening(await opening(books, account, user_id=user)),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    assert not (await stub.ListPositions(positions_pb2.ListPositionsRequest(user_id=user))).positions
    assert not (await stub.ListTransactions(positions_pb2.ListTransactionsRequest(user_id=user))).transactions
    assert not (await keys.GetPlan(accounts_pb2.GetPlanRequest(user_id=user))).HasField("plan")


async def test_an_opening_is_the_monitors_to_tell(books: Books, account: Account, channel: Channel) -> None:
    for caller in ("gateway", "reconciler"):
        with pytest.raises(CallerRefused):
            await positions_pb2_grpc.PositionsServiceStub(channel(caller)).RecordOpening(await opening(books, account))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("intent_id", "not-a-uuid"),
        ("fills", []),
        ("fills", [fill_to_proto(make_fill())]),
        ("fills", [fill_to_proto(make_fill(order_side=OrderSide.BUY, symbol="ETHUSDT"))]),
        ("origin", types_pb2.ORIGIN_EXTERNAL),
        ("position_side", types_pb2.POSITION_SIDE_SHORT),
        ("mark_price", "0"),
        ("symbol", "BTC\0USDT"),
        ("provenance", types_pb2.Provenance(ai_confidence="2")),
        ("provenance", types_pb2.Provenance(market_conditions="[1]")),
        ("provenance", types_pb2.Provenance(market_conditions='{"a":' * 3000)),
        ("provenance", types_pb2.Provenance(market_conditions='{"a":"\\u0000"}')),
        ("provenance", types_pb2.Provenance(flow_id="x" * 5000)),
        ("stop_loss", types_pb2.Level(trailing=types_pb2.Trailing(distance="1"))),
    ],
)
async def test_an_opening_that_cannot_be_is_refused(
    books: Books, account: Account, channel: Channel, field: str, value: object
) -> None:
    stub = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    with pytest.raises(FieldInvalid):
        await stub.RecordOpening(await opening(books, account, **{field: value}))


async def test_bad_requests_are_refused_with_a_typed_error(account: Account, channel: Channel) -> None:
    gateway = channel("gateway")
    stub, keys = positions_pb2_grpc.PositionsServiceStub(gateway), accounts_pb2_grpc.AccountsServiceStub(gateway)
    user = account.user_id
    calls: list[Awaitable[Any]] = [
        stub.ListPositions(positions_pb2.ListPositionsRequest()),
        stub.ListPositions(positions_pb2.ListPositionsRequest(user_id=user, page_token="x")),
        stub.ListPositions(positions_pb2.ListPositionsRequest(user_id=user, page_size=-1)),
        stub.ListPositions(positions_pb2.ListPositionsRequest(user_id=user, filter=9)),  # type: ignore[arg-type]
        stub.ListPositions(positions_pb2.ListPositionsRequest(user_id=user, symbol="\0")),
        stub.ListTransactions(positions_pb2.ListTransactionsRequest()),
        stub.ListTransactions(positions_pb2.ListTransactionsRequest(user_id=user, page_token="AAAA")),
        stub.GetTransaction(positions_pb2.GetTransactionRequest(user_id=user)),
        stub.ListTimeline(positions_pb2.ListTimelineRequest(position_id="OP_1_1")),
        stub.ManagePosition(positions_pb2.ManagePositionRequest()),
        stub.ReleasePosition(positions_pb2.ReleasePositionRequest()),
        stub.RecordCloseAdvice(positions_pb2.RecordCloseAdviceRequest()),
        keys.VerifyAccount(accounts_pb2.VerifyAccountRequest()),
        keys.SetTrading(accounts_pb2.SetTradingRequest()),
        keys.RenameAccount(accounts_pb2.RenameAccountRequest(user_id=user, account_id=account.account_id, name=" ")),
        keys.SetAutoManage(accounts_pb2.SetAutoManageRequest()),
        keys.RemoveAccount(accounts_pb2.RemoveAccountRequest()),
        keys.SetPlan(
            accounts_pb2.SetPlanRequest(
                user_id=user, plan=accounts_pb2.Plan(name="x", commission_percent="101"), set_by="a"
            )
        ),
        keys.GetPlan(accounts_pb2.GetPlanRequest()),
    ]
    for call in calls:
        with pytest.raises(Invalid):
            await call


async def test_estimated_closes_over_the_wire(books: Books, account: Account, channel: Channel) -> None:
    stub = observation_pb2_grpc.ObservationServiceStub(channel("reconciler"))
    position_id = await books.adopt(account)
    close = observation_pb2.CloseEstimated(position_id=position_id, expected_version=1)
    close.missed_at.FromDatetime(at(15))

    async def apply(**act: Any) -> observation_pb2.DecisionResult:
        decision = observation_pb2.Decision(decision_id="1", evidence="as the test says", **act)
        answer = await stub.ApplyDecisions(
            observation_pb2.ApplyDecisionsRequest(
                run_id=str(uuid4()), account_id=account.account_id, decisions=[decision]
            )
        )
        return answer.results[0]

    assert (await apply(close_estimated=close)).outcome == observation_pb2.DECISION_OUTCOME_APPLIED
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading()
    books.reader.fills[credentials.api_key] = [make_fill("a", executed_at=at(14), sequence=9)]
    seen = await stub.ObserveAccount(observation_pb2.ObserveAccountRequest(account_id=account.account_id))
    [row] = seen.estimated
    assert [fill.sequence for fill in row.fills] == [9]
    complete = observation_pb2.CompleteExit(position_id=position_id, expected_version=row.version, fills=row.fills)
    assert (await apply(complete_exit=complete)).outcome == observation_pb2.DECISION_OUTCOME_APPLIED
    with pytest.raises(DomainError):
        await apply(close_estimated=observation_pb2.CloseEstimated(position_id=position_id))


async def test_numbers_whose_product_the_books_cannot_hold_are_refused(
    books: Books, account: Account, channel: Channel
) -> None:
    position_id = await books.adopt(account)
    huge = make_fill(price=Decimal(10) ** 10, quantity=Decimal(10) ** 10, executed_at=at(15))
    with pytest.raises(FieldInvalid, match="10 digits"):
        await positions_pb2_grpc.PositionsServiceStub(channel("monitor")).RecordFills(
            positions_pb2.RecordFillsRequest(position_id=position_id, fills=[fill_to_proto(huge)], intent_id="i")
        )
