"""History as CSV (RFC 4180), page by page.

Invariants: no more than one page is held at a time; a text that a spreadsheet would take for a formula is quoted with
an apostrophe, and numbers are left as they are; where a later page cannot be read the answer ends without its end, so
that nobody takes a part for the whole.
"""

import csv
from collections.abc import AsyncIterator, Sequence
from io import StringIO

from protos.positions.v1 import history_pb2, types_pb2
from services.gateway.clients import History
from services.gateway.http import words
from services.gateway.http.json import optional_instant, optional_number, optional_percent

PAGE_SIZE = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
HEAD = (
    "id",
    "exchange",
    "symbol",
    "side",
    "status",
    "opened_at",
    "closed_at",
    "entry_price",
    "exit_price",
    "quantity",
    "fee",
    "funding",
    "pnl",
    "pnl_percent",
    "exit_reason",
    "exit_cause",
    "estimated",
    "managed",
    "origin",
    "flow_id",
    "execution_id",
    "plan",
    "commission",
)


async def write_history(history: History, request: history_pb2.ListHistoryRequest) -> AsyncIterator[bytes]:
    """The rows of what a request names, from the head on. Raises what History does."""
    rows: list[Sequence[object]] = [HEAD]
    while True:
        page = await history.list_history(request)
        rows += [_row(position) for position in page.positions]
        yield _lines(rows)
        rows = []
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _row(position: types_pb2.Position) -> Sequence[object]:
    end, origin = position.exit, position.provenance
    return (
        safe(position.position_id),
        words.exchange(position.exchange),
        safe(position.symbol),
        words.side(position.side),
        words.status(position.status),
        optional_instant(position.opened_at, present=position.HasField("opened_at")),
        optional_instant(end.executed_at, present=end.HasField("executed_at")),
        optional_number(position.entry_price),
        optional_number(end.price),
        optional_number(end.quantity or position.quantity),
        optional_number(end.fee),
        optional_number(position.funding),
        optional_number(end.realized_pnl),
        optional_percent(end.realized_pnl_percent),
        words.exit_reason(end.reason),
        safe(end.cause),
        _yes(end.estimated),
        _yes(position.managed),
        words.origin(position.origin),
        safe(origin.flow_id),
        safe(origin.execution_id),
        safe(position.plan),
        optional_number(position.commission),
    )


def _yes(value: bool) -> str:
    return "true" if value else "false"
