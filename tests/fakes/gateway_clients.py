"""The other services as the gateway sees them, in memory: what they were asked is kept, what they answer is set.

A fake with `fails` set raises that instead of answering, as a channel does when a service is down.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from protos.positions.v1 import accounts_pb2, history_pb2, live_pb2, positions_pb2, types_pb2
from protos.reconciler.v1 import reconciler_pb2
from protos.venue.v1 import status_pb2
from services.common.bus import Received
from services.common.errors import PositionNotFound
from services.common.past import PastGone
from services.gateway.clients import Standing
from services.gateway.http.errors import ThingNotFound
from services.gateway.jwks import KeySetUnreadable
from services.gateway.own import OwnState


class Failing:
    fails: Exception | None = None

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails


class FakeLivePositions(Failing):
    """Live positions by user."""

    def __init__(self) -> None:
        self.answers: dict[str, live_pb2.ListLivePositionsResponse] = {}
        self.asked: list[tuple[str, types_pb2.Exchange.ValueType]] = []

    async def list_live(
        self, user_id: str, exchange: types_pb2.Exchange.ValueType
    ) -> live_pb2.ListLivePositionsResponse:
        self.asked.append((user_id, exchange))
        self._fail()
        return self.answers.get(user_id, live_pb2.ListLivePositionsResponse(data_source=live_pb2.DATA_SOURCE_EXCHANGE))

    async def read_live(self, user_id: str, exchange: types_pb2.Exchange.ValueType) -> bytes:
        return (await self.list_live(user_id, exchange)).SerializeToString()


class FakeBooks(Failing):
    """Positions of the books; another user's is not found."""

    def __init__(self) -> None:
        self.positions: dict[str, types_pb2.Position] = {}
        self.levels_set: list[positions_pb2.SetLevelRequest] = []
        self.managed: list[positions_pb2.ManagePositionRequest] = []
        self.released: list[positions_pb2.ReleasePositionRequest] = []
        self.listed: list[positions_pb2.ListPositionsRequest] = []
        self.timeline: list[positions_pb2.TimelineEntry] = []
        self.warnings: list[str] = []
        self.next_page_token = ""

    async def get_position(self, user_id: str, position_id: str) -> types_pb2.Position:
        self._fail()
        position = self.positions.get(position_id)
        if position is None or position.user_id != user_id:
            raise PositionNotFound(position_id=position_id)
        return position

    async def list_positions(self, request: positions_pb2.ListPositionsRequest) -> positions_pb2.ListPositionsResponse:
        self.listed.append(request)
        self._fail()
        mine = [position for position in self.positions.values() if position.user_id == request.user_id]
        return positions_pb2.ListPositionsResponse(positions=mine, next_page_token=self.next_page_token)

    async def set_level(self, request: positions_pb2.SetLevelRequest) -> positions_pb2.SetLevelResponse:
        self.levels_set.append(request)
        position = await self.get_position(request.user_id, request.position_id)
        return positions_pb2.SetLevelResponse(position=position, warnings=self.warnings)

    async def manage(self, request: positions_pb2.ManagePositionRequest) -> positions_pb2.ManagePositionResponse:
        self.managed.append(request)
        position = await self.get_position(request.user_id, request.position_id)
        return positions_pb2.ManagePositionResponse(position=position, warnings=self.warnings)

    async def release(self, request: positions_pb2.ReleasePositionRequest) -> types_pb2.Position:
        self.released.append(request)
        return await self.get_position(request.user_id, request.position_id)

    async def list_timeline(self, request: positions_pb2.ListTimelineRequest) -> positions_pb2.ListTimelineResponse:
        await self.get_position(request.user_id, request.position_id)
        return positions_pb2.ListTimelineResponse(entries=self.timeline, next_page_token=self.next_page_token)


class FakeTransactions(Failing):
    """Transactions by user; another user's is not found."""

    def __init__(self) -> None:
        self.by_user: dict[str, list[positions_pb2.Transaction]] = {}
        self.asked: list[positions_pb2.ListTransactionsRequest] = []

    async def list_transactions(
        self, request: positions_pb2.ListTransactionsRequest
    ) -> positions_pb2.ListTransactionsResponse:
        self.asked.append(request)
        self._fail()
        return positions_pb2.ListTransactionsResponse(transactions=self.by_user.get(request.user_id, []))

    async def get_transaction(self, user_id: str, transaction_id: str) -> positions_pb2.Transaction:
        self._fail()
        for transaction in self.by_user.get(user_id, []):
            if transaction.transaction_id == transaction_id:
                return transaction
        raise ThingNotFound(thing="transaction")


