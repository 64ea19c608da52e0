"""Keys: never mixed up between users, never shown."""

import asyncio

import pytest

from services.common.exchange.credentials import Credentials
from services.common.exchange.hints import Hint
from services.common.exchange.orders.outcome import (
    Filled,
)
from tests.contract.exchange.world import World, eventually, new_id, resyncs, watching


async def test_secrets_and_signatures_never_reach_an_error_text(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await world.fault("drop", when="after")
    reading = await world.reader.read_account(world.venue, world.credentials)
    outcome = await world.orders.open_position(world.venue, world.credentials, world.order("1"))
    texts = [reading.reason, str(outcome), repr(world.credentials), caplog.text]
    for text in texts:
        assert world.credentials.secret not in text
        assert world.credentials.api_key not in text
        assert "signature=" not in text.replace("signature=…", "")


async def test_two_users_never_share_an_instance(world: World) -> None:
    other = await world.sandbox.post("accounts", exchange=world.venue.value)
    credentials = Credentials(other["apiKey"], other["secret"])
    users = [world.credentials, credentials] * 3
    orders = [world.order("1", client_order_id=new_id()) for _ in users]
    outcomes = await asyncio.gather(
        *(world.orders.open_position(world.venue, user, order) for user, order in zip(users, orders, strict=True))
    )
    assert all(isinstance(outcome, Filled) for outcome in outcomes)
    truth = await world.truth()
    assert {row["client_id"] for row in truth["orders"]} == {order.client_order_id for order in orders[::2]}


async def test_a_private_stream_shows_neither_its_key_nor_its_login(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    hints: list[Hint] = []
    async with watching(world, hints):
        await world.fault("stream_close", times=1)
        await world.trade("buy", "1")
        await eventually(lambda: resyncs(hints) >= 2)
    for secret in (world.credentials.secret, world.credentials.api_key, "listenKey=", "GET/realtime"):
        assert secret not in caplog.text
