"""The flat routes: exactly the shape that today's frontend reads."""

import json
from decimal import Decimal

import httpx
import pytest

from protos.positions.v1 import history_pb2, live_pb2, types_pb2
from services.common.errors import NoVerifiedApiKeys
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import closed_position, live_answer, live_position

EXAMPLE = """
{"success": true, "positions": [{"id": "OP_1729425600_123", "pair": "BTCUSDT", "type": "LONG", "entryPrice": 65000,
"currentPrice": 66000, "quantity": 0.001, "pnl": 1.0, "pnlPercent": 1.54, "status": "OPEN", "stopLoss": 64680,
"takeProfit": 68640, "dataSource": "exchange", "inSync": true, "exchange": "binance", "managed": false,
"stopLossEnforced": false, "takeProfitEnforced": false, "guarded": false}], "count": 1, "dataSource": "exchange",
"timestamp": "2025-10-21T12:00:00.000Z"}
"""
ROUTES = ["/api/positions/current", "/api/operations/positions", "/api/positions/current/binance"]


def read(text: str) -> object:
    """JSON with numbers as they are written, and objects as pairs, so that order counts."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=list)


@pytest.mark.parametrize("route", ROUTES)
async def test_an_open_position_has_exactly_the_shape_of_the_example(
    route: str, world: World, client: httpx.AsyncClient
) -> None:
    world.live.answers["demo"] = live_answer(live_position())
    answer = await client.get(route)
    assert answer.status_code == 200
    assert read(answer.text) == read(EXAMPLE)


async def test_only_the_caller_is_asked_for_and_only_the_exchange_that_was_named(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.get("/api/positions/current")
    await client.get("/api/positions/current/bybit")
    assert world.live.asked == [("demo", types_pb2.EXCHANGE_UNSPECIFIED), ("demo", types_pb2.EXCHANGE_BYBIT)]


async def test_a_position_that_is_not_in_the_books_has_no_id_and_is_not_in_sync(
    world: World, client: httpx.AsyncClient
) -> None:
    world.live.answers["demo"] = live_answer(live_position(position_id="", in_sync=False))
    (row,) = (await client.get("/api/positions/current")).json()["positions"]
    assert (row["id"], row["inSync"]) == (None, False)


async def test_a_row_from_the_books_alone_says_so_and_has_no_price(world: World, client: httpx.AsyncClient) -> None:
    live = live_answer(
        live_position(current_price="", pnl="", pnl_percent="", data_source=live_pb2.DATA_SOURCE_DATABASE)
    )
    live.data_source = live_pb2.DATA_SOURCE_DATABASE
    live.warnings.add(
        account_id="account-1", exchange=types_pb2.EXCHANGE_BINANCE, code="VENUE_UNAVAILABLE", message="No answer"
    )
    world.live.answers["demo"] = live
    body = (await client.get("/api/positions/current")).json()
    (row,) = body["positions"]
    assert [row[name] for name in ("currentPrice", "pnl", "pnlPercent", "dataSource")] == [None, None, None, "database"]
    assert body["dataSource"] == "database"
    assert body["warnings"] == [
        {"accountId": "account-1", "exchange": "binance", "code": "VENUE_UNAVAILABLE", "message": "No answer"}
    ]


async def test_prices_keep_every_digit_that_a_float_would_lose(world: World, client: httpx.AsyncClient) -> None:
    world.live.answers["demo"] = live_answer(live_position(entry_price="12345678.123456789012345678"))
    assert '"entryPrice":12345678.123456789012345678' in (await client.get("/api/positions/current")).text


async def test_the_smallest_of_prices_is_written_without_an_exponent(world: World, client: httpx.AsyncClient) -> None:
    world.live.answers["demo"] = live_answer(live_position(entry_price="0.000000120", quantity="1E+3"))
    text = (await client.get("/api/positions/current")).text
    assert '"entryPrice":0.00000012,' in text
    assert '"quantity":1000,' in text


async def test_without_keys_the_answer_says_so_in_the_error_shape(world: World, client: httpx.AsyncClient) -> None:
    world.live.fails = NoVerifiedApiKeys()
    answer = await client.get("/api/positions/current")
    assert answer.status_code == 409
    assert answer.json() == {"success": False, "error": "No verified API keys found", "code": "NO_VERIFIED_API_KEYS"}


async def test_history_says_what_happened_in_the_words_of_the_flat_routes(
    world: World, client: httpx.AsyncClient
) -> None:
    world.history.page.positions.append(closed_position())
    world.history.page.next_page_token = "more"
    body = (await client.get("/api/positions/history?period=7d&limit=20&cursor=there")).json()
    assert world.history.asked == [
        history_pb2.ListHistoryRequest(
            user_id="demo", period="7d", page_size=20, page_token="there", filter=history_pb2.TradeFilter()
        )
    ]
    assert body == {
        "success": True,
        "positions": [
            {
                "id": "OP_1729425600_123",
                "pair": "BTCUSDT",
                "type": "LONG",
                "exchange": "binance",
                "entryPrice": 65000,
                "exitPrice": 65900.1,
                "quantity": 0.001,
                "pnl": 0.8741,
                "pnlPercent": 1.34,
                "fee": 0.026,
                "status": "CLOSED",
                "exitReason": "CLOSED_EXTERNALLY",
                "exitCause": "HAND",
                "openedAt": "2025-10-20T12:00:00.000Z",
                "closedAt": "2025-10-21T11:30:00.123Z",
                "estimated": False,
                "managed": False,
            }
        ],
        "count": 1,
        "nextCursor": "more",
        "period": "7d",
        "dataSource": "database",
    }


async def test_an_estimated_exit_has_nulls_where_nothing_is_known(world: World, client: httpx.AsyncClient) -> None:
    world.history.page.positions.append(
        closed_position(price="", quantity="", fee="", realized_pnl="", realized_pnl_percent="", estimated=True)
    )
    (row,) = (await client.get("/api/positions/history")).json()["positions"]
    assert [row[name] for name in ("exitPrice", "pnl", "pnlPercent", "fee")] == [None] * 4
    assert (row["estimated"], row["quantity"]) == (True, 0.001)


async def test_analytics_of_nothing_are_zero_trades_and_no_figures(world: World, client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/positions/analytics?period=7d")).json()
    assert body["dataSource"] == "database"
    assert body["analytics"] == {
        "totalTrades": 0,
        "winningTrades": 0,
        "losingTrades": 0,
        "winRate": None,
        "totalPnl": None,
        "averagePnl": None,
        "bestTrade": None,
        "worstTrade": None,
        "estimatedExits": 0,
        "period": "7d",
        "profitFactor": None,
        "expectancy": None,
        "expectancyRatio": None,
        "averageHoldSeconds": None,
        "fees": None,
        "grossProfit": None,
        "grossLoss": None,
        "longestWinningStreak": 0,
        "longestLosingStreak": 0,
        "maxDrawdown": None,
        "sharpeRatio": None,
        "sortinoRatio": None,
        "calmarRatio": None,
        "equityDays": 0,
    }


async def test_analytics_give_the_figures_of_the_books(world: World, client: httpx.AsyncClient) -> None:
    figures = world.history.figures
    figures.total_trades, figures.winning_trades, figures.losing_trades = 3, 2, 1
    figures.win_rate, figures.total_pnl, figures.average_pnl = "66.666666666", "9.50", "3.1666"
    figures.best_trade, figures.worst_trade = "8", "-2.4"
    text = (await client.get("/api/positions/analytics")).text
    assert '"winRate":66.67,"totalPnl":9.5,"averagePnl":3.1666,"bestTrade":8,"worstTrade":-2.4' in text


@pytest.mark.parametrize(
    "path", ["/api/positions/current", "/api/operations/positions", "/api/positions/current/bybit"]
)
async def test_what_is_asked_for_most_is_guarded_like_the_rest(world: World, path: str) -> None:
    world.reads = 1
    transport = httpx.ASGITransport(app=world.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for header, code in (
            ({}, "MISSING_TOKEN"),
            ({"Authorization": f"Basic {world.token()}"}, "MISSING_TOKEN"),
            ({"Authorization": "Bearer "}, "MISSING_TOKEN"),
            ({"Authorization": "Bearer x"}, "INVALID_TOKEN"),
        ):
            refused = await client.get(path, headers=header)
            assert (refused.status_code, refused.json()["code"]) == (401, code)
        assert world.live.asked == []
        mine = {"authorization": f"bearer {world.token()}"}
        first, second = await client.get(path, headers=mine), await client.get(path, headers=mine)
    assert (first.status_code, first.headers["RateLimit-Remaining"]) == (200, "0")
    assert (second.status_code, second.json()["code"]) == (429, "RATE_LIMITED")
    assert [user for user, _ in world.live.asked] == ["demo"]


async def test_an_exchange_that_is_none(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/positions/current/kraken")
    assert (answer.status_code, answer.json()["field"]) == (422, "exchange")
    assert (await client.get("/api/positions/current/kraken", headers={"Authorization": ""})).status_code == 401
