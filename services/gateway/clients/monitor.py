"""What the gateway needs of the monitor."""

from typing import Protocol

import grpc

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


class Closing(Protocol):
    """Closes positions. Errors: those of MonitorService.ClosePosition."""

    async def close_position(self, request: monitor_pb2.ClosePositionRequest) -> monitor_pb2.ClosePositionResponse: ...


class Opening(Protocol):
    """Opens positions. Errors: those of MonitorService.OpenPosition."""

    async def open_position(self, request: monitor_pb2.OpenPositionRequest) -> monitor_pb2.OpenPositionResponse: ...


class Alerts(Protocol):
    """What users want to be told of, and where to. Errors: those that AlertsService names."""

    async def create_alert(self, request: alerts_pb2.CreateAlertRequest) -> alerts_pb2.Alert: ...

    async def list_alerts(self, request: alerts_pb2.ListAlertsRequest) -> alerts_pb2.ListAlertsResponse: ...

    async def get_alert(self, user_id: str, alert_id: str) -> alerts_pb2.Alert: ...

    async def update_alert(self, request: alerts_pb2.UpdateAlertRequest) -> alerts_pb2.Alert: ...

    async def delete_alert(self, request: alerts_pb2.DeleteAlertRequest) -> None: ...

    async def list_triggered(
        self, request: alerts_pb2.ListTriggeredAlertsRequest
    ) -> alerts_pb2.ListTriggeredAlertsResponse: ...

    async def set_webhook(self, request: alerts_pb2.SetWebhookRequest) -> alerts_pb2.SetWebhookResponse: ...

    async def get_webhook(self, user_id: str) -> alerts_pb2.GetWebhookResponse: ...

    async def delete_webhook(self, request: alerts_pb2.DeleteWebhookRequest) -> None: ...


class Flows(Protocol):
    """Executions of trading flows. Errors: those that FlowService names."""

    async def start(self, request: flows_pb2.StartExecutionRequest) -> flows_pb2.Execution: ...

    async def stop(self, request: flows_pb2.StopExecutionRequest) -> flows_pb2.Execution: ...

    async def get_execution(self, user_id: str, execution_id: str) -> flows_pb2.GetExecutionResponse: ...

    async def list_executions(self, request: flows_pb2.ListExecutionsRequest) -> flows_pb2.ListExecutionsResponse: ...


class Evaluations(Protocol):
    """What the advisor thinks, and how far it may go. Errors: those that EvaluationsService names."""

    async def list_evaluations(
        self, request: evaluations_pb2.ListEvaluationsRequest
    ) -> evaluations_pb2.ListEvaluationsResponse: ...

    async def get_advisor(self, user_id: str) -> evaluations_pb2.AdvisorSettings: ...

    async def set_advisor(
        self, request: evaluations_pb2.SetAdvisorSettingsRequest
    ) -> evaluations_pb2.AdvisorSettings: ...

    async def get_sentiment(self, symbol: str) -> evaluations_pb2.GetSentimentResponse: ...


class Pauses(Protocol):
    """The switches that stop trading. Errors: those that PausesService names."""

    async def get_pause(self, user_id: str) -> pauses_pb2.GetPauseResponse: ...

    async def set_pause(self, request: pauses_pb2.SetPauseRequest) -> pauses_pb2.Pause: ...


