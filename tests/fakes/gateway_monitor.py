"""The monitor as the gateway sees it, in memory: what it was asked is kept; another user's things are not found."""

from typing import Any

from protos.monitor.v1 import alerts_pb2, evaluations_pb2, events_pb2, flows_pb2, monitor_pb2, pauses_pb2
from protos.positions.v1 import types_pb2
from services.common.errors import DomainError
from services.gateway.http.errors import ThingNotFound


class FakeMonitor:
    """Closes, opens, tells, runs flows, evaluates and pauses. With `fails` set it raises that instead of answering."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.asked: list[Any] = []
        self.closed: list[monitor_pb2.ClosePositionRequest] = []
        self.alerts: dict[str, alerts_pb2.Alert] = {}
        self.told: list[events_pb2.AlertTriggered] = []
        self.webhooks: dict[str, alerts_pb2.Webhook] = {}
        self.executions: dict[str, flows_pb2.Execution] = {}
        self.updates: list[flows_pb2.ExecutionUpdate] = []
        self.evaluations: list[evaluations_pb2.Evaluation] = []
        self.advisor = evaluations_pb2.AdvisorSettings(mode=evaluations_pb2.ADVISOR_MODE_ADVISE)
        self.sentiment: evaluations_pb2.Sentiment | None = None
        self.pauses: dict[str, pauses_pb2.Pause] = {}
        self.opened = types_pb2.Position()
        self.next_page_token = ""

    def _take(self, request: Any) -> None:
        self.asked.append(request)
        if self.fails is not None:
            raise self.fails

    async def close_position(self, request: monitor_pb2.ClosePositionRequest) -> monitor_pb2.ClosePositionResponse:
        self.closed.append(request)
        self._take(request)
        return monitor_pb2.ClosePositionResponse(
            intent_id="6a1f3a52-64a4-4a9e-9a57-1f7f0c1c9c57",
            position_id=request.position_id,
            exit_price="66000",
            quantity=request.quantity or "0.001",
        )

    async def open_position(self, request: monitor_pb2.OpenPositionRequest) -> monitor_pb2.OpenPositionResponse:
        self._take(request)
        return monitor_pb2.OpenPositionResponse(intent_id="intent-1", position=self.opened)

    async def create_alert(self, request: alerts_pb2.CreateAlertRequest) -> alerts_pb2.Alert:
        self._take(request)
        alert = alerts_pb2.Alert()
        alert.CopyFrom(request.alert)
        alert.user_id = request.user_id
        alert.alert_id = f"alert-{len(self.alerts) + 1}"
        alert.active, alert.version = True, 1
        self.alerts[alert.alert_id] = alert
        return alert

    async def list_alerts(self, request: alerts_pb2.ListAlertsRequest) -> alerts_pb2.ListAlertsResponse:
        self._take(request)
        mine = [alert for alert in self.alerts.values() if alert.user_id == request.user_id]
        return alerts_pb2.ListAlertsResponse(alerts=mine, next_page_token=self.next_page_token)

    async def get_alert(self, user_id: str, alert_id: str) -> alerts_pb2.Alert:
        self._take((user_id, alert_id))
        alert = self.alerts.get(alert_id)
        if alert is None or alert.user_id != user_id:
            raise _not_found("alert")
        return alert

    async def update_alert(self, request: alerts_pb2.UpdateAlertRequest) -> alerts_pb2.Alert:
        alert = await self.get_alert(request.user_id, request.alert_id)
        self._take(request)
        for field in ("threshold", "repeating", "hysteresis", "webhook", "active", "note"):
            if request.HasField(field):
                setattr(alert, field, getattr(request, field))
        alert.version += 1
        return alert

    async def delete_alert(self, request: alerts_pb2.DeleteAlertRequest) -> None:
        await self.get_alert(request.user_id, request.alert_id)
        del self.alerts[request.alert_id]

    async def list_triggered(
        self, request: alerts_pb2.ListTriggeredAlertsRequest
    ) -> alerts_pb2.ListTriggeredAlertsResponse:
        self._take(request)
        mine = [told for told in self.told if told.user_id == request.user_id]
        return alerts_pb2.ListTriggeredAlertsResponse(triggered=mine, next_page_token=self.next_page_token)

    async def set_webhook(self, request: alerts_pb2.SetWebhookRequest) -> alerts_pb2.SetWebhookResponse:
        self._take(request)
        self.webhooks[request.user_id] = alerts_pb2.Webhook(url=request.url)
        return alerts_pb2.SetWebhookResponse(webhook=self.webhooks[request.user_id], secret="shown once")

    async def get_webhook(self, user_id: str) -> alerts_pb2.GetWebhookResponse:
        self._take(user_id)
        return alerts_pb2.GetWebhookResponse(webhook=self.webhooks.get(user_id))

    async def delete_webhook(self, request: alerts_pb2.DeleteWebhookRequest) -> None:
        self._take(request)
        self.webhooks.pop(request.user_id, None)

    async def start(self, request: flows_pb2.StartExecutionRequest) -> flows_pb2.Execution:
        self._take(request)
        execution = flows_pb2.Execution(
            execution_id=f"execution-{len(self.executions) + 1}",
            user_id=request.user_id,
            flow_id=request.flow_id,
            node_id=request.node_id,
            account_id=request.account_id,
            symbol=request.symbol,
            side=request.side,
            state=flows_pb2.EXECUTION_STATE_OPENING,
            sequence=1,
        )
        self.executions[execution.execution_id] = execution
        return execution

    async def stop(self, request: flows_pb2.StopExecutionRequest) -> flows_pb2.Execution:
        execution = (await self.get_execution(request.user_id, request.execution_id)).execution
        self._take(request)
        execution.state = flows_pb2.EXECUTION_STATE_CLOSING
        return execution

    async def get_execution(self, user_id: str, execution_id: str) -> flows_pb2.GetExecutionResponse:
        self._take((user_id, execution_id))
        execution = self.executions.get(execution_id)
        if execution is None or execution.user_id != user_id:
            raise _not_found("execution")
        return flows_pb2.GetExecutionResponse(execution=execution, updates=self.updates)

    async def list_executions(self, request: flows_pb2.ListExecutionsRequest) -> flows_pb2.ListExecutionsResponse:
        self._take(request)
        mine = [execution for execution in self.executions.values() if execution.user_id == request.user_id]
        return flows_pb2.ListExecutionsResponse(executions=mine, next_page_token=self.next_page_token)

    async def list_evaluations(
        self, request: evaluations_pb2.ListEvaluationsRequest
    ) -> evaluations_pb2.ListEvaluationsResponse:
        self._take(request)
        return evaluations_pb2.ListEvaluationsResponse(
            evaluations=self.evaluations, next_page_token=self.next_page_token
        )

    async def get_advisor(self, user_id: str) -> evaluations_pb2.AdvisorSettings:
        self._take(user_id)
        return self.advisor

    async def set_advisor(self, request: evaluations_pb2.SetAdvisorSettingsRequest) -> evaluations_pb2.AdvisorSettings:
        self._take(request)
        self.advisor.mode = request.mode
        return self.advisor

    async def get_sentiment(self, symbol: str) -> evaluations_pb2.GetSentimentResponse:
        self._take(symbol)
        return evaluations_pb2.GetSentimentResponse(sentiment=self.sentiment)

    async def get_pause(self, user_id: str) -> pauses_pb2.GetPauseResponse:
        self._take(user_id)
        return pauses_pb2.GetPauseResponse(user=self.pauses.get(user_id), everybody=self.pauses.get(""))

    async def set_pause(self, request: pauses_pb2.SetPauseRequest) -> pauses_pb2.Pause:
        self._take(request)
        pause = pauses_pb2.Pause(
            user_id=request.user_id,
            opening_paused=request.opening_paused,
            closing_paused=request.closing_paused,
            reason=request.reason,
            set_by=request.set_by,
        )
        self.pauses[request.user_id] = pause
        return pause


def _not_found(thing: str) -> DomainError:
    return ThingNotFound(thing=thing)
