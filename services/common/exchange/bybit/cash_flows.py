"""Bybit's transaction log: funding and transfers, in windows of seven days, all pages.

The log has a row for each trade too, so it is asked for one type at a time. Of a settlement only `funding` counts (a
USDC contract's row holds its session's profit as well); there it is positive when received, unlike an execution's fee.
An id is not unique across types.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.pages import read_pages
from services.common.exchange.cash_flows import CashFlowsReading, collect_windows
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, instant, number, optional_text, text, to_milliseconds
from services.common.trading.cash_flow import CashFlow, CashFlowKind

TRANSACTION_LOG = Endpoint("private", "GET", "v5/account/transaction-log")
KEPT = timedelta(days=729)
"""The log goes back two years."""

_KINDS = {
    "SETTLEMENT": CashFlowKind.FUNDING,
    "TRANSFER_IN": CashFlowKind.TRANSFER,
    "TRANSFER_OUT": CashFlowKind.TRANSFER,
}


async def read_cash_flows(client: VenueClient, since: datetime, until: datetime, lane: Lane) -> CashFlowsReading:
    """Funding and transfers in [since, until]; never raises for a venue's error."""
    read_window = partial(_read_window, client, lane)
    return await collect_windows(read_window, _KINDS, max(since, until - KEPT), until)


def parse_cash_flow(row: Row) -> CashFlow:
    """One row of the log. Raises ValueError."""
    kind = text(row, "type")
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no cash flow that was asked for")
    funding = _KINDS[kind] is CashFlowKind.FUNDING
    return CashFlow(
        kind=_KINDS[kind],
        amount=number(row, "funding" if funding else "cashFlow"),
        currency=text(row, "currency"),
        symbol=optional_text(row, "symbol") if funding else None,
        at=instant(row, "transactionTime"),
        flow_id=":".join(filter(None, (kind, text(row, "id"), optional_text(row, "tradeId")))),
    )


async def _read_window(client: VenueClient, lane: Lane, kind: str, start: datetime, end: datetime) -> list[CashFlow]:
    params: dict[str, Any] = {
        "accountType": "UNIFIED",
        "type": kind,
        "startTime": to_milliseconds(start),
        "endTime": to_milliseconds(end),
        "limit": 50,
    }
    pages = await read_pages(client, TRANSACTION_LOG, params, lane=lane)
    if pages.failure is not None:
        raise pages.failure
    try:
        return [parse_cash_flow(row) for row in pages.rows]
    except ValueError as error:
        raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the log cannot be read: {error}") from None
