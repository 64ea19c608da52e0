"""The monitor is killed between an order and its booking, again and again: at most one position for each execution, and
what was opened is booked with what was said of it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from protos.monitor.v1 import flows_pb2
from protos.positions.v1 import positions_pb2, types_pb2
from services.common.errors import Unavailable
from tests.e2e.flow_client import FlowClient, flow_client
from tests.e2e.trader import Json, Trader, new_trader, until
from tests.stack import RunningStack, running_stack

EXECUTIONS = 8
KILLS = 3
ORDER = {"binance": "POST /fapi/v1/order", "bybit": "POST /v5/order/create"}


@pytest.fixture
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of this test's own: it kills what runs in it."""
    async with running_stack(session_dir / "opening", {"RECONCILE_INTERVAL_SECONDS": "10"}) as running:
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
            await _is_one_position_or_none(trader, flows, execution, truth)


async def _pid(stack: RunningStack) -> int | None:
    pid: int | None = stack.description["processes"].get("monitor")
    return pid


async def _settled(flows: FlowClient, execution_id: str) -> flows_pb2.Execution:
    """The execution, once its opening is over."""

    async def read() -> flows_pb2.Execution:
        request = flows_pb2.GetExecutionRequest(user_id=flows.user_id, execution_id=execution_id)
        try:
            return (await flows.flows.GetExecution(request)).execution
        except Unavailable:
            return flows_pb2.Execution(state=flows_pb2.EXECUTION_STATE_OPENING)

    known = (flows_pb2.EXECUTION_STATE_OPEN, flows_pb2.EXECUTION_STATE_FAILED)
    return await until(read, lambda execution: execution.state in known, "the opening to be over")


async def _is_one_position_or_none(
    trader: Trader, flows: FlowClient, execution: flows_pb2.Execution, truth: Json
) -> None:
    held = [position for position in truth["positions"] if position["symbol"] == execution.symbol]
    filled = [o for o in truth["orders"] if o["symbol"] == execution.symbol and Decimal(o["executed"])]
    request = positions_pb2.ListPositionsRequest(
        user_id=trader.user_id, symbol=execution.symbol, filter=positions_pb2.POSITION_FILTER_OPEN
    )
    booked = list((await flows.books.ListPositions(request)).positions)
    if execution.state == flows_pb2.EXECUTION_STATE_FAILED:
        assert (held, filled, booked) == ([], [], []), execution.reason
        return
    assert (len(held), len(filled), len(booked)) == (1, 1, 1)
    (position,) = booked
    assert position.position_id == execution.position_id
    assert Decimal(position.quantity) == 1
    assert (position.origin, position.managed) == (types_pb2.ORIGIN_FLOW, True)
    assert position.provenance.execution_id == execution.execution_id
    assert position.levels.stop_loss.HasField("armed_at")
