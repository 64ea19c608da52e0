"""Requests made up from the OpenAPI document: nothing is answered that the document does not promise, and no 5xx.

Schemathesis calls the application in a loop of its own; the fakes behind it hold one position, key and transaction.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from protos.monitor.v1 import alerts_pb2, evaluations_pb2, events_pb2, flows_pb2
from protos.positions.v1 import types_pb2
from services.gateway.http import alerts_examples, flows_examples
from tests.fakes.gateway_monitor import FakeMonitor
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position, closed_position, live_answer, live_position
from tests.unit.gateway.test_books import transaction

EXAMPLES = 12
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def stock(monitor: FakeMonitor) -> None:
    """An alert, an execution and an evaluation by the ids of the examples."""
    monitor.opened = booked_position()
    alert_id, execution_id = alerts_examples.ALERT["alert"]["id"], flows_examples.EXECUTION["execution"]["id"]
    monitor.alerts[alert_id] = alerts_pb2.Alert(
        alert_id=alert_id, user_id="demo", kind=events_pb2.ALERT_KIND_PRICE_TARGET, threshold="70000"
    )
    monitor.told = [events_pb2.AlertTriggered(event_id="e", user_id="demo", kind=events_pb2.ALERT_KIND_FEED_STALE)]
    execution = flows_pb2.Execution(
        execution_id=execution_id, user_id="demo", flow_id="f", side=types_pb2.SIDE_LONG, symbol="BTCUSDT"
    )
    execution.result.CopyFrom(closed_position().exit)
    monitor.executions[execution_id] = execution
    monitor.evaluations = [evaluations_pb2.Evaluation(evaluation_id="v", conditions='{"atr": 1}', confidence=70)]
    monitor.sentiment = evaluations_pb2.Sentiment(symbol="BTCUSDT", score="0.3", missing={"reddit": "timed out"})


def operations() -> list[Any]:
    """Every operation of the document, over an application whose fakes know what the examples name."""
    world = World()
    world.books.positions["OP_1729425600_123"] = booked_position()
    world.live.answers["demo"] = live_answer(live_position())
    world.transactions.by_user["demo"] = [transaction()]
    stock(world.monitor)
    schema = schemathesis.openapi.from_asgi("/openapi.json", world.app())
    schema.config.update(headers={"Authorization": f"Bearer {world.token(role='admin')}"})
    found: list[Any] = list(schema.get_all_operations())
    return [operation.ok() for operation in found]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: str(operation.label))
def test_every_answer_is_one_that_the_document_promises(operation: Any) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
