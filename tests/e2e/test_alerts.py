"""Alerts end to end: set at the monitor's door, reached at the exchange, told on the WebSocket and at a webhook, once.

Each test has a user, an account and symbols of its own; every wait is for a condition and has a deadline.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from protos.monitor.v1 import alerts_pb2 as pb
from protos.monitor.v1 import events_pb2
from protos.monitor.v1.alerts_pb2_grpc import AlertsServiceStub
from protos.positions.v1 import types_pb2
from services.common.channels import open_channel
from services.common.errors import FieldInvalid, PositionNotFound
from services.common.telemetry import Instruments
from tests.e2e.trader import Trader, new_trader, until
from tests.e2e.webhook_receiver import webhook_receiver
from tests.stack import RunningStack

if TYPE_CHECKING:  # the generated module has it for type checkers alone
    from protos.monitor.v1.alerts_pb2_grpc import AlertsServiceAsyncStub

EXCHANGES = {"binance": types_pb2.EXCHANGE_BINANCE, "bybit": types_pb2.EXCHANGE_BYBIT}


@dataclass(frozen=True)
class CallerSettings:
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    rpc_timeout_seconds: float = 10


class Alerts:
    """The monitor's door, as the gateway uses it for one user."""

    def __init__(self, stub: "AlertsServiceAsyncStub") -> None:
        self._stub = stub

    async def create(self, user_id: str, alert: pb.Alert) -> pb.Alert:
        request = pb.CreateAlertRequest(user_id=user_id, alert=alert, request_id=str(uuid4()))
        return (await self._stub.CreateAlert(request)).alert

    async def price_target(self, trader: Trader, symbol: str, threshold: str, **more: object) -> pb.Alert:
        alert = pb.Alert(
            kind=events_pb2.ALERT_KIND_PRICE_TARGET,
            exchange=EXCHANGES[trader.exchange],
            symbol=symbol,
            threshold=threshold,
            **{"direction": pb.ALERT_DIRECTION_ABOVE, **more},  # type: ignore[arg-type]
        )
        return await self.create(trader.user_id, alert)

    async def get(self, user_id: str, alert_id: str) -> pb.Alert:
        return (await self._stub.GetAlert(pb.GetAlertRequest(user_id=user_id, alert_id=alert_id))).alert

    async def told(self, user_id: str) -> list[events_pb2.AlertTriggered]:
        answer = await self._stub.ListTriggeredAlerts(pb.ListTriggeredAlertsRequest(user_id=user_id))
        return list(answer.triggered)

    async def set_webhook(self, user_id: str, url: str) -> str:
        request = pb.SetWebhookRequest(user_id=user_id, url=url, request_id=str(uuid4()))
        return str((await self._stub.SetWebhook(request)).secret)

    async def deliveries(self, user_id: str) -> list[pb.Delivery]:
        return list((await self._stub.GetWebhook(pb.GetWebhookRequest(user_id=user_id))).webhook.deliveries)


@asynccontextmanager
async def open_alerts(stack: RunningStack) -> AsyncIterator[Alerts]:
    """The monitor's door, opened with the gateway's certificate."""
    port = json.loads(stack.layout.ports_file.read_text())["monitor.grpc"]
    directory = stack.layout.certificates
    settings = CallerSettings(directory / "gateway.pem", directory / "gateway.key", directory / "ca.pem")
    instruments = Instruments(CollectorRegistry())
    async with open_channel(settings, f"ipv4:127.0.0.1:{port}", "monitor", instruments) as channel:
        yield Alerts(AlertsServiceStub(channel))


@pytest.fixture
async def alerts(stack: RunningStack) -> AsyncIterator[Alerts]:
    async with open_alerts(stack) as opened:
        yield opened


