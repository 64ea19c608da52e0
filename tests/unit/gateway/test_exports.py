"""Files: a CSV that streams, that a spreadsheet cannot run, and a PDF that is drawn away from the event loop."""

import asyncio
import base64
import csv
import re
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.positions.v1 import history_pb2, types_pb2
from services.common.errors import ServiceUnavailable
from services.gateway.http.exports import ReportQueue, ReportsBusy
from services.gateway.http.history_csv import HEAD, PAGE_SIZE, safe, write_history
from services.gateway.report.content import CurvePoint, Report, shown, thin
from services.gateway.report.pages import write_pdf
from tests.fakes.gateway_clients import FakeHistory
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import closed_position
from tests.unit.gateway.test_stream import serving

CSV = "/api/positions/history.csv"
PDF = "/api/performance/report.pdf"
NOW = datetime(2025, 10, 21, 12, tzinfo=UTC)


class PagedHistory(FakeHistory):
    """So many pages of one position each; the page after them fails where it is told to."""

    def __init__(self, pages: int, *, fails_after: int | None = None) -> None:
        super().__init__()
        self._pages = pages
        self._fails_after = fails_after

    async def list_history(self, request: history_pb2.ListHistoryRequest) -> history_pb2.ListHistoryResponse:
        asked = history_pb2.ListHistoryRequest()
        asked.CopyFrom(request)
        self.asked.append(asked)
        at = int(request.page_token or 0)
        if self._fails_after == at:
            raise ServiceUnavailable(service="positions")
        position = closed_position()
        position.position_id = f"OP_1_{at}"
        more = str(at + 1) if at + 1 < self._pages else ""
        return history_pb2.ListHistoryResponse(positions=[position], next_page_token=more)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


