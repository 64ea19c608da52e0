"""The gateway's clients over real mutual TLS: they ask for the right user, and raise what the other side meant."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from protos.monitor.v1 import (
    alerts_pb2,
    alerts_pb2_grpc,
    evaluations_pb2,
    evaluations_pb2_grpc,
    flows_pb2,
    flows_pb2_grpc,
    monitor_pb2,
    monitor_pb2_grpc,
    pauses_pb2,
    pauses_pb2_grpc,
)
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
from services.common.channels import ServiceChannel, open_channel
from services.common.errors import NoVerifiedApiKeys, PositionNotFound, ServiceUnavailable
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.gateway.clients import GrpcHealth, MonitorClient, PositionsClient, ReconcilerClient, SharingLive
from tests.contract.common.settings import RpcSettings

POSITION = types_pb2.Position(position_id="OP_1_1", user_id="demo")
ADVISOR = evaluations_pb2.AdvisorSettings(mode=evaluations_pb2.ADVISOR_MODE_ACT)
# What each method answers; an exception is raised instead.
ANSWERS: dict[str, Message | Exception] = {
    "ListLivePositions": live_pb2.ListLivePositionsResponse(positions=[live_pb2.LivePosition(symbol="BTCUSDT")]),
    "GetPosition": positions_pb2.GetPositionResponse(position=POSITION),
    "SetLevel": positions_pb2.SetLevelResponse(position=POSITION),
    "ListPositions": positions_pb2.ListPositionsResponse(positions=[POSITION]),
    "ManagePosition": positions_pb2.ManagePositionResponse(position=POSITION),
    "ReleasePosition": positions_pb2.ReleasePositionResponse(position=POSITION),
    "ListTimeline": positions_pb2.ListTimelineResponse(entries=[positions_pb2.TimelineEntry(change="opened")]),
    "ListTransactions": positions_pb2.ListTransactionsResponse(),
    "GetTransaction": positions_pb2.GetTransactionResponse(transaction=positions_pb2.Transaction(transaction_id="t")),
    "VerifyAccount": accounts_pb2.VerifyAccountResponse(account=accounts_pb2.Account(account_id="a")),
    "RenameAccount": accounts_pb2.RenameAccountResponse(account=accounts_pb2.Account(account_id="a")),
    "SetTrading": accounts_pb2.SetTradingResponse(account=accounts_pb2.Account(account_id="a")),
    "SetAutoManage": accounts_pb2.SetAutoManageResponse(account=accounts_pb2.Account(account_id="a")),
    "SetTriggerPrice": accounts_pb2.SetTriggerPriceResponse(account=accounts_pb2.Account(account_id="a")),
    "RemoveAccount": accounts_pb2.RemoveAccountResponse(),
    "SetPlan": accounts_pb2.SetPlanResponse(plan=accounts_pb2.Plan(name="pro")),
    "ListHistory": history_pb2.ListHistoryResponse(next_page_token="more"),
    "GetAnalytics": history_pb2.GetAnalyticsResponse(total_trades=3),
    "GetBreakdown": history_pb2.GetBreakdownResponse(by_side=[history_pb2.TradeGroup(key="long")]),
    "GetEquityCurve": history_pb2.GetEquityCurveResponse(points=[history_pb2.EquityPoint(trades=2)]),
    "AddAccount": accounts_pb2.AddAccountResponse(account=accounts_pb2.Account(account_id="a")),
    "ListAccounts": accounts_pb2.ListAccountsResponse(accounts=[accounts_pb2.Account(account_id="a")]),
    "SyncNow": reconciler_pb2.SyncNowResponse(runs=[reconciler_pb2.AccountRun(run_id="r")]),
    "GetStatus": reconciler_pb2.GetStatusResponse(is_running=True),
    "ListRuns": reconciler_pb2.ListRunsResponse(next_page_token="more"),
    "ListDiscrepancies": reconciler_pb2.ListDiscrepanciesResponse(next_page_token="more"),
    "GetOverview": reconciler_pb2.GetOverviewResponse(accounts=3),
    "ConfirmAbsence": reconciler_pb2.ConfirmAbsenceResponse(position_ids=["OP_1_1"]),
    "ClosePosition": monitor_pb2.ClosePositionResponse(intent_id="i"),
    "OpenPosition": monitor_pb2.OpenPositionResponse(intent_id="i"),
    "CreateAlert": alerts_pb2.CreateAlertResponse(alert=alerts_pb2.Alert(alert_id="a")),
    "ListAlerts": alerts_pb2.ListAlertsResponse(next_page_token="more"),
    "GetAlert": alerts_pb2.GetAlertResponse(alert=alerts_pb2.Alert(alert_id="a")),
    "UpdateAlert": alerts_pb2.UpdateAlertResponse(alert=alerts_pb2.Alert(alert_id="a")),
    "DeleteAlert": alerts_pb2.DeleteAlertResponse(),
    "ListTriggeredAlerts": alerts_pb2.ListTriggeredAlertsResponse(next_page_token="more"),
    "SetWebhook": alerts_pb2.SetWebhookResponse(secret="s"),
    "GetWebhook": alerts_pb2.GetWebhookResponse(webhook=alerts_pb2.Webhook(url="https://x")),
    "DeleteWebhook": alerts_pb2.DeleteWebhookResponse(),
    "StartExecution": flows_pb2.StartExecutionResponse(execution=flows_pb2.Execution(execution_id="e")),
    "StopExecution": flows_pb2.StopExecutionResponse(execution=flows_pb2.Execution(execution_id="e")),
    "GetExecution": flows_pb2.GetExecutionResponse(execution=flows_pb2.Execution(execution_id="e")),
    "ListExecutions": flows_pb2.ListExecutionsResponse(next_page_token="more"),
    "ListEvaluations": evaluations_pb2.ListEvaluationsResponse(next_page_token="more"),
    "GetAdvisorSettings": evaluations_pb2.GetAdvisorSettingsResponse(settings=ADVISOR),
    "SetAdvisorSettings": evaluations_pb2.SetAdvisorSettingsResponse(settings=ADVISOR),
    "GetSentiment": evaluations_pb2.GetSentimentResponse(sentiment=evaluations_pb2.Sentiment(symbol="BTCUSDT")),
    "GetPause": pauses_pb2.GetPauseResponse(everybody=pauses_pb2.Pause(opening_paused=True)),
    "SetPause": pauses_pb2.SetPauseResponse(pause=pauses_pb2.Pause(opening_paused=True)),
}
SERVICES: list[tuple[Any, str]] = [
    (live_pb2_grpc.add_LivePositionsServiceServicer_to_server, "positions.v1.LivePositionsService"),
    (positions_pb2_grpc.add_PositionsServiceServicer_to_server, "positions.v1.PositionsService"),
    (history_pb2_grpc.add_HistoryServiceServicer_to_server, "positions.v1.HistoryService"),
    (accounts_pb2_grpc.add_AccountsServiceServicer_to_server, "positions.v1.AccountsService"),
    (reconciler_pb2_grpc.add_ReconcilerServiceServicer_to_server, "reconciler.v1.ReconcilerService"),
    (monitor_pb2_grpc.add_MonitorServiceServicer_to_server, "monitor.v1.MonitorService"),
    (alerts_pb2_grpc.add_AlertsServiceServicer_to_server, "monitor.v1.AlertsService"),
    (flows_pb2_grpc.add_FlowServiceServicer_to_server, "monitor.v1.FlowService"),
    (evaluations_pb2_grpc.add_EvaluationsServiceServicer_to_server, "monitor.v1.EvaluationsService"),
    (pauses_pb2_grpc.add_PausesServiceServicer_to_server, "monitor.v1.PausesService"),
]
NAMES = [name for _, name in SERVICES]


class Everything:
    """Answers every method of every service as it was told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        async def method(request: Message, _: object) -> Message:
            self.asked.append(request)
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


