"""Binance's ledger (`income`): funding and transfers, in windows of seven days and pages of a thousand.

The ledger has a line for each trade's profit and commission too, so it is asked for one type at a time. `tranId` is
unique within a type.
"""

from datetime import datetime, timedelta
from functools import partial

from services.common.exchange.budget import Lane
from services.common.exchange.cash_flows import CashFlowsReading, collect_windows
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, instant, number, optional_text, rows, text, to_milliseconds
from services.common.trading.cash_flow import CashFlow, CashFlowKind

INCOME = Endpoint("fapiPrivate", "GET", "income", weight=30, answer=list)
KEPT = timedelta(days=89)
"""The ledger goes back three months."""
PAGE = 1000
MAX_PAGES = 50

_KINDS = {"FUNDING_FEE": CashFlowKind.FUNDING, "TRANSFER": CashFlowKind.TRANSFER}


async def read_cash_flows(client: VenueClient, since: datetime, until: datetime, lane: Lane) -> CashFlowsReading:
    """Funding and transfers in [since, until]; never raises for a venue's error."""
    read_window = partial(_read_window, client, lane)
    return await collect_windows(read_window, _KINDS, max(since, until - KEPT), until)


def parse_cash_flow(row: Row) -> CashFlow:
    """One line of the ledger. Raises ValueError."""
    kind = text(row, "incomeType")
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no cash flow that was asked for")
    return CashFlow(
        kind=_KINDS[kind],
        amount=number(row, "income"),
        currency=text(row, "asset"),
        symbol=optional_text(row, "symbol"),
        at=instant(row, "time"),
        flow_id=f"{kind}:{text(row, 'tranId')}",
    )


async def _read_window(client: VenueClient, lane: Lane, kind: str, start: datetime, end: datetime) -> list[CashFlow]:
    params = {"incomeType": kind, "startTime": to_milliseconds(start), "endTime": to_milliseconds(end), "limit": PAGE}
    found: dict[str, CashFlow] = {}
    for page in range(1, MAX_PAGES + 1):
        answer = await client.call(INCOME, {**params, "page": page}, lane=lane)
        try:
            listed = [parse_cash_flow(row) for row in rows(answer)]
        except ValueError as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, f"the ledger cannot be read: {error}") from None
        known = len(found)
        found.update({flow.flow_id: flow for flow in listed})
        if len(listed) < PAGE:
            return list(found.values())
        if len(found) == known:
            # The same page again: going on would only spend the budget.
            break
    raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, "the ledger has no end")
