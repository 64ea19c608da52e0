"""What the logs say of a close: who, what, and by which request, in each service that took part."""

import json
from uuid import uuid4

from tests.e2e.trader import Json, Trader, until
from tests.stack import RunningStack


def lines_of(stack: RunningStack, service: str, **wanted: str) -> list[Json]:
    """The lines of a service's log with these values; the last one only once it is whole."""
    whole = stack.layout.log(service).read_text().rpartition("\n")[0].splitlines()
    lines = [json.loads(line) for line in whole if line.startswith("{")]
    return [line for line in lines if wanted.items() <= line.items()]


async def test_a_close_is_followed_through_the_logs_by_its_request(stack: RunningStack, trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    rows = await until(trader.rows, lambda rows: rows.get(symbol, {}).get("inSync"), "the adoption")
    position_id, request_id = rows[symbol]["id"], f"logs-{uuid4()}"
    await trader.call("POST", f"/api/positions/{position_id}/close", {}, **{"X-Request-Id": request_id})
    ids = {"request_id": request_id, "user_id": trader.user_id, "position_id": position_id}

    async def told() -> list[str]:
        return [line["event"] for line in lines_of(stack, "monitor", **ids)]

    await until(told, lambda events: {"closing", "closing over"} <= set(events), "the monitor's lines")

    async def answered() -> list[Json]:
        return lines_of(stack, "gateway", event="request", **ids)

    # A request is told of when it is over, which may be after its answer has arrived.
    (request,) = await until(answered, bool, "the gateway's line")
    assert (request["route"], request["status"]) == ("/api/positions/{position_id}/close", 200)


async def test_a_stop_that_fires_says_whose_and_which(stack: RunningStack, trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    rows = await until(trader.rows, lambda rows: rows.get(symbol, {}).get("inSync"), "the adoption")
    position_id = rows[symbol]["id"]
    await trader.call("PATCH", f"/api/positions/{position_id}/stop-loss", {"price": 99})
    await until(trader.rows, lambda rows: rows[symbol]["guarded"], "the guard")
    await trader.set_price(symbol, "98.5")
    await until(trader.history, lambda rows: symbol in rows, "the close")
    ids = {"user_id": trader.user_id, "position_id": position_id}

    async def told() -> list[Json]:
        return lines_of(stack, "monitor", **ids)

    lines = await until(
        told, lambda lines: {"closing", "closing over"} <= {line["event"] for line in lines}, "its lines"
    )
    assert len({line["intent_id"] for line in lines}) == 1
