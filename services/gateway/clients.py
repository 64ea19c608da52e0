"""What the gateway needs of the other services: one Protocol each, implemented over their stubs.

Invariants: every call carries the user for whom it is made; one channel per service is shared by all of them; errors
are typed (the other side's own, ServiceUnavailable, RemoteFailure).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.monitor.v1 import monitor_pb2, monitor_pb2_grpc
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
from protos.reconciler.v1 import reconciler_pb2, reconciler_pb2_grpc
from services.common.errors import DomainError
from services.common.status import RemoteFailure

_HEALTH_TIMEOUT_SECONDS = 1.0
SERVING = "SERVING"
UNREACHABLE = "UNREACHABLE"


class LivePositions(Protocol):
    """What is open now. Errors: NO_VERIFIED_API_KEYS."""

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse: ...


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

    async def remove_account(self, request: accounts_pb2.RemoveAccountRequest) -> None: ...

    async def set_plan(self, request: accounts_pb2.SetPlanRequest) -> accounts_pb2.Plan: ...


class Reconciliation(Protocol):
    """Reconciliation now, and its schedule. Errors: NO_VERIFIED_API_KEYS."""

    async def sync_now(self, user_id: str, request_id: str) -> Sequence[reconciler_pb2.AccountRun]: ...

    async def get_status(self, user_id: str) -> reconciler_pb2.GetStatusResponse: ...


class Closing(Protocol):
    """Closes positions. Errors: those of MonitorService.ClosePosition."""

    async def close_position(self, request: monitor_pb2.ClosePositionRequest) -> monitor_pb2.ClosePositionResponse: ...


class ServiceHealth(Protocol):
    """Whether a service does what it is there for."""

    async def check(self) -> Mapping[str, str]:
        """Each name that it answers for and what it says: SERVING, NOT_SERVING, or UNREACHABLE."""
        ...


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


class PositionsClient:
    """LivePositions, Books, Transactions, History and Accounts over a channel to the positions service."""

    def __init__(self, channel: grpc.aio.Channel, *, key_timeout_seconds: float) -> None:
        self._live = live_pb2_grpc.LivePositionsServiceStub(channel)
        self._books = positions_pb2_grpc.PositionsServiceStub(channel)
        self._history = history_pb2_grpc.HistoryServiceStub(channel)
        self._accounts = accounts_pb2_grpc.AccountsServiceStub(channel)
        self._key_timeout_seconds = key_timeout_seconds

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse:
        return await self._live.ListLivePositions(live_pb2.ListLivePositionsRequest(user_id=user_id, exchange=exchange))

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

    async def remove_account(self, request: accounts_pb2.RemoveAccountRequest) -> None:
        await self._accounts.RemoveAccount(request)

    async def set_plan(self, request: accounts_pb2.SetPlanRequest) -> accounts_pb2.Plan:
        return (await self._accounts.SetPlan(request)).plan


class ReconcilerClient:
    """Reconciliation over a channel to the reconciler."""

    def __init__(self, channel: grpc.aio.Channel, *, sync_timeout_seconds: float) -> None:
        self._reconciler = reconciler_pb2_grpc.ReconcilerServiceStub(channel)
        self._sync_timeout_seconds = sync_timeout_seconds

    async def sync_now(self, user_id: str, request_id: str) -> Sequence[reconciler_pb2.AccountRun]:
        request = reconciler_pb2.SyncNowRequest(user_id=user_id, request_id=request_id)
        return (await self._reconciler.SyncNow(request, timeout=self._sync_timeout_seconds)).runs

    async def get_status(self, user_id: str) -> reconciler_pb2.GetStatusResponse:
        return await self._reconciler.GetStatus(reconciler_pb2.GetStatusRequest(user_id=user_id))


class MonitorClient:
    """Closing over a channel to the monitor."""

    def __init__(self, channel: grpc.aio.Channel, *, close_timeout_seconds: float) -> None:
        self._monitor = monitor_pb2_grpc.MonitorServiceStub(channel)
        self._close_timeout_seconds = close_timeout_seconds

    async def close_position(self, request: monitor_pb2.ClosePositionRequest) -> monitor_pb2.ClosePositionResponse:
        return await self._monitor.ClosePosition(request, timeout=self._close_timeout_seconds)


class GrpcHealth:
    """A service's own gRPC health, by each of these names."""

    def __init__(self, channel: grpc.aio.Channel, names: Sequence[str]) -> None:
        self._health: Any = health_pb2_grpc.HealthStub(channel)  # its stubs lack the methods
        self._names = names

    async def check(self) -> Mapping[str, str]:
        """Each name and what it says; UNREACHABLE where nobody answers within a second."""
        answers = await asyncio.gather(*(self._check(name) for name in self._names))
        return dict(zip(self._names, answers, strict=True))

    async def _check(self, name: str) -> str:
        try:
            answer = await self._health.Check(
                health_pb2.HealthCheckRequest(service=name), timeout=_HEALTH_TIMEOUT_SECONDS
            )
        except (DomainError, RemoteFailure):
            return UNREACHABLE
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