@dataclass
class OtherSide:
    """One server that plays all services."""

    servicer: Everything
    server: GrpcServer
    channel: ServiceChannel
    health: HealthRegistry


@pytest.fixture
async def other(certificates: dict[str, CertificateFiles]) -> AsyncIterator[OtherSide]:
    servicer, health = Everything(), HealthRegistry()
    access = {name: frozenset({"gateway"}) for name in NAMES}
    server = GrpcServer(
        RpcSettings.of(certificates["positions"]),
        [(add, servicer, name) for add, name in SERVICES],
        access,
        health,
        Instruments(CollectorRegistry()),
    )
    host, port = await server.start()
    channel = open_channel(
        RpcSettings.of(certificates["gateway"]),
        f"ipv4:{host}:{port}",
        "positions",
        Instruments(CollectorRegistry()),
    )
    yield OtherSide(servicer, server, channel, health)
    await channel.close()
    await server.drain(0)


@pytest.fixture
def positions(other: OtherSide) -> PositionsClient:
    return PositionsClient(other.channel, key_timeout_seconds=5)


async def test_positions_are_asked_for_the_caller(other: OtherSide, positions: PositionsClient) -> None:
    live = await positions.list_live("demo", types_pb2.EXCHANGE_BYBIT)
    assert [row.symbol for row in live.positions] == ["BTCUSDT"]
    shared = SharingLive(positions)
    assert await shared.read_live("demo", types_pb2.EXCHANGE_BYBIT) == live.SerializeToString()
    assert await shared.list_live("demo", types_pb2.EXCHANGE_BYBIT) == live
    assert [other.servicer.asked.pop() for _ in range(2)] == [other.servicer.asked[0]] * 2
    assert await positions.get_position("demo", "OP_1_1") == POSITION
    level = positions_pb2.SetLevelRequest(user_id="demo", position_id="OP_1_1", request_id="r", expected_version=2)
    assert (await positions.set_level(level)).position == POSITION
    page = history_pb2.ListHistoryRequest(user_id="demo", period="7d", page_size=20, page_token="there")
    assert (await positions.list_history(page)).next_page_token == "more"
    figures = history_pb2.GetAnalyticsRequest(user_id="demo", period="30d")
    assert (await positions.get_analytics(figures)).total_trades == 3
    parts = history_pb2.GetBreakdownRequest(user_id="demo", period="30d")
    assert [group.key for group in (await positions.get_breakdown(parts)).by_side] == ["long"]
    curve = history_pb2.GetEquityCurveRequest(user_id="demo", period="30d")
    assert [point.trades for point in (await positions.get_equity_curve(curve)).points] == [2]
    key = accounts_pb2.AddAccountRequest(user_id="demo", api_key="k", api_secret="s", trading_enabled=True)
    assert (await positions.add_account(key)).account_id == "a"
    assert [account.account_id for account in await positions.list_accounts("demo")] == ["a"]
    assert other.servicer.asked == [
        live_pb2.ListLivePositionsRequest(user_id="demo", exchange=types_pb2.EXCHANGE_BYBIT),
        positions_pb2.GetPositionRequest(user_id="demo", position_id="OP_1_1"),
        level,
        page,
        figures,
        parts,
        curve,
        key,
        accounts_pb2.ListAccountsRequest(user_id="demo"),
    ]


