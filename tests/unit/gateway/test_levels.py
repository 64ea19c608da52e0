"""What a user does to a position: which rule goes to the books, and what is refused before."""

from typing import Any

import httpx
import pytest

from protos.positions.v1 import positions_pb2, types_pb2
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position

ID = "OP_1729425600_123"


@pytest.fixture(autouse=True)
def position(world: World) -> None:
    world.books.positions[ID] = booked_position()


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"price": 64000.5}, positions_pb2.SetLevelRequest(pinned=types_pb2.Pinned(price="64000.5"))),
        ({"trailingDistance": 0.015}, positions_pb2.SetLevelRequest(trailing=types_pb2.Trailing(distance="0.015"))),
        (
            {"price": None, "trailingDistance": 0.5},
            positions_pb2.SetLevelRequest(trailing=types_pb2.Trailing(distance="0.5")),
        ),
        ({"price": None}, positions_pb2.SetLevelRequest(none=types_pb2.NoLevel())),
    ],
)
@pytest.mark.parametrize("level", ["stop-loss", "take-profit"])
async def test_a_level_is_a_price_a_distance_or_none(
    world: World, client: httpx.AsyncClient, level: str, body: dict[str, Any], rule: positions_pb2.SetLevelRequest
) -> None:
    world.books.warnings = ["beyond the liquidation price"]
    answer = await client.patch(
        f"/api/positions/{ID}/{level}", json={**body, "expectedVersion": 2, "reason": "a feeling"}
    )
    assert (answer.status_code, answer.json()["notes"]) == (200, ["beyond the liquidation price"])
    (asked,) = world.books.levels_set
    assert asked.request_id
    asked.ClearField("request_id")
    expected = positions_pb2.SetLevelRequest(
        user_id="demo",
        position_id=ID,
        kind=positions_pb2.LEVEL_KIND_STOP_LOSS if level == "stop-loss" else positions_pb2.LEVEL_KIND_TAKE_PROFIT,
        expected_version=2,
        author=types_pb2.AUTHOR_USER,
        reason="a feeling",
    )
    expected.MergeFrom(rule)
    assert asked == expected


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("stop-loss", {}, "price"),
        ("stop-loss", {"price": 1, "trailingDistance": 0.1}, "price"),
        ("stop-loss", {"trailingDistance": 0}, "trailingDistance"),
        ("stop-loss", {"trailingDistance": 1}, "trailingDistance"),
        ("stop-loss", {"trailingDistance": -0.1}, "trailingDistance"),
        ("stop-loss", {"trailingDistance": None}, "trailingDistance"),
        ("manage", {"stopLoss": {}}, "stopLoss.price"),
        ("manage", {"takeProfit": {"price": 0}}, "takeProfit.price"),
        ("manage", {"takeProfit": {"distance": 1}}, "takeProfit.distance"),
        ("release", {"price": 1}, "price"),
        ("close", {"quantity": 0}, "quantity"),
        ("close", {"quantity": -1}, "quantity"),
        ("close", {"quantity": "all"}, "quantity"),
        ("close", {"amount": 1}, "amount"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(
    world: World, client: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    method = "PATCH" if path == "stop-loss" else "POST"
    answer = await client.request(method, f"/api/positions/{ID}/{path}", json=body)
    assert (answer.status_code, answer.json().get("field")) == (422, field)
    assert (world.books.levels_set, world.books.managed, world.books.released, world.monitor.closed) == ([], [], [], [])


async def test_managing_states_both_levels_or_leaves_them_to_the_default(
    world: World, client: httpx.AsyncClient
) -> None:
    assert (await client.post(f"/api/positions/{ID}/manage")).status_code == 200
    body = {"stopLoss": {"trailingDistance": 0.03}, "takeProfit": {"price": None}, "expectedVersion": 2}
    assert (await client.post(f"/api/positions/{ID}/manage", json=body)).status_code == 200
    default, stated = world.books.managed
    assert (default.HasField("stop_loss"), default.HasField("take_profit")) == (False, False)
    assert stated.stop_loss == types_pb2.Level(trailing=types_pb2.Trailing(distance="0.03"))
    assert (stated.take_profit.WhichOneof("rule"), stated.expected_version) == ("none", 2)
    assert (await client.post(f"/api/positions/{ID}/release", json={"reason": "mine again"})).status_code == 200
    assert [(one.user_id, one.position_id, one.reason) for one in world.books.released] == [("demo", ID, "mine again")]


async def test_a_part_can_be_closed(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/api/positions/{ID}/close", json={"quantity": 0.0005})
    assert (answer.status_code, answer.json()["quantity"]) == (200, 0.0005)
    assert [closed.quantity for closed in world.monitor.closed] == ["0.0005"]


async def test_another_users_position_is_not_found(world: World, client: httpx.AsyncClient) -> None:
    world.books.positions[ID].user_id = "somebody else"
    for path in ("manage", "release"):
        assert (await client.post(f"/api/positions/{ID}/{path}")).status_code == 404
    assert (await client.get(f"/api/positions/{ID}/timeline")).status_code == 404