class MonitorClient:
    """All of these over a channel to the monitor."""

    def __init__(self, channel: grpc.aio.Channel, *, close_timeout_seconds: float) -> None:
        self._monitor = monitor_pb2_grpc.MonitorServiceStub(channel)
        self._alerts = alerts_pb2_grpc.AlertsServiceStub(channel)
        self._flows = flows_pb2_grpc.FlowServiceStub(channel)
        self._evaluations = evaluations_pb2_grpc.EvaluationsServiceStub(channel)
        self._pauses = pauses_pb2_grpc.PausesServiceStub(channel)
        self._order_timeout_seconds = close_timeout_seconds

    async def close_position(self, request: monitor_pb2.ClosePositionRequest) -> monitor_pb2.ClosePositionResponse:
        return await self._monitor.ClosePosition(request, timeout=self._order_timeout_seconds)

    async def open_position(self, request: monitor_pb2.OpenPositionRequest) -> monitor_pb2.OpenPositionResponse:
        return await self._monitor.OpenPosition(request, timeout=self._order_timeout_seconds)

    async def create_alert(self, request: alerts_pb2.CreateAlertRequest) -> alerts_pb2.Alert:
        return (await self._alerts.CreateAlert(request)).alert

    async def list_alerts(self, request: alerts_pb2.ListAlertsRequest) -> alerts_pb2.ListAlertsResponse:
        return await self._alerts.ListAlerts(request)

    async def get_alert(self, user_id: str, alert_id: str) -> alerts_pb2.Alert:
        return (await self._alerts.GetAlert(alerts_pb2.GetAlertRequest(user_id=user_id, alert_id=alert_id))).alert

    async def update_alert(self, request: alerts_pb2.UpdateAlertRequest) -> alerts_pb2.Alert:
        return (await self._alerts.UpdateAlert(request)).alert

    async def delete_alert(self, request: alerts_pb2.DeleteAlertRequest) -> None:
        await self._alerts.DeleteAlert(request)

    async def list_triggered(
        self, request: alerts_pb2.ListTriggeredAlertsRequest
    ) -> alerts_pb2.ListTriggeredAlertsResponse:
        return await self._alerts.ListTriggeredAlerts(request)

    async def set_webhook(self, request: alerts_pb2.SetWebhookRequest) -> alerts_pb2.SetWebhookResponse:
        return await self._alerts.SetWebhook(request)

    async def get_webhook(self, user_id: str) -> alerts_pb2.GetWebhookResponse:
        return await self._alerts.GetWebhook(alerts_pb2.GetWebhookRequest(user_id=user_id))

    async def delete_webhook(self, request: alerts_pb2.DeleteWebhookRequest) -> None:
        await self._alerts.DeleteWebhook(request)

    async def start(self, request: flows_pb2.StartExecutionRequest) -> flows_pb2.Execution:
        return (await self._flows.StartExecution(request, timeout=self._order_timeout_seconds)).execution

    async def stop(self, request: flows_pb2.StopExecutionRequest) -> flows_pb2.Execution:
        return (await self._flows.StopExecution(request, timeout=self._order_timeout_seconds)).execution

    async def get_execution(self, user_id: str, execution_id: str) -> flows_pb2.GetExecutionResponse:
        return await self._flows.GetExecution(flows_pb2.GetExecutionRequest(user_id=user_id, execution_id=execution_id))

    async def list_executions(self, request: flows_pb2.ListExecutionsRequest) -> flows_pb2.ListExecutionsResponse:
        return await self._flows.ListExecutions(request)

    async def list_evaluations(
        self, request: evaluations_pb2.ListEvaluationsRequest
    ) -> evaluations_pb2.ListEvaluationsResponse:
        return await self._evaluations.ListEvaluations(request)

    async def get_advisor(self, user_id: str) -> evaluations_pb2.AdvisorSettings:
        request = evaluations_pb2.GetAdvisorSettingsRequest(user_id=user_id)
        return (await self._evaluations.GetAdvisorSettings(request)).settings

    async def set_advisor(self, request: evaluations_pb2.SetAdvisorSettingsRequest) -> evaluations_pb2.AdvisorSettings:
        return (await self._evaluations.SetAdvisorSettings(request)).settings

    async def get_sentiment(self, symbol: str) -> evaluations_pb2.GetSentimentResponse:
        return await self._evaluations.GetSentiment(evaluations_pb2.GetSentimentRequest(symbol=symbol))

    async def get_pause(self, user_id: str) -> pauses_pb2.GetPauseResponse:
        return await self._pauses.GetPause(pauses_pb2.GetPauseRequest(user_id=user_id))

    async def set_pause(self, request: pauses_pb2.SetPauseRequest) -> pauses_pb2.Pause:
        return (await self._pauses.SetPause(request)).pause