async def test_books_and_keys_are_asked_as_the_request_says(other: OtherSide, positions: PositionsClient) -> None:
    mine: dict[str, Any] = {"user_id": "demo", "request_id": "r"}
    asked: list[Any] = [
        positions_pb2.ListPositionsRequest(user_id="demo", symbol="BTCUSDT"),
        positions_pb2.ManagePositionRequest(**mine, position_id="OP_1_1"),
        positions_pb2.ReleasePositionRequest(**mine, position_id="OP_1_1"),
        positions_pb2.ListTimelineRequest(user_id="demo", position_id="OP_1_1"),
        positions_pb2.ListTransactionsRequest(user_id="demo"),
        accounts_pb2.VerifyAccountRequest(**mine, account_id="a"),
        accounts_pb2.RenameAccountRequest(**mine, account_id="a", name="main"),
        accounts_pb2.SetTradingRequest(**mine, account_id="a", enabled=True),
        accounts_pb2.SetAutoManageRequest(**mine, account_id="a", enabled=True),
        accounts_pb2.SetTriggerPriceRequest(**mine, account_id="a", trigger_price=types_pb2.TRIGGER_PRICE_LAST),
        accounts_pb2.RemoveAccountRequest(**mine, account_id="a"),
        accounts_pb2.SetPlanRequest(user_id="demo", plan=accounts_pb2.Plan(name="pro")),
    ]
    methods: list[Any] = [
        positions.list_positions,
        positions.manage,
        positions.release,
        positions.list_timeline,
        positions.list_transactions,
        positions.verify_account,
        positions.rename_account,
        positions.set_trading,
        positions.set_auto_manage,
        positions.set_trigger_price,
        positions.remove_account,
        positions.set_plan,
    ]
    answers = [await method(request) for method, request in zip(methods, asked, strict=True)]
    assert other.servicer.asked == asked
    assert answers[0].positions == [POSITION]
    assert (answers[1].position, answers[2]) == (POSITION, POSITION)
    assert [entry.change for entry in answers[3].entries] == ["opened"]
    assert [account.account_id for account in answers[5:10]] == ["a"] * 5
    assert (answers[10], answers[11].name) == (None, "pro")
    assert (await positions.get_transaction("demo", "t")).transaction_id == "t"


