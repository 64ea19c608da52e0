"""What the gateway needs of the positions service."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc

from protos.positions.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    history_pb2,
    history_pb2_grpc,
    live_pb2,
    live_pb2_grpc,
    positions_pb2,
    positions_pb2_grpc,
    types_pb2,
)
from services.gateway.clients.sharing import Sharing

_LIST_LIVE = "/positions.v1.LivePositionsService/ListLivePositions"


class LivePositions(Protocol):
    """What is open now. Errors: NO_VERIFIED_API_KEYS."""

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse: ...

    async def read_live(self, user_id: str, exchange: types_pb2.Exchange.ValueType) -> bytes:
        """The same as it came, for those who know the same bytes again."""
        ...


class Books(Protocol):
    """Positions in the books. Errors: POSITION_NOT_FOUND, and those that PositionsService names."""

    async def get_position(self, user_id: str, position_id: str) -> types_pb2.Position: ...

    async def list_positions(
        self, request: positions_pb2.ListPositionsRequest
    ) -> positions_pb2.ListPositionsResponse: ...

    async def set_level(self, request: positions_pb2.SetLevelRequest) -> positions_pb2.SetLevelResponse: ...

    async def manage(self, request: positions_pb2.ManagePositionRequest) -> positions_pb2.ManagePositionResponse: ...

    async def release(self, request: positions_pb2.ReleasePositionRequest) -> types_pb2.Position: ...

    async def list_timeline(self, request: positions_pb2.ListTimelineRequest) -> positions_pb2.ListTimelineResponse: ...


class Transactions(Protocol):
    """What was traded, fill by fill. Errors: TRANSACTION_NOT_FOUND, INVALID_PAGE_TOKEN."""

    async def list_transactions(
        self, request: positions_pb2.ListTransactionsRequest
    ) -> positions_pb2.ListTransactionsResponse: ...

    async def get_transaction(self, user_id: str, transaction_id: str) -> positions_pb2.Transaction: ...


class History(Protocol):
    """What happened, from the books alone. Errors: INVALID_PERIOD, INVALID_PAGE_TOKEN, FIELD_INVALID."""

    async def list_history(self, request: history_pb2.ListHistoryRequest) -> history_pb2.ListHistoryResponse: ...

    async def get_analytics(self, request: history_pb2.GetAnalyticsRequest) -> history_pb2.GetAnalyticsResponse: ...

    async def get_breakdown(self, request: history_pb2.GetBreakdownRequest) -> history_pb2.GetBreakdownResponse: ...

    async def get_equity_curve(
        self, request: history_pb2.GetEquityCurveRequest
    ) -> history_pb2.GetEquityCurveResponse: ...


class Accounts(Protocol):
    """The user's accounts at venues, and plans. Errors: those that AccountsService names."""

    async def add_account(self, request: accounts_pb2.AddAccountRequest) -> accounts_pb2.Account: ...

    async def list_accounts(self, user_id: str) -> Sequence[accounts_pb2.Account]: ...

    async def verify_account(self, request: accounts_pb2.VerifyAccountRequest) -> accounts_pb2.Account: ...

    async def rename_account(self, request: accounts_pb2.RenameAccountRequest) -> accounts_pb2.Account: ...

    async def set_trading(self, request: accounts_pb2.SetTradingRequest) -> accounts_pb2.Account: ...

    async def set_auto_manage(self, request: accounts_pb2.SetAutoManageRequest) -> accounts_pb2.Account: ...

    async def set_trigger_price(self, request: accounts_pb2.SetTriggerPriceRequest) -> accounts_pb2.Account: ...

    async def remove_account(self, request: accounts_pb2.RemoveAccountRequest) -> None: ...

    async def set_plan(self, request: accounts_pb2.SetPlanRequest) -> accounts_pb2.Plan: ...


class WatchingLive:
    """LivePositions that say who is looked at: `looked` is called with the user of each question."""

    def __init__(self, live: LivePositions, looked: Callable[[str], None]) -> None:
        self._live = live
        self._looked = looked

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse:
        self._looked(user_id)
        return await self._live.list_live(user_id, exchange)

    async def read_live(self, user_id: str, exchange: types_pb2.Exchange.ValueType) -> bytes:
        self._looked(user_id)
        return await self._live.read_live(user_id, exchange)


class SharingLive:
    """LivePositions where those who ask the same at the same time share a question."""

    def __init__(self, live: LivePositions) -> None:
        self._live = live
        self._sharing: Sharing[tuple[str, types_pb2.Exchange.ValueType], bytes] = Sharing(
            lambda key: live.read_live(*key)
        )

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse:
        return await self._live.list_live(user_id, exchange)

    async def read_live(self, user_id: str, exchange: types_pb2.Exchange.ValueType) -> bytes:
        return await self._sharing.get((user_id, exchange))


