"""Whatever a caller sends to whichever method, it is answered or refused by name: never with an internal error."""

from types import ModuleType
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protos.monitor.v1 import flows_pb2, monitor_pb2
from services.common.channels import ServiceChannel
from services.common.errors import DomainError
from tests.contract.monitor.flows_world import FlowsWorld
from tests.contract.monitor.test_flows_rpc import channel, start_request, target, world
from tests.contract.positions.requests import fill_in, requests_of
from tests.unit.monitor.opening_world import ACCOUNT, USER

__all__ = ["channel", "target", "world"]

MODULES: tuple[ModuleType, ...] = (flows_pb2, monitor_pb2)
METHODS: list[MethodDescriptor] = [
    method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
EXECUTION = "<execution>"
PLAUSIBLE = {
    "user_id": [USER],
    "account_id": [ACCOUNT],
    "execution_id": [EXECUTION],
    "symbol": ["BTCUSDT"],
    "price": ["95"],
    "distance": ["0.02"],
    "quantity": ["1"],
    "notional": ["150"],
    "risk_percent": ["1"],
    "leverage": ["5"],
    "flow_id": ["flow"],
    "ai_confidence": ["0.5"],
    "market_conditions": ["{}"],
}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.containing_service.name}.{method.name}")
@given(data=st.data())
@settings(deadline=None, max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
async def test_no_request_is_an_internal_error(
    world: FlowsWorld, channel: ServiceChannel, method: MethodDescriptor, data: st.DataObject
) -> None:
    request = data.draw(requests_of(method.input_type, PLAUSIBLE))
    fill_in(request, {EXECUTION: await _ended_execution(world, channel)})
    path = f"/{method.containing_service.full_name}/{method.name}"
    answer = message_factory.GetMessageClass(method.output_type)
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Any = make(
        path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer.FromString,
    )(request)
    refusal: DomainError | None = None
    try:
        if method.server_streaming:
            async for _ in call:
                pass
        else:
            await call
    except DomainError as error:
        refusal = error
    assert refusal is None or refusal.reason not in ("DATABASE_UNAVAILABLE", "CALLER_REFUSED", "CALLER_UNKNOWN")


async def _ended_execution(world: FlowsWorld, channel: ServiceChannel) -> str:
    """One that has ended, so that a watcher of it comes to an end."""
    found, _ = await world.executions.list(USER, "", 1, None, running=False)
    if not found:
        claims, world.held = world.held, {}
        call: Any = channel.unary_unary(
            "/monitor.v1.FlowService/StartExecution",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=flows_pb2.StartExecutionResponse.FromString,
        )
        await call(start_request(symbol="ENDEDUSDT", request_id="ended"))
        world.held = claims
        (execution,), _ = await world.executions.list(USER, "", 1, None, running=False)
        await world.openings.cancel(execution.intent_id, "ended", world.clock.now())
        found = (execution,)
    return str(found[0].execution_id)
