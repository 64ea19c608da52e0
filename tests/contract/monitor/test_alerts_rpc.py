"""AlertsService over mutual TLS: who may call, whose alert it is, and errors that arrive as what they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from protos.monitor.v1 import alerts_pb2 as pb
from protos.monitor.v1 import events_pb2
from protos.monitor.v1.alerts_pb2_grpc import AlertsServiceStub
from protos.positions.v1 import types_pb2
from services.common.channels import open_channel
from services.common.errors import (
    CallerRefused,
    DomainError,
    FieldInvalid,
    PositionAlreadyClosed,
    PositionNotFound,
    VersionConflict,
)
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.prices import Candle, Price, PriceKind
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.common.trading.side import Venue
from services.monitor.alerts.commands import AlertCommands
from services.monitor.alerts.store import PostgresAlerts
from services.monitor.alerts.webhooks import Webhooks
from services.monitor.config import MonitorSettings
from services.monitor.domain.alerts.rule import AlertNotFound, TooManyAlerts
from services.monitor.rpc.alerts import ACCESS, registration
from tests.contract.positions.requests import requests_of
from tests.fakes.books import FakeBooks
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan
from tests.unit.monitor.world import a_position

if TYPE_CHECKING:  # the generated module has it for type checkers alone
    from protos.monitor.v1.alerts_pb2_grpc import AlertsServiceAsyncStub

OPEN = a_position(entry_price=Decimal(65000))
CLOSED = replace(OPEN, position_id="OP_1729425600_2", is_open=False)


@dataclass(frozen=True)
class CallerSettings:
    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    rpc_timeout_seconds: float = 10


@dataclass
class Exchange:
    """BTCUSDT is at 65 000; it has no other symbol; `down`: it does not answer."""

    down: bool = False
    changed: list[str] = field(default_factory=list)

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> Price:
        if self.down:
            raise VenueError(venue, VenueErrorKind.TIMEOUT, "no answer")
        if symbol != "BTCUSDT":
            raise VenueError(venue, VenueErrorKind.UNKNOWN_SYMBOL, "no such symbol")
        return Price(venue, symbol, kind, Decimal(65000), 0, 0)

    async def read_candles(self, *_: object, **__: object) -> tuple[Candle, ...]:
        return ()

    async def hear(self, user_id: str) -> None:
        self.changed.append(user_id)


async def public(host: str, port: int) -> list[str]:
    return ["8.8.8.8"]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
async def target(engine: AsyncEngine, settings: MonitorSettings, exchange: Exchange) -> AsyncIterator[str]:
    store, clock = PostgresAlerts(engine, 5), FixedClock()
    books = FakeBooks(CrashPlan(), [OPEN, CLOSED])
    commands = AlertCommands(store, books, exchange, clock, lambda _: None, exchange.hear)
    webhooks = Webhooks(engine, clock, "m" * 32, public, loopback=False)
    instruments = Instruments(CollectorRegistry())
    serves = registration(commands, store, webhooks)
    server = GrpcServer(settings, [serves], ACCESS, HealthRegistry(), instruments)
    _, port = await server.start()
    yield f"ipv4:127.0.0.1:{port}"
    await server.drain(0)


@asynccontextmanager
async def calling(target: str, caller: CertificateFiles) -> AsyncIterator["AlertsServiceAsyncStub"]:
    settings = CallerSettings(caller.certificate, caller.key, caller.authority)
    async with open_channel(settings, target, "monitor", Instruments(CollectorRegistry())) as channel:
        yield AlertsServiceStub(channel)


@pytest.fixture
async def door(target: str, certificates: dict[str, CertificateFiles]) -> AsyncIterator["AlertsServiceAsyncStub"]:
    async with calling(target, certificates["gateway"]) as stub:
        yield stub


def target_of(threshold: str = "66000", **changes: object) -> pb.Alert:
    values: dict[str, object] = {
        "kind": events_pb2.ALERT_KIND_PRICE_TARGET,
        "exchange": types_pb2.EXCHANGE_BINANCE,
        "symbol": "BTCUSDT",
        "direction": pb.ALERT_DIRECTION_ABOVE,
        "threshold": threshold,
    }
    return pb.Alert(**{**values, **changes})  # type: ignore[arg-type]


def creating(alert: pb.Alert, request_id: str = "r1", user_id: str = "demo") -> pb.CreateAlertRequest:
    return pb.CreateAlertRequest(user_id=user_id, alert=alert, request_id=request_id)


async def test_an_alert_from_its_making_to_its_end(door: "AlertsServiceAsyncStub", exchange: Exchange) -> None:
    made = (await door.CreateAlert(creating(target_of(note="mine", hysteresis="1", webhook=True)))).alert
    assert (made.threshold, made.hysteresis, made.note, made.active, made.version) == ("66000", "1", "mine", True, 1)
    assert (await door.CreateAlert(creating(target_of()))).alert == made
    update = pb.UpdateAlertRequest(
        user_id="demo", alert_id=made.alert_id, threshold="67000", note="", expected_version=1, request_id="r2"
    )
    changed = (await door.UpdateAlert(update)).alert
    assert (changed.threshold, changed.note, changed.version, changed.webhook) == ("67000", "", 2, True)
    assert (await door.UpdateAlert(update)).alert == changed
    update.request_id = "r3"
    with pytest.raises(VersionConflict):
        await door.UpdateAlert(update)
    got = await door.GetAlert(pb.GetAlertRequest(user_id="demo", alert_id=made.alert_id))
    listed = await door.ListAlerts(pb.ListAlertsRequest(user_id="demo"))
    assert (got.alert, list(listed.alerts), listed.next_page_token) == (changed, [changed], "")
    await door.DeleteAlert(pb.DeleteAlertRequest(user_id="demo", alert_id=made.alert_id, request_id="r4"))
    with pytest.raises(AlertNotFound):
        await door.GetAlert(pb.GetAlertRequest(user_id="demo", alert_id=made.alert_id))
    assert exchange.changed == ["demo"] * 3


async def test_an_alert_of_a_position_takes_its_exchange_and_symbol_from_it(door: "AlertsServiceAsyncStub") -> None:
    alert = pb.Alert(kind=events_pb2.ALERT_KIND_STOP_MOVED, position_id=OPEN.position_id, symbol="OTHER")
    made = (await door.CreateAlert(creating(alert))).alert
    assert (made.symbol, made.exchange) == ("BTCUSDT", types_pb2.EXCHANGE_BINANCE)
    every = pb.Alert(kind=events_pb2.ALERT_KIND_POSITION_CLOSED, symbol="OTHER")
    assert (await door.CreateAlert(creating(every, "r2"))).alert.symbol == ""


async def test_what_is_reached_already_is_refused_unless_it_repeats(
    door: "AlertsServiceAsyncStub", exchange: Exchange
) -> None:
    with pytest.raises(FieldInvalid, match="65000"):
        await door.CreateAlert(creating(target_of("64000")))
    assert (await door.CreateAlert(creating(target_of("64000", repeating=True), "r2"))).alert.active
    profit = pb.Alert(
        kind=events_pb2.ALERT_KIND_PROFIT_PERCENT,
        position_id=OPEN.position_id,
        direction=pb.ALERT_DIRECTION_BELOW,
        threshold="0",
    )
    with pytest.raises(FieldInvalid, match="reached already"):
        await door.CreateAlert(creating(profit, "r3"))
    exchange.down = True
    assert (await door.CreateAlert(creating(target_of("64000"), "r4"))).alert.active, "where nobody can tell"


@pytest.mark.parametrize(
    "alert",
    [
        pb.Alert(),
        target_of("much"),
        target_of("NaN"),
        target_of("-1"),
        target_of(symbol="NOSUCHUSDT"),
        target_of(exchange=types_pb2.EXCHANGE_UNSPECIFIED),
        target_of(direction=pb.ALERT_DIRECTION_UNSPECIFIED),
        target_of(note="x" * 281),
        target_of(note="\0"),
        target_of(hysteresis="0"),
        target_of(position_id=OPEN.position_id),
        target_of(kind=events_pb2.ALERT_KIND_CLOSE_REFUSED),
    ],
)
async def test_an_alert_that_cannot_be(door: "AlertsServiceAsyncStub", alert: pb.Alert) -> None:
    with pytest.raises(FieldInvalid):
        await door.CreateAlert(creating(alert))
    assert not (await door.ListAlerts(pb.ListAlertsRequest(user_id="demo"))).alerts


async def test_limits_and_what_is_not_given(door: "AlertsServiceAsyncStub") -> None:
    for number in range(5):
        await door.CreateAlert(creating(target_of(), f"r{number}"))
    with pytest.raises(TooManyAlerts):
        await door.CreateAlert(creating(target_of(), "r5"))
    with pytest.raises(PositionAlreadyClosed):
        alert = pb.Alert(kind=events_pb2.ALERT_KIND_STOP_MOVED, position_id=CLOSED.position_id)
        await door.CreateAlert(creating(alert, "r6"))
    for request in (creating(target_of(), ""), creating(target_of(), user_id=""), creating(target_of(), "x" * 201)):
        with pytest.raises(FieldInvalid):
            await door.CreateAlert(request)
    for token in ("x", "-1", "0", "9" * 30, "²"):
        with pytest.raises(FieldInvalid):
            await door.ListAlerts(pb.ListAlertsRequest(user_id="demo", page_token=token))
    with pytest.raises(FieldInvalid):
        await door.ListTriggeredAlerts(pb.ListTriggeredAlertsRequest(user_id="demo", page_size=-1))
    page = await door.ListAlerts(pb.ListAlertsRequest(user_id="demo", page_size=3))
    rest = await door.ListAlerts(pb.ListAlertsRequest(user_id="demo", page_size=3, page_token=page.next_page_token))
    assert (len(page.alerts), len(rest.alerts), rest.next_page_token) == (3, 2, "")


async def test_another_user_has_neither_the_alert_nor_the_position_nor_the_webhook(
    door: "AlertsServiceAsyncStub",
) -> None:
    made = (await door.CreateAlert(creating(target_of()))).alert
    await door.SetWebhook(pb.SetWebhookRequest(user_id="demo", url="https://hooks.example", request_id="r1"))
    other, alert_id = "another", made.alert_id
    for call in (
        door.GetAlert(pb.GetAlertRequest(user_id=other, alert_id=alert_id)),
        door.UpdateAlert(pb.UpdateAlertRequest(user_id=other, alert_id=alert_id, note="x", request_id="r1")),
        door.DeleteAlert(pb.DeleteAlertRequest(user_id=other, alert_id=alert_id, request_id="r1")),
    ):
        with pytest.raises(AlertNotFound):
            await call
    alert = pb.Alert(kind=events_pb2.ALERT_KIND_STOP_MOVED, position_id=OPEN.position_id)
    with pytest.raises(PositionNotFound):
        await door.CreateAlert(creating(alert, user_id=other))
    assert (await door.CreateAlert(creating(target_of(), user_id=other))).alert.alert_id != alert_id
    assert not (await door.ListTriggeredAlerts(pb.ListTriggeredAlertsRequest(user_id=other))).triggered
    await door.DeleteWebhook(pb.DeleteWebhookRequest(user_id=other, request_id="r1"))
    assert not (await door.GetWebhook(pb.GetWebhookRequest(user_id=other))).HasField("webhook")
    own = await door.GetWebhook(pb.GetWebhookRequest(user_id="demo"))
    assert own.webhook.url == "https://hooks.example"
    assert [one.alert_id for one in (await door.ListAlerts(pb.ListAlertsRequest(user_id="demo"))).alerts] == [alert_id]


async def test_a_webhook_shows_its_key_once(door: "AlertsServiceAsyncStub") -> None:
    request = pb.SetWebhookRequest(user_id="demo", url="https://hooks.example/x", request_id="r1")
    made = await door.SetWebhook(request)
    assert made.secret.startswith("whsec_")
    assert made.secret not in str(await door.GetWebhook(pb.GetWebhookRequest(user_id="demo")))
    for url in ("http://hooks.example", "", "https://user:password@hooks.example"):
        with pytest.raises(FieldInvalid):
            await door.SetWebhook(pb.SetWebhookRequest(user_id="demo", url=url, request_id="r2"))


METHODS = list(pb.DESCRIPTOR.services_by_name["AlertsService"].methods)
PLAUSIBLE = {
    "user_id": ["demo"],
    "request_id": ["r1", "r2"],
    "position_id": ["", OPEN.position_id],
    "symbol": ["BTCUSDT"],
    "threshold": ["", "66000", "-5"],
    "hysteresis": ["", "1"],
    "note": ["", "mine"],
    "alert_id": [str(UUID(int=1))],
    "url": ["https://hooks.example"],
    "page_token": ["", "7"],
}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
@given(data=st.data())
@hypothesis_settings(deadline=None, max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
async def test_no_request_is_an_internal_error(
    door: "AlertsServiceAsyncStub", method: MethodDescriptor, data: st.DataObject
) -> None:
    request = data.draw(requests_of(method.input_type, PLAUSIBLE))
    refusal: DomainError | None = None
    try:
        await getattr(door, method.name)(request)
    except DomainError as error:
        refusal = error
    assert refusal is None or refusal.reason not in ("DATABASE_UNAVAILABLE", "CALLER_REFUSED", "CALLER_UNKNOWN")


@pytest.mark.parametrize("caller", ["positions", "reconciler", "operator", "monitor"])
async def test_only_the_gateway_may_call(target: str, certificates: dict[str, CertificateFiles], caller: str) -> None:
    async with calling(target, certificates[caller]) as stub:
        with pytest.raises(CallerRefused):
            await stub.ListAlerts(pb.ListAlertsRequest(user_id="demo"))
