"""Cash flows: whatever the order of pages and however often a row comes, there is one list of them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.exchange.binance import cash_flows as binance_cash_flows
from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.bybit.cash_flows import parse_cash_flow
from services.common.exchange.cash_flows import collect_windows
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import to_milliseconds
from services.common.trading.cash_flow import CashFlow, CashFlowKind, flows_in_order
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from tests.factories import NOON, at


def settlement(number: int, funding: str = "-0.5") -> dict[str, Any]:
    stamp = str(to_milliseconds(NOON) + number)
    return {
        "id": f"id{number}", "tradeId": f"t{number}", "type": "SETTLEMENT", "symbol": "BTCUSDT", "currency": "USDT",
        "funding": funding, "cashFlow": "0", "change": funding, "transactionTime": stamp,
    }  # fmt: skip


@given(st.data())
def test_any_order_and_duplicates_give_one_list(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 50), unique=True, min_size=1))
    rows = [settlement(number) for number in numbers]
    repeated = rows + data.draw(st.lists(st.sampled_from(rows), max_size=5))
    shuffled = data.draw(st.permutations(repeated))
    flows = flows_in_order(parse_cash_flow(row) for row in shuffled)
    assert [flow.flow_id for flow in flows] == [f"SETTLEMENT:id{n}:t{n}" for n in sorted(numbers)]
    assert sum(flow.amount for flow in flows) == Decimal("-0.5") * len(numbers)


def income(number: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "income": "-0.1", "asset": "USDT",
        "time": to_milliseconds(NOON) + number, "tranId": number, "tradeId": "",
    }  # fmt: skip


class Ledger(VenueClient):
    """Binance's ledger of `count` payments; where `stuck`, every page is the first. It stands for the wire alone."""

    def __init__(self, count: int, *, stuck: bool = False) -> None:
        super().__init__(None, Budget(Venue.BINANCE, BudgetLimits(60, 10_000)))
        self.asked: list[int] = []
        self._count = count
        self._stuck = stuck

    async def call(self, endpoint: Endpoint, params: Mapping[str, Any] | None = None, **_: Any) -> Any:
        asked = params or {}
        if asked["incomeType"] != "FUNDING_FEE":
            return []
        self.asked.append(asked["page"])
        first = 0 if self._stuck else (asked["page"] - 1) * asked["limit"]
        return [income(number) for number in range(first, min(first + asked["limit"], self._count))]


@pytest.mark.parametrize(("count", "pages"), [(0, [1]), (999, [1]), (1000, [1, 2]), (2001, [1, 2, 3])])
async def test_binances_ledger_is_read_to_its_last_page(count: int, pages: list[int]) -> None:
    ledger = Ledger(count)
    reading = await binance_cash_flows.read_cash_flows(ledger, NOON, at(60), Lane.LIVE)
    assert (reading.status, len(reading.flows), ledger.asked) == (ReadingStatus.COMPLETE, count, pages)


async def test_a_ledger_whose_pages_are_all_one_is_not_read_for_ever() -> None:
    ledger = Ledger(5000, stuck=True)
    reading = await binance_cash_flows.read_cash_flows(ledger, NOON, at(60), Lane.LIVE)
    assert (reading.status, ledger.asked) == (ReadingStatus.FAILED, [1, 2])


def test_of_a_usdc_settlement_the_funding_alone_counts() -> None:
    row = {**settlement(1, "-0.25"), "currency": "USDC", "cashFlow": "12", "change": "11.75"}
    flow = parse_cash_flow(row)
    assert (flow.kind, flow.amount, flow.currency) == (CashFlowKind.FUNDING, Decimal("-0.25"), "USDC")


async def test_what_was_read_before_a_failure_is_kept_and_called_partial() -> None:
    async def read_window(kind: str, start: datetime, end: datetime) -> list[CashFlow]:
        if kind == "TRANSFER_IN":
            raise VenueError(Venue.BYBIT, VenueErrorKind.TIMEOUT, "no answer")
        return [parse_cash_flow(settlement(1))]

    partial = await collect_windows(read_window, ["SETTLEMENT", "TRANSFER_IN"], NOON, at(60))
    failed = await collect_windows(read_window, ["TRANSFER_IN", "SETTLEMENT"], NOON, at(60))
    assert (partial.status, len(partial.flows), partial.complete) == (ReadingStatus.PARTIAL, 1, False)
    assert (failed.status, failed.flows) == (ReadingStatus.FAILED, ())
    assert "no answer" in partial.reason