class PositionsClient:
    """LivePositions, Books, Transactions, History and Accounts over a channel to the positions service."""

    def __init__(self, channel: grpc.aio.Channel, *, key_timeout_seconds: float) -> None:
        self._live = live_pb2_grpc.LivePositionsServiceStub(channel)
        self._live_bytes: Any = channel.unary_unary(
            _LIST_LIVE, request_serializer=live_pb2.ListLivePositionsRequest.SerializeToString
        )
        self._books = positions_pb2_grpc.PositionsServiceStub(channel)
        self._history = history_pb2_grpc.HistoryServiceStub(channel)
        self._accounts = accounts_pb2_grpc.AccountsServiceStub(channel)
        self._key_timeout_seconds = key_timeout_seconds

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse:
        return await self._live.ListLivePositions(live_pb2.ListLivePositionsRequest(user_id=user_id, exchange=exchange))

    async def read_live(self, user_id: str, exchange: types_pb2.Exchange.ValueType) -> bytes:
        answer: bytes = await self._live_bytes(live_pb2.ListLivePositionsRequest(user_id=user_id, exchange=exchange))
        return answer

    async def get_position(self, user_id: str, position_id: str) -> types_pb2.Position:
        request = positions_pb2.GetPositionRequest(user_id=user_id, position_id=position_id)
        return (await self._books.GetPosition(request)).position

    async def list_positions(self, request: positions_pb2.ListPositionsRequest) -> positions_pb2.ListPositionsResponse:
        return await self._books.ListPositions(request)

    async def set_level(self, request: positions_pb2.SetLevelRequest) -> positions_pb2.SetLevelResponse:
        return await self._books.SetLevel(request)

    async def manage(self, request: positions_pb2.ManagePositionRequest) -> positions_pb2.ManagePositionResponse:
        return await self._books.ManagePosition(request)

    async def release(self, request: positions_pb2.ReleasePositionRequest) -> types_pb2.Position:
        return (await self._books.ReleasePosition(request)).position

    async def list_timeline(self, request: positions_pb2.ListTimelineRequest) -> positions_pb2.ListTimelineResponse:
        return await self._books.ListTimeline(request)

    async def list_transactions(
        self, request: positions_pb2.ListTransactionsRequest
    ) -> positions_pb2.ListTransactionsResponse:
        return await self._books.ListTransactions(request)

    async def get_transaction(self, user_id: str, transaction_id: str) -> positions_pb2.Transaction:
        request = positions_pb2.GetTransactionRequest(user_id=user_id, transaction_id=transaction_id)
        return (await self._books.GetTransaction(request)).transaction

    async def list_history(self, request: history_pb2.ListHistoryRequest) -> history_pb2.ListHistoryResponse:
        return await self._history.ListHistory(request)

    async def get_analytics(self, request: history_pb2.GetAnalyticsRequest) -> history_pb2.GetAnalyticsResponse:
        return await self._history.GetAnalytics(request)

    async def get_breakdown(self, request: history_pb2.GetBreakdownRequest) -> history_pb2.GetBreakdownResponse:
        return await self._history.GetBreakdown(request)

    async def get_equity_curve(self, request: history_pb2.GetEquityCurveRequest) -> history_pb2.GetEquityCurveResponse:
        return await self._history.GetEquityCurve(request)

    async def add_account(self, request: accounts_pb2.AddAccountRequest) -> accounts_pb2.Account:
        return (await self._accounts.AddAccount(request, timeout=self._key_timeout_seconds)).account

    async def list_accounts(self, user_id: str) -> Sequence[accounts_pb2.Account]:
        return (await self._accounts.ListAccounts(accounts_pb2.ListAccountsRequest(user_id=user_id))).accounts

    async def verify_account(self, request: accounts_pb2.VerifyAccountRequest) -> accounts_pb2.Account:
        return (await self._accounts.VerifyAccount(request, timeout=self._key_timeout_seconds)).account

    async def rename_account(self, request: accounts_pb2.RenameAccountRequest) -> accounts_pb2.Account:
        return (await self._accounts.RenameAccount(request)).account

    async def set_trading(self, request: accounts_pb2.SetTradingRequest) -> accounts_pb2.Account:
        return (await self._accounts.SetTrading(request, timeout=self._key_timeout_seconds)).account

    async def set_auto_manage(self, request: accounts_pb2.SetAutoManageRequest) -> accounts_pb2.Account:
        return (await self._accounts.SetAutoManage(request)).account

    async def set_trigger_price(self, request: accounts_pb2.SetTriggerPriceRequest) -> accounts_pb2.Account:
        return (await self._accounts.SetTriggerPrice(request)).account

    async def remove_account(self, request: accounts_pb2.RemoveAccountRequest) -> None:
        await self._accounts.RemoveAccount(request)

    async def set_plan(self, request: accounts_pb2.SetPlanRequest) -> accounts_pb2.Plan:
        return (await self._accounts.SetPlan(request)).plan
