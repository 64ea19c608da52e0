"""Faults of a venue's answers, end to end: no false close while they last, and every true one is booked afterwards.

Each fault is of one test's own account; looks are asked for, so that no test waits for the schedule.
"""

from decimal import Decimal
from typing import Any

from tests.e2e.trader import Trader

Json = Any
POSITIONS = 4
"""How many stay open all the while."""

FAULTS: dict[str, Json] = {
    "empty list": {"kind": "empty_positions"},
    "missing rows": {"kind": "missing_positions", "count": 2},
    "stale rows": {"kind": "stale_positions"},
    "5xx": {"kind": "status", "status": 502},
    "HTML": {"kind": "html"},
}


async def sync(trader: Trader) -> Json:
    """Reconcile now; the account's run."""
    [run] = (await trader.call("POST", "/api/positions/sync"))["runs"]
    return run


async def test_no_fault_closes_anything_and_true_closes_are_booked_when_it_is_over(trader: Trader) -> None:
    symbols = [await trader.mint_symbol("100") for _ in range(POSITIONS + len(FAULTS))]
    for symbol in symbols:
        await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    assert (await sync(trader))["result"] == "in_step"
    for number, fault in enumerate(FAULTS.values()):
        closed = symbols[number]
        given = await trader.control(
            "/sandbox/faults", {**fault, "exchange": trader.exchange, "apiKey": trader.api_key}
        )
        await trader.set_price(closed, str(110 + number))
        [fill] = await trader.trade(closed, "sell", "1", reduce_only=True)
        for _ in range(2):
            await sync(trader)
        gone = set(await trader.history()) - set(symbols[: number + 1])
        assert gone == set(), f"{fault}: closed though they are open"
        assert (await trader.sandbox.delete(f"/sandbox/faults/{given['id']}")).status_code < 300
        run = await sync(trader)
        assert run["result"] == "in_step", run
        row = (await trader.history())[closed]
        assert (row["exitPrice"], row["estimated"]) == (Decimal(fill["price"]), False)
        assert row["exitReason"] == "CLOSED_EXTERNALLY"
    assert set(await trader.history()) == set(symbols[: len(FAULTS)])


async def test_a_close_by_hand_is_booked_at_the_first_look(trader: Trader) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    await sync(trader)
    await trader.set_price(symbol, "105")
    [fill] = await trader.trade(symbol, "sell", "1", reduce_only=True)
    run = await sync(trader)
    assert (run["result"], run["closed"]) == ("in_step", 1)
    assert (await trader.history())[symbol]["exitPrice"] == Decimal(fill["price"])