async def test_every_page_is_a_part_of_the_file(world: World) -> None:
    world.history = PagedHistory(3)
    headers = {"Authorization": f"Bearer {world.token()}"}
    transport = httpx.ASGITransport(app=world.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        answer = await client.get(CSV, params={"period": "7d", "exchange": "binance", "symbol": "btcusdt", "flow": "f"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tandem-history-7d.csv"'
    found = rows(answer.text)
    assert [row["id"] for row in found] == ["OP_1_0", "OP_1_1", "OP_1_2"]
    assert {
        "pnl": "0.8741",
        "exit_price": "65900.1",
        "closed_at": "2025-10-21T11:30:00.123Z",
        "fee": "0.026",
    }.items() <= (found[0].items())
    assert [asked.page_token for asked in world.history.asked] == ["", "1", "2"]
    first = world.history.asked[0]
    assert (first.user_id, first.period, first.page_size) == ("demo", "7d", PAGE_SIZE)
    assert (first.filter.symbol, first.filter.flow_id, first.filter.exchange) == (
        "BTCUSDT",
        "f",
        types_pb2.EXCHANGE_BINANCE,
    )


async def test_a_page_is_asked_for_when_the_one_before_was_taken() -> None:
    history = PagedHistory(1000)
    lines = write_history(history, history_pb2.ListHistoryRequest(user_id="demo"))
    assert (await anext(lines)).startswith(",".join(HEAD).encode())
    await anext(lines)
    assert len(history.asked) == 2


async def test_an_error_of_the_first_page_is_an_answer(world: World, client: httpx.AsyncClient) -> None:
    world.history.fails = ServiceUnavailable(service="positions")
    for path in (CSV, PDF):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert (await client.get(path, params={"period": "2d"})).status_code == 422


async def test_an_error_of_a_later_page_is_no_whole_file() -> None:
    lines = write_history(PagedHistory(3, fails_after=1), history_pb2.ListHistoryRequest(user_id="demo"))
    await anext(lines)
    with pytest.raises(ServiceUnavailable):
        await anext(lines)


async def test_a_file_that_breaks_off_cannot_be_taken_for_whole(world: World) -> None:
    world.history = PagedHistory(3, fails_after=1)
    async with serving(world) as url:
        base = url.replace("ws://", "http://").removesuffix("/ws")
        headers = {"Authorization": f"Bearer {world.token()}"}
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(CSV)
            assert (await client.get("/api/status")).status_code == 200


async def test_nothing_that_was_closed_is_a_head_alone(client: httpx.AsyncClient) -> None:
    assert (await client.get(CSV)).text == ",".join(HEAD) + "\r\n"


@given(st.text(max_size=20))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = safe(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text, f"'{text}")


async def test_the_smallest_of_prices_is_written_without_an_exponent_there_too(
    world: World, client: httpx.AsyncClient
) -> None:
    world.history.page = history_pb2.ListHistoryResponse(positions=[closed_position(price="0.00000012")])
    (row,) = rows((await client.get(CSV)).text)
    assert row["exit_price"] == "0.00000012"


async def test_a_flow_named_like_a_formula(world: World, client: httpx.AsyncClient) -> None:
    position = closed_position(realized_pnl="-3.5")
    position.provenance.flow_id = '=HYPERLINK("http://x","y")'
    world.history.page = history_pb2.ListHistoryResponse(positions=[position])
    (row,) = rows((await client.get(CSV)).text)
    assert (row["flow_id"], row["pnl"]) == ('\'=HYPERLINK("http://x","y")', "-3.5")


def pdf_text(pdf: bytes) -> str:
    """Everything that the pages show."""
    streams = re.findall(rb"ASCII85Decode.*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    pages = [zlib.decompress(base64.a85decode(b"<~" + stream.strip(), adobe=True)) for stream in streams]
    shown_texts = re.findall(rb"\(((?:\\.|[^\\)])*)\) Tj", b"\n".join(pages))
    return "\n".join(text.decode("latin-1").replace("\\(", "(").replace("\\)", ")") for text in shown_texts)


async def test_a_report_with_its_charts(world: World, client: httpx.AsyncClient) -> None:
    world.history.figures = history_pb2.GetAnalyticsResponse(
        total_trades=4, win_rate="75", total_pnl="1234.5", worst_trade="-2.4", estimated_exits=1
    )
    for n, (profit, equity) in enumerate((("5", ""), ("3", "1003"), ("9.5", "1009.5"))):
        point = world.history.curve.points.add(cumulative_pnl=profit, drawdown="2" if n == 1 else "0", equity=equity)
        point.day.FromDatetime(datetime(2025, 10, 1 + n, tzinfo=UTC))
    world.history.parts.by_symbol.add(key="BTCUSDT", total_trades=3, total_pnl="10")
    world.history.parts.by_symbol.add(key="<b>ETHUSDT</b>", total_trades=1, total_pnl="-0.5")
    world.history.parts.by_flow.add(key="", total_trades=4, win_rate="75", total_pnl="9.5")
    world.history.page = history_pb2.ListHistoryResponse(positions=[closed_position()], next_page_token="more")
    answer = await client.get(PDF, params={"period": "30d"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tandem-performance-30d.pdf"'
    assert (answer.content[:5], answer.content.rstrip()[-5:]) == (b"%PDF-", b"%%EOF")
    text = pdf_text(answer.content)
    for expected in (
        "+1,234.50",
        "75.00 %",
        "Drawdown",
        "Equity of all accounts",
        "<b>ETHUSDT</b>",
        "closed externally",
    ):
        assert expected in text, expected
    assert "The latest 1; the CSV export has them all." in text.replace("\n", " ")
    assert {type(asked).__name__ for asked in world.history.asked} == {
        "GetAnalyticsRequest",
        "GetEquityCurveRequest",
        "GetBreakdownRequest",
        "ListHistoryRequest",
    }
    assert {(asked.user_id, asked.period) for asked in world.history.asked} == {("demo", "30d")}


async def test_a_report_draws_every_letter_or_says_which_it_is(world: World, client: httpx.AsyncClient) -> None:
    traded = closed_position()
    traded.symbol = "\u5e01\u5b89USDT"
    world.history.page = history_pb2.ListHistoryResponse(positions=[traded])
    world.history.parts.by_symbol.add(key="\u5e01\u5b89USDT", total_trades=1, total_pnl="10")
    for flow in ("\u5e01\u5b89", "\u0634", "\U0001f680", "Z\u00fcrich"):
        world.history.parts.by_flow.add(key=flow, total_trades=1, win_rate="75", total_pnl="9.5")
    answer = await client.get(PDF)
    assert answer.status_code == 200
    assert b"/STSong-Light" in answer.content
    text = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), pdf_text(answer.content))
    assert text.count("\u5e01\u5b89".encode("utf-16-be").decode("latin-1")) == 3  # as the font for Chinese is told it
    for expected in ("Z\u00fcrich", r"\\u0634", r"\\U0001f680"):
        assert expected in text, expected


async def test_a_report_of_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get(PDF)
    assert answer.status_code == 200
    assert "No position was closed" in pdf_text(answer.content)


@pytest.fixture
async def entered() -> AsyncIterator[Any]:
    queue = ReportQueue(waiting=1)
    go, inside = asyncio.Event(), asyncio.Event()

    async def draw() -> None:
        async with queue.turn():
            inside.set()
            await go.wait()

    first = asyncio.create_task(draw())
    await inside.wait()
    yield queue, draw
    go.set()
    await first


async def test_few_wait_for_a_report(entered: Any) -> None:
    queue, draw = entered
    waiting = asyncio.create_task(draw())
    await asyncio.sleep(0)
    with pytest.raises(ReportsBusy):
        async with queue.turn():
            raise AssertionError("it is not one's turn")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    later = asyncio.create_task(draw())
    await asyncio.sleep(0)
    assert not later.done()
    later.cancel()
    await asyncio.gather(later, return_exceptions=True)


profits = st.decimals(-10_000, 10_000, places=2)


@given(st.lists(profits, min_size=1, max_size=300), st.integers(4, 40))
def test_a_thinned_curve_keeps_its_ends_and_extremes(values: list[Decimal], most: int) -> None:
    start = date(2025, 1, 1)
    points = [CurvePoint(start + timedelta(n), value, Decimal(0), None) for n, value in enumerate(values)]
    kept = thin(points, most)
    assert len(kept) <= max(most, 4)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert [point.day for point in kept] == sorted({point.day for point in kept})
    assert min(point.profit for point in kept) == min(values)
    assert max(point.profit for point in kept) == max(values)


@pytest.mark.parametrize("values", [["0"], ["-5"], ["3", "3"], ["1e12", "-1e12"]])
def test_any_curve_can_be_drawn(values: list[str]) -> None:
    points = [CurvePoint(date(2025, 1, 1 + n), Decimal(v), Decimal(0), Decimal(v)) for n, v in enumerate(values)]
    report = Report("all", NOW, [], points, [], [], [], False)
    assert write_pdf(report) == write_pdf(report)


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [("1234567.891", False, "1,234,567.89"), ("-0.001", True, "0.00"), ("5", True, "+5.00"), ("-5", False, "-5.00")],
)
def test_money_as_it_is_shown(value: str, signed: bool, text: str) -> None:
    assert shown(Decimal(value), signed=signed) == text
    assert shown(None) == "\N{EN DASH}"