class FakeHistory(Failing):
    """History and analytics, the same for everyone."""

    def __init__(self) -> None:
        self.page = history_pb2.ListHistoryResponse()
        self.figures = history_pb2.GetAnalyticsResponse()
        self.parts = history_pb2.GetBreakdownResponse()
        self.curve = history_pb2.GetEquityCurveResponse()
        self.asked: list[Any] = []

    async def list_history(self, request: history_pb2.ListHistoryRequest) -> history_pb2.ListHistoryResponse:
        self.asked.append(request)
        self._fail()
        return self.page

    async def get_analytics(self, request: history_pb2.GetAnalyticsRequest) -> history_pb2.GetAnalyticsResponse:
        self.asked.append(request)
        self._fail()
        return self.figures

    async def get_breakdown(self, request: history_pb2.GetBreakdownRequest) -> history_pb2.GetBreakdownResponse:
        self.asked.append(request)
        self._fail()
        return self.parts

    async def get_equity_curve(self, request: history_pb2.GetEquityCurveRequest) -> history_pb2.GetEquityCurveResponse:
        self.asked.append(request)
        self._fail()
        return self.curve


class FakeAccounts(Failing):
    """Accounts as they were added and changed; another user's is not found."""

    def __init__(self) -> None:
        self.added: list[accounts_pb2.AddAccountRequest] = []
        self.changes: list[
            accounts_pb2.VerifyAccountRequest
            | accounts_pb2.RenameAccountRequest
            | accounts_pb2.SetTradingRequest
            | accounts_pb2.SetAutoManageRequest
            | accounts_pb2.SetTriggerPriceRequest
            | accounts_pb2.RemoveAccountRequest
        ] = []
        self.plans: list[accounts_pb2.SetPlanRequest] = []

    async def add_account(self, request: accounts_pb2.AddAccountRequest) -> accounts_pb2.Account:
        self._fail()
        self.added.append(request)
        return _account(request, len(self.added))

    async def list_accounts(self, user_id: str) -> Sequence[accounts_pb2.Account]:
        self._fail()
        return [_account(request, n) for n, request in enumerate(self.added, 1) if request.user_id == user_id]

    async def verify_account(self, request: accounts_pb2.VerifyAccountRequest) -> accounts_pb2.Account:
        self.changes.append(request)
        return await self._find(request.user_id, request.account_id)

    async def rename_account(self, request: accounts_pb2.RenameAccountRequest) -> accounts_pb2.Account:
        self.changes.append(request)
        account = await self._find(request.user_id, request.account_id)
        account.name = request.name
        return account

    async def set_trading(self, request: accounts_pb2.SetTradingRequest) -> accounts_pb2.Account:
        self.changes.append(request)
        account = await self._find(request.user_id, request.account_id)
        account.trading_enabled = request.enabled
        return account

    async def set_auto_manage(self, request: accounts_pb2.SetAutoManageRequest) -> accounts_pb2.Account:
        self.changes.append(request)
        account = await self._find(request.user_id, request.account_id)
        account.auto_manage = request.enabled
        return account

    async def set_trigger_price(self, request: accounts_pb2.SetTriggerPriceRequest) -> accounts_pb2.Account:
        self.changes.append(request)
        account = await self._find(request.user_id, request.account_id)
        account.trigger_price = request.trigger_price
        return account

    async def remove_account(self, request: accounts_pb2.RemoveAccountRequest) -> None:
        self.changes.append(request)
        await self._find(request.user_id, request.account_id)

    async def set_plan(self, request: accounts_pb2.SetPlanRequest) -> accounts_pb2.Plan:
        self._fail()
        self.plans.append(request)
        return request.plan

    async def _find(self, user_id: str, account_id: str) -> accounts_pb2.Account:
        for account in await self.list_accounts(user_id):
            if account.account_id == account_id:
                return account
        raise ThingNotFound(thing="key")


