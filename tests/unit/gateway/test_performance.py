"""The historical routes: what is asked of the books, and the figures day by day and part by part."""

from datetime import UTC, datetime

import httpx
import pytest

from protos.positions.v1 import history_pb2, types_pb2
from tests.unit.gateway.conftest import World

ROUTES = (
    "/api/positions/history",
    "/api/positions/analytics",
    "/api/performance/summary",
    "/api/performance/equity",
    "/api/performance/breakdown",
)


@pytest.mark.parametrize("route", ROUTES)
async def test_every_route_narrows_alike(world: World, client: httpx.AsyncClient, route: str) -> None:
    query = {
        "from": "2025-10-01T00:00:00Z",
        "to": "2025-11-01T02:00:00+02:00",
        "exchange": "bybit",
        "symbol": "btcusdt",
        "flow": "f-1",
    }
    body = (await client.get(route, params=query)).json()
    assert body["success"], body
    [request] = world.history.asked
    assert (request.user_id, request.period) == ("demo", "")
    assert request.filter.since.ToDatetime(UTC) == datetime(2025, 10, 1, tzinfo=UTC)
    assert request.filter.until.ToDatetime(UTC) == datetime(2025, 11, 1, tzinfo=UTC)
    assert request.filter.exchange == types_pb2.EXCHANGE_BYBIT
    assert (request.filter.symbol, request.filter.flow_id) == ("BTCUSDT", "f-1")
    assert (body.get("analytics") or body)["period"] == "custom"


@pytest.mark.parametrize("route", ROUTES)
async def test_without_anything_all_of_time_is_asked_for(world: World, client: httpx.AsyncClient, route: str) -> None:
    body = (await client.get(route)).json()
    [request] = world.history.asked
    assert request.period == (body.get("analytics") or body)["period"] == "all"
    assert not request.filter.HasField("since")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2025-10-01T00:00:00Z&period=7d", "period"),
        ("from=yesterday", "from"),
        ("from=2025-10-01T00:00:00", "from"),
        ("to=9999999999999999", "to"),
        ("exchange=kraken", "exchange"),
        (f"symbol={'x' * 65}", "symbol"),
        ("period=2d", "period"),
    ],
)
@pytest.mark.parametrize("route", ROUTES)
async def test_what_cannot_be_asked_is_refused_by_name(
    world: World, client: httpx.AsyncClient, route: str, query: str, field: str
) -> None:
    answer = await client.get(f"{route}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert not world.history.asked


async def test_the_summary_is_the_analytics(world: World, client: httpx.AsyncClient) -> None:
    figures = world.history.figures
    figures.total_trades, figures.sharpe_ratio, figures.average_hold_seconds = 3, "2.05", "8040"
    figures.max_drawdown.amount, figures.max_drawdown.duration_seconds = "2.4", 60
    figures.max_drawdown.began_at.FromDatetime(datetime(2025, 10, 1, tzinfo=UTC))
    summary = (await client.get("/api/performance/summary")).json()
    assert summary == (await client.get("/api/positions/analytics")).json()
    told = summary["analytics"]
    assert (told["sharpeRatio"], told["sortinoRatio"], told["averageHoldSeconds"]) == (2.05, None, 8040)
    assert told["maxDrawdown"] == {
        "amount": 2.4,
        "percent": None,
        "durationSeconds": 60,
        "beganAt": "2025-10-01T00:00:00.000Z",
        "regainedAt": None,
    }


async def test_a_curve_has_nulls_where_equity_is_not_known(world: World, client: httpx.AsyncClient) -> None:
    point = world.history.curve.points.add(trades=2, realized_pnl="5.8", cumulative_pnl="12.5", drawdown="0")
    point.day.FromDatetime(datetime(2025, 10, 1, tzinfo=UTC))
    body = (await client.get("/api/performance/equity")).json()
    assert body["points"] == [
        {
            "day": "2025-10-01T00:00:00.000Z",
            "trades": 2,
            "realizedPnl": 5.8,
            "cumulativePnl": 12.5,
            "drawdown": 0,
            "equity": None,
            "drawdownPercent": None,
        }
    ]
    assert (body["count"], body["dataSource"]) == (1, "database")


async def test_what_no_flow_opened_has_no_key(world: World, client: httpx.AsyncClient) -> None:
    group = history_pb2.TradeGroup(key="", total_trades=2, winning_trades=1, win_rate="50.00", total_pnl="1", fees="0")
    world.history.parts.by_flow.append(group)
    [told] = (await client.get("/api/performance/breakdown")).json()["byFlow"]
    assert (told["key"], told["winRate"], told["profitFactor"]) == (None, 50, None)
