"""Executions of flows on the sandbox: each opens a position with all that was said of it, and ends when that has ended,
however it ends."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from protos.monitor.v1 import flows_pb2
from protos.positions.v1 import positions_pb2, types_pb2
from tests.e2e.flow_client import FlowClient, Life, flow_client
from tests.e2e.trader import Json, Trader, until
from tests.stack import RunningStack

ENDS = ("stop_loss", "take_profit", "stopped", "by_hand", "externally")
REASONS = {
    "stop_loss": types_pb2.EXIT_REASON_STOP_LOSS,
    "take_profit": types_pb2.EXIT_REASON_TAKE_PROFIT,
    "stopped": types_pb2.EXIT_REASON_MANUAL,
    "by_hand": types_pb2.EXIT_REASON_MANUAL,
    "externally": types_pb2.EXIT_REASON_CLOSED_EXTERNALLY,
}


@pytest.fixture
async def flows(stack: RunningStack, trader: Trader) -> AsyncIterator[FlowClient]:
    async with flow_client(stack, trader.user_id) as client:
        yield client


async def bring_to_its_end(trader: Trader, flows: FlowClient, end: str, execution: flows_pb2.Execution) -> None:
    match end:
        case "stop_loss":
            await trader.set_price(execution.symbol, "96")
        case "take_profit":
            await trader.set_price(execution.symbol, "111")
        case "stopped":
            request = flows_pb2.StopExecutionRequest(
                user_id=flows.user_id, execution_id=execution.execution_id, request_id="enough"
            )
            stopping = (await flows.flows.StopExecution(request)).execution
            assert stopping.state in (flows_pb2.EXECUTION_STATE_CLOSING, flows_pb2.EXECUTION_STATE_CLOSED)
        case "by_hand":
            await trader.call("POST", f"/api/positions/{execution.position_id}/close")
        case "externally":
            await trader.trade(execution.symbol, "sell", "1", reduce_only=True)
            await trader.call("POST", "/api/positions/sync")


async def test_however_an_execution_ends_books_timeline_and_events_tell_it(trader: Trader, flows: FlowClient) -> None:
    account = (await trader.add_key())["id"]
    pushes = await trader.listen()
    symbols = {end: await trader.mint_symbol("100") for end in ENDS}
    target = types_pb2.Level(pinned=types_pb2.Pinned(price="110"))
    started = {
        end: await flows.start(flows.wish(account, symbol, "1", take_profit=target, leverage="5"))
        for end, symbol in symbols.items()
    }
    lives = {end: Life() for end in ENDS}
    async with asyncio.TaskGroup() as watchers:
        for end, execution in started.items():
            watchers.create_task(flows.watch(execution.execution_id, lives[end]))
        for end in ENDS:
            life = await until(lambda end=end: _seen(lives[end]), lambda life: life.execution.position_id, "a position")  # type: ignore[misc]
            await until(trader.rows, lambda rows, end=end: rows[symbols[end]]["guarded"], "its levels to be guarded")  # type: ignore[misc]
            row = (await trader.rows())[symbols[end]]
            assert (row["managed"], row["stopLoss"], row["stopLossEnforced"]) == (True, 98, True)
            assert (row["takeProfit"], row["takeProfitEnforced"]) == (110, True)
            await bring_to_its_end(trader, flows, end, life.execution)
    history = await trader.history()
    truth = await trader.truth()
    assert truth["positions"] == []
    for end, life in lives.items():
        await _was_told_well(trader, flows, end, life, history[symbols[end]])
        await pushes.wait_for("position_closed", symbols[end])
        kinds = [m["type"] for m in pushes.facts() if m["data"]["symbol"] == symbols[end]]
        assert (kinds[0], kinds[-1]) == ("position_opened", "position_closed")
        opening = [o for o in truth["orders"] if o["symbol"] == symbols[end] and o["side"] == "BUY"]
        assert len(opening) == 1


async def _seen(life: Life) -> Life:
    return life


async def _was_told_well(trader: Trader, flows: FlowClient, end: str, life: Life, row: Json) -> None:
    execution = life.execution
    assert execution.state == flows_pb2.EXECUTION_STATE_CLOSED, (end, str(life))
    assert execution.result.reason == REASONS[end]
    assert not execution.result.estimated
    assert (Decimal(execution.result.price), Decimal(execution.result.quantity)) == (row["exitPrice"], row["quantity"])
    assert execution.position_id == row["id"]
    steps = ["OPENING", "OPENED", "CLOSED"] if end == "externally" else ["OPENING", "OPENED", "CLOSING", "CLOSED"]
    assert life.steps == steps, (end, [update.detail for update in life.updates])
    assert [update.sequence for update in life.updates] == list(range(1, len(steps) + 1))
    position = (
        await flows.books.GetPosition(
            positions_pb2.GetPositionRequest(user_id=flows.user_id, position_id=execution.position_id)
        )
    ).position
    origin = position.provenance
    assert position.origin == types_pb2.ORIGIN_FLOW
    assert (origin.flow_id, origin.node_id, origin.execution_id) == ("flow-1", "node-7", execution.execution_id)
    assert (origin.agent, origin.ai_confidence, origin.market_conditions) == ("breakout", "0.8", '{"volatility":"low"}')
    assert Decimal(position.entry.leverage) == 5
    entries = await flows.timeline(execution.position_id)
    assert (entries[0].change, entries[-1].change) == ("opened", "closed")