class FakeReconciliation(Failing):
    """Reconciliation that finds what it is told to find; only the account-1 of `demo` is ever looked at."""

    def __init__(self) -> None:
        self.runs: list[reconciler_pb2.AccountRun] = []
        self.found: list[reconciler_pb2.FoundDiscrepancy] = []
        self.status = reconciler_pb2.GetStatusResponse(is_running=True, interval_milliseconds=300_000)
        self.overview = reconciler_pb2.GetOverviewResponse(is_running=True, interval_milliseconds=300_000, accounts=1)
        self.synced: list[reconciler_pb2.SyncNowRequest] = []
        self.asked: list[Any] = []
        self.missing: list[str] = []

    async def sync_now(self, request: reconciler_pb2.SyncNowRequest) -> Sequence[reconciler_pb2.AccountRun]:
        self.synced.append(request)
        self._fail()
        return self.runs

    async def get_status(self, user_id: str) -> reconciler_pb2.GetStatusResponse:
        self._fail()
        return self.status

    async def list_runs(self, request: reconciler_pb2.ListRunsRequest) -> reconciler_pb2.ListRunsResponse:
        self.asked.append(request)
        self._fail()
        runs = [
            run
            for run in self.runs
            if (request.all_users or run.user_id == request.user_id) and request.account_id in ("", run.account_id)
        ]
        return reconciler_pb2.ListRunsResponse(runs=runs)

    async def list_discrepancies(
        self, request: reconciler_pb2.ListDiscrepanciesRequest
    ) -> reconciler_pb2.ListDiscrepanciesResponse:
        self.asked.append(request)
        self._fail()
        found = [one for one in self.found if request.all_users or one.user_id == request.user_id]
        return reconciler_pb2.ListDiscrepanciesResponse(discrepancies=found)

    async def get_overview(self) -> reconciler_pb2.GetOverviewResponse:
        self._fail()
        return self.overview

    async def confirm_absence(self, request: reconciler_pb2.ConfirmAbsenceRequest) -> Sequence[str]:
        self.asked.append(request)
        self._fail()
        return self.missing


class FakeHealth:
    """A service that is up or down, and how often it was asked."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.asked = 0

    async def check(self) -> Mapping[str, str]:
        self.asked += 1
        return {"everything": "SERVING" if self.up else "UNREACHABLE"}


class FakeVenues(Failing):
    """A service that stands well with both venues until it is told otherwise."""

    def __init__(self) -> None:
        self.replicas = ["host-1"]
        self.venues = [
            status_pb2.VenueStatus(
                exchange=types_pb2.EXCHANGE_BINANCE,
                budget=status_pb2.Budget(limit=1200, used=84, unit="weight a minute", share=0.5),
            ),
            status_pb2.VenueStatus(
                exchange=types_pb2.EXCHANGE_BYBIT,
                budget=status_pb2.Budget(limit=100, used=3, unit="requests a second", share=0.5),
            ),
        ]

    async def read(self) -> Sequence[Standing]:
        self._fail()
        return [Standing(replica, self.venues) for replica in self.replicas]


class FakePast:
    """What the stream has kept, by sequence; `fails` is raised where it is set."""

    def __init__(self) -> None:
        self.kept: list[Received] = []
        self.fails: Exception | None = None
        self.asked: list[tuple[list[str], int]] = []

    async def read_past(self, subjects: list[str], after: int, limit: int) -> list[Received]:
        self.asked.append((subjects, after))
        if self.fails is not None:
            raise self.fails
        found = [message for message in self.kept if message.sequence > after and message.subject in subjects]
        if len(found) > limit:
            raise PastGone(after=after)
        return found


class FakeOwnState:
    """The gateway's own state as it is set."""

    def __init__(self) -> None:
        self.state = OwnState(
            replica="host-9", sockets=1, users=1, bus_connected=True, lag=0, health={"gateway.http": "SERVING"}
        )

    async def read(self) -> OwnState:
        return self.state


class FakeKeySource:
    """A key set at an address, as it is set; how often it was fetched."""

    def __init__(self, *keys: dict[str, object]) -> None:
        self.keys = list(keys)
        self.fails: KeySetUnreadable | None = None
        self.fetched = 0
        self.asked = asyncio.Event()
        self.hangs: asyncio.Event | None = None

    async def fetch(self) -> object:
        self.fetched += 1
        if self.hangs is not None:
            self.asked.set()
            await self.hangs.wait()
        if self.fails is not None:
            raise self.fails
        return {"keys": self.keys}


def _account(request: accounts_pb2.AddAccountRequest, number: int) -> accounts_pb2.Account:
    account = accounts_pb2.Account(
        account_id=f"account-{number}",
        user_id=request.user_id,
        exchange=request.exchange,
        name=request.name,
        masked_key=f"{request.api_key[:4]}…",
        verified=True,
        trading_enabled=request.trading_enabled,
    )
    account.created_at.FromDatetime(datetime(2025, 10, 21, 12, tzinfo=UTC))
    return account