async def test_reconciler_and_monitor_are_asked_for_the_caller(other: OtherSide) -> None:
    reconciler = ReconcilerClient(other.channel, sync_timeout_seconds=5)
    monitor = MonitorClient(other.channel, close_timeout_seconds=5)
    close = monitor_pb2.ClosePositionRequest(user_id="demo", position_id="OP_1_1", request_id="r", quantity="1")
    sync = reconciler_pb2.SyncNowRequest(user_id="demo", request_id="r", account_id="a")
    runs = reconciler_pb2.ListRunsRequest(user_id="demo", page_size=5)
    found = reconciler_pb2.ListDiscrepanciesRequest(all_users=True)
    gone = reconciler_pb2.ConfirmAbsenceRequest(account_id="a", operator_id="root", note="n", request_id="r")
    assert [run.run_id for run in await reconciler.sync_now(sync)] == ["r"]
    assert (await reconciler.list_runs(runs)).next_page_token == "more"
    assert (await reconciler.list_discrepancies(found)).next_page_token == "more"
    assert (await reconciler.get_overview()).accounts == 3
    assert await reconciler.confirm_absence(gone) == ["OP_1_1"]
    assert (await reconciler.get_status("demo")).is_running
    assert (await monitor.close_position(close)).intent_id == "i"
    assert other.servicer.asked == [
        sync,
        runs,
        found,
        reconciler_pb2.GetOverviewRequest(),
        gone,
        reconciler_pb2.GetStatusRequest(user_id="demo"),
        close,
    ]


