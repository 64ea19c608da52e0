"""The monitor is killed between an order and its booking, again and again: at most one position for each execution, and
what was opened is booked with what was said of it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from protos.monitor.v1 import flows_pb2
from protos.positions.v1 import positions_pb2, types_pb2
from services.common.errors import Unavailable
from tests.e2e.flow_client import FlowClient, flow_client
from tests.e2e.trader import Json, new_trader, until
from tests.stack import RunningStack, running_stack

EXECUTIONS = 8
KILLS = 3
LOOK_UPS = {"binance": ("GET /fapi/v1/order",), "bybit": ("GET /v5/order/realtime", "GET /v5/order/history")}
ORDER = {"binance": "POST /fapi/v1/order", "bybit": "POST /v5/order/create"}


@pytest.fixture(scope="module")
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of these tests' own: they kill what runs in it."""
    settings = {"RECONCILE_INTERVAL_SECONDS": "10", "OPEN_UNRESOLVED_SECONDS": "1"}
    async with running_stack(session_dir / "opening", settings) as running:
        yield running


@pytest.mark.timeout(240)
@pytest.mark.parametrize("exchange", ["binance", "bybit"])
async def test_a_monitor_that_is_killed_opens_nothing_twice(stack: RunningStack, exchange: str) -> None:
    async with AsyncExitStack() as exits:
        trader = await exits.enter_async_context(new_trader(stack, exchange))
        flows = await exits.enter_async_context(flow_client(stack, trader.user_id))
        account = (await trader.add_key())["id"]
        symbols = [await trader.mint_symbol("100") for _ in range(EXECUTIONS)]
        # Orders take effect, and their answers hang: whoever is killed meanwhile has not heard of them.
        fault = {"exchange": exchange, "endpoint": ORDER[exchange], "kind": "timeout", "when": "after", "seconds": 3}
        await trader.control("/sandbox/faults", {**fault, "times": EXECUTIONS // 2})
        started = await asyncio.gather(*(flows.start(flows.wish(account, symbol, "1")) for symbol in symbols))
        for kill in range(1, KILLS + 1):
            await until(trader.truth, lambda truth, kill=kill: len(truth["orders"]) >= kill, "an order at the venue")  # type: ignore[misc]
            before = stack.description["processes"]["monitor"]
            os.kill(before, signal.SIGKILL)
            await until(lambda: _pid(stack), lambda pid, before=before: pid not in (None, before), "another monitor")  # type: ignore[misc]
        settled = [await _settled(flows, execution.execution_id) for execution in started]
        assert sum(execution.state == flows_pb2.EXECUTION_STATE_OPEN for execution in settled) >= 1
        truth = await trader.truth()
        for execution in settled:
            await _is_one_position_or_none(flows, execution, truth)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("exchange", ["binance", "bybit"])
async def test_an_order_of_which_nobody_tells_is_unresolved_until_somebody_does(
    stack: RunningStack, exchange: str
) -> None:
    async with AsyncExitStack() as exits:
        trader = await exits.enter_async_context(new_trader(stack, exchange))
        flows = await exits.enter_async_context(flow_client(stack, trader.user_id))
        account = (await trader.add_key())["id"]
        symbol = await trader.mint_symbol("100")
        lost = {"exchange": exchange, "apiKey": trader.api_key, "kind": "drop"}
        await trader.control("/sandbox/faults", {**lost, "endpoint": ORDER[exchange], "when": "after", "times": 1})
        for endpoint in LOOK_UPS[exchange]:
            await trader.control("/sandbox/faults", {**lost, "endpoint": endpoint, "when": "before"})
        execution = await flows.start(flows.wish(account, symbol, "1"))
        # Either nobody knows, or the reconciler has found the position and knows by its fills whose it is.
        told = (flows_pb2.EXECUTION_STATE_UNRESOLVED, flows_pb2.EXECUTION_STATE_OPEN)
        read = partial(_read, flows, execution.execution_id)
        await until(read, lambda seen: seen.state in told, "nobody to know, or the books to know by themselves")
        await trader.sandbox.delete("/sandbox/faults")
        settled = await _settled(flows, execution.execution_id)
        assert settled.state == flows_pb2.EXECUTION_STATE_OPEN
        await _is_one_position_or_none(flows, settled, await trader.truth())
        request = flows_pb2.GetExecutionRequest(user_id=flows.user_id, execution_id=execution.execution_id)
        steps = [update.step for update in (await flows.flows.GetExecution(request)).updates]
        assert (steps[0], steps[-1]) == (flows_pb2.EXECUTION_STEP_OPENING, flows_pb2.EXECUTION_STEP_OPENED)
        assert set(steps[1:-1]) <= {flows_pb2.EXECUTION_STEP_UNRESOLVED}


async def _pid(stack: RunningStack) -> int | None:
    pid: int | None = stack.description["processes"].get("monitor")
    return pid


async def _settled(flows: FlowClient, execution_id: str) -> flows_pb2.Execution:
    """The execution, once its opening is over."""
    known = (flows_pb2.EXECUTION_STATE_OPEN, flows_pb2.EXECUTION_STATE_FAILED)
    return await until(
        lambda: _read(flows, execution_id), lambda execution: execution.state in known, "the opening to be over"
    )


async def _read(flows: FlowClient, execution_id: str) -> flows_pb2.Execution:
    request = flows_pb2.GetExecutionRequest(user_id=flows.user_id, execution_id=execution_id)
    try:
        return (await flows.flows.GetExecution(request)).execution
    except Unavailable:
        return flows_pb2.Execution(state=flows_pb2.EXECUTION_STATE_OPENING)


async def _is_one_position_or_none(flows: FlowClient, execution: flows_pb2.Execution, truth: Json) -> None:
    held = [position for position in truth["positions"] if position["symbol"] == execution.symbol]
    filled = [o for o in truth["orders"] if o["symbol"] == execution.symbol and Decimal(o["executed"])]
    if execution.state == flows_pb2.EXECUTION_STATE_FAILED:
        assert (held, filled, await _booked(flows, execution)) == ([], [], []), execution.reason
        return
    assert (len(held), len(filled)) == (1, 1)
    # The reconciler may have adopted it first: then it becomes the flow's as soon as its opening is booked.
    (position,) = await until(
        lambda: _booked(flows, execution),
        lambda booked: [position.provenance.execution_id for position in booked] == [execution.execution_id],
        "the books to know whose it is",
    )
    assert position.position_id == execution.position_id
    assert Decimal(position.quantity) == 1
    assert (position.origin, position.managed) == (types_pb2.ORIGIN_FLOW, True)
    assert position.levels.stop_loss.HasField("armed_at")


async def _booked(flows: FlowClient, execution: flows_pb2.Execution) -> list[types_pb2.Position]:
    request = positions_pb2.ListPositionsRequest(
        user_id=flows.user_id, symbol=execution.symbol, filter=positions_pb2.POSITION_FILTER_OPEN
    )
    return list((await flows.books.ListPositions(request)).positions)