async def test_a_price_target_is_pushed_and_posted_once_though_the_receiver_fails(
    trader: Trader, alerts: Alerts
) -> None:
    symbol, pushes = await trader.mint_symbol("100"), await trader.listen()
    failures = [503, 500] if trader.exchange == "bybit" else []
    async with webhook_receiver(*failures) as receiver:
        secret = await alerts.set_webhook(trader.user_id, receiver.url)
        alert = await alerts.price_target(trader, symbol, "101", webhook=True, note="mine")
        await trader.set_price(symbol, "100.5")
        await trader.set_price(symbol, "101.25")
        push = (await pushes.wait_for("alert_triggered", symbol))["data"]
        assert (push["kind"], str(push["price"]), str(push["levelPrice"])) == ("price_target", "101.25", "101")
        posts = await receiver.wait_for(len(failures) + 1)
        states = [pb.DELIVERY_STATE_DELIVERED]
        await until(
            lambda: alerts.deliveries(trader.user_id),
            lambda seen: [one.state for one in seen] == states,
            "the delivery to be noted",
        )
        (told,) = await alerts.told(trader.user_id)
        assert {post.event_id for post in posts} == {told.event_id}
        assert len({post.body for post in posts}) == 1
        assert all(post.signed_with(secret) for post in posts)
        assert not posts[0].signed_with(secret + "x")
        document = posts[0].document
        assert document["eventId"] == told.event_id
        assert (document["data"]["alertId"], document["data"]["note"]) == (alert.alert_id, "mine")
        assert len(receiver.posts) == len(failures) + 1
    assert not (await alerts.get(trader.user_id, alert.alert_id)).active


async def test_a_repeating_target_is_told_again_after_the_price_has_gone_back(
    stack: RunningStack, alerts: Alerts
) -> None:
    async with new_trader(stack, "binance") as trader:
        symbol, before = await trader.mint_symbol("100"), "100"
        alert = await alerts.price_target(trader, symbol, "101", repeating=True, hysteresis="0.5")
        for price, times in (("101", 1), ("100.6", 1), ("101.1", 1), ("100.4", 1), ("101", 2)):
            # A second alert, reached by this very price, tells when the monitor has taken it in.
            direction = pb.ALERT_DIRECTION_ABOVE if float(price) > float(before) else pb.ALERT_DIRECTION_BELOW
            witness = await alerts.price_target(trader, symbol, price, direction=direction)
            await trader.set_price(symbol, price)
            read = partial(alerts.get, trader.user_id, witness.alert_id)
            await until(read, lambda seen: not seen.active, f"{price} to be seen")
            assert (await alerts.get(trader.user_id, alert.alert_id)).times_triggered == times
            before = price


async def test_what_happens_to_a_position_is_told(trader: Trader, alerts: Alerts) -> None:
    symbol, pushes = await trader.mint_symbol("100"), await trader.listen()
    await trader.trade(symbol, "buy", "2")
    await trader.add_key()
    position_id = (await pushes.wait_for("position_opened", symbol))["data"]["id"]
    kinds = {
        events_pb2.ALERT_KIND_PROFIT_AMOUNT: {"direction": pb.ALERT_DIRECTION_ABOVE, "threshold": "2"},
        events_pb2.ALERT_KIND_STOP_MOVED: {},
        events_pb2.ALERT_KIND_POSITION_CLOSED: {},
    }
    for kind, stated in kinds.items():
        alert = pb.Alert(kind=kind, position_id=position_id, repeating=True, **stated)  # type: ignore[arg-type]
        await alerts.create(trader.user_id, alert)
        with pytest.raises(PositionNotFound):
            await alerts.create(f"not {trader.user_id}", alert)

    async def told_of() -> list[int]:
        return [one.kind for one in await alerts.told(trader.user_id) if one.alert_id]

    await trader.set_price(symbol, "102")
    await until(told_of, lambda seen: events_pb2.ALERT_KIND_PROFIT_AMOUNT in seen, "the profit to be told")
    await trader.call("PATCH", f"/api/positions/{position_id}/stop-loss", {"price": 95})
    await until(told_of, lambda seen: events_pb2.ALERT_KIND_STOP_MOVED in seen, "the stop to be told")
    await trader.call("POST", f"/api/positions/{position_id}/close", {})
    await until(told_of, lambda seen: events_pb2.ALERT_KIND_POSITION_CLOSED in seen, "the close to be told")
    assert sorted(await told_of()) == sorted(kinds)


async def test_what_cannot_be_asked_for(stack: RunningStack, alerts: Alerts) -> None:
    async with new_trader(stack, "bybit") as trader:
        symbol = await trader.mint_symbol("100")
        with pytest.raises(FieldInvalid, match="reached already"):
            await alerts.price_target(trader, symbol, "99")
        with pytest.raises(FieldInvalid, match="symbol"):
            await alerts.price_target(trader, "NOSUCHUSDT", "99")
        for url in (
            "http://hooks.example",
            "https://10.0.0.1/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://nosuch.invalid",
        ):
            with pytest.raises(FieldInvalid, match="url"):
                await alerts.set_webhook(trader.user_id, url)