async def test_the_monitor_is_asked_as_the_request_says(other: OtherSide) -> None:
    monitor = MonitorClient(other.channel, close_timeout_seconds=5)
    mine: dict[str, Any] = {"user_id": "demo", "request_id": "r"}
    calls: list[tuple[Any, Any, Any]] = [
        (monitor.open_position, monitor_pb2.OpenPositionRequest(**mine, symbol="BTCUSDT"), "intent_id"),
        (monitor.create_alert, alerts_pb2.CreateAlertRequest(**mine), "alert_id"),
        (monitor.list_alerts, alerts_pb2.ListAlertsRequest(user_id="demo"), "next_page_token"),
        (monitor.update_alert, alerts_pb2.UpdateAlertRequest(**mine, alert_id="a", active=False), "alert_id"),
        (monitor.delete_alert, alerts_pb2.DeleteAlertRequest(**mine, alert_id="a"), None),
        (monitor.list_triggered, alerts_pb2.ListTriggeredAlertsRequest(user_id="demo"), "next_page_token"),
        (monitor.set_webhook, alerts_pb2.SetWebhookRequest(**mine, url="https://x"), "secret"),
        (monitor.delete_webhook, alerts_pb2.DeleteWebhookRequest(**mine), None),
        (monitor.start, flows_pb2.StartExecutionRequest(**mine, flow_id="f"), "execution_id"),
        (monitor.stop, flows_pb2.StopExecutionRequest(**mine, execution_id="e"), "execution_id"),
        (monitor.list_executions, flows_pb2.ListExecutionsRequest(user_id="demo"), "next_page_token"),
        (monitor.list_evaluations, evaluations_pb2.ListEvaluationsRequest(user_id="demo"), "next_page_token"),
        (monitor.set_advisor, evaluations_pb2.SetAdvisorSettingsRequest(**mine), "mode"),
        (monitor.set_pause, pauses_pb2.SetPauseRequest(**mine, opening_paused=True), "opening_paused"),
    ]
    for method, request, telling in calls:
        answer = await method(request)
        assert other.servicer.asked.pop() == request
        assert answer is None if telling is None else getattr(answer, telling)
    by_user: list[tuple[Any, Any]] = [
        (monitor.get_alert("demo", "a"), alerts_pb2.GetAlertRequest(user_id="demo", alert_id="a")),
        (monitor.get_webhook("demo"), alerts_pb2.GetWebhookRequest(user_id="demo")),
        (monitor.get_execution("demo", "e"), flows_pb2.GetExecutionRequest(user_id="demo", execution_id="e")),
        (monitor.get_advisor("demo"), evaluations_pb2.GetAdvisorSettingsRequest(user_id="demo")),
        (monitor.get_sentiment("BTCUSDT"), evaluations_pb2.GetSentimentRequest(symbol="BTCUSDT")),
        (monitor.get_pause("demo"), pauses_pb2.GetPauseRequest(user_id="demo")),
    ]
    for asked, request in by_user:
        assert (await asked).ByteSize()
        assert other.servicer.asked.pop() == request


async def test_typed_errors_arrive_as_they_were_raised(other: OtherSide, positions: PositionsClient) -> None:
    other.servicer.answers["ListLivePositions"] = NoVerifiedApiKeys()
    with pytest.raises(NoVerifiedApiKeys, match=r"^No verified API keys found$"):
        await positions.list_live("demo", types_pb2.EXCHANGE_UNSPECIFIED)
    other.servicer.answers["GetPosition"] = PositionNotFound(position_id="OP_1_1")
    with pytest.raises(PositionNotFound) as refused:
        await positions.get_position("demo", "OP_1_1")
    assert refused.value.metadata == {"position_id": "OP_1_1"}


async def test_health_is_that_of_all_names(other: OtherSide) -> None:
    health = GrpcHealth(other.channel, NAMES)
    assert set((await health.check()).values()) == {"NOT_SERVING"}
    for name in NAMES:
        other.health.set(name, True)
    assert set((await health.check()).values()) == {"SERVING"}
    other.health.set(NAMES[-1], False)
    assert (await health.check())[NAMES[-1]] == "NOT_SERVING"
    assert (await health.check())[NAMES[0]] == "SERVING"
    assert set((await GrpcHealth(other.channel, ["nobody.v1.Declared"]).check()).values()) == {"UNREACHABLE"}


async def test_a_service_that_is_down_is_unavailable(other: OtherSide, positions: PositionsClient) -> None:
    await other.server.drain(0)
    with pytest.raises(ServiceUnavailable, match="positions service"):
        await positions.list_accounts("demo")
    assert set((await GrpcHealth(other.channel, NAMES).check()).values()) == {"UNREACHABLE"}
