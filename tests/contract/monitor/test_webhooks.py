"""Webhooks: set and kept, and deliveries that go out once each, retried, and past a receiver that does not answer."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.certificates import CertificateFiles
from services.common.database import transaction
from services.common.errors import FieldInvalid
from services.monitor.alerts.delivering import Delivering
from services.monitor.alerts.metrics import Metrics
from services.monitor.alerts.posting import Posted, Poster, resolve
from services.monitor.alerts.webhooks import Due, Webhooks, WebhooksNotConfigured
from services.monitor.domain.alerts.delivery import ATTEMPTS, DeliveryState, sign
from tests.fakes.clock import FixedClock

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
URL = "https://hooks.example/tandem"
LASTS = timedelta(seconds=20)


async def public(host: str, port: int) -> list[str]:
    return ["8.8.8.8"]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def webhooks(engine: AsyncEngine, clock: FixedClock) -> Webhooks:
    async with transaction(engine) as connection:
        await connection.execute(text("TRUNCATE webhooks, webhook_deliveries"))
    return Webhooks(engine, clock, "m" * 32, public, loopback=False)


async def owe(engine: AsyncEngine, user_id: str, count: int = 1) -> None:
    """So many deliveries become due."""
    async with transaction(engine) as connection:
        for _ in range(count):
            await connection.execute(
                text("INSERT INTO webhook_deliveries VALUES (:id, :user, '{}', 'pending', 0, :now, :now, NULL, '')"),
                {"id": uuid4(), "user": user_id, "now": NOW},
            )


async def states(webhooks: Webhooks, user_id: str) -> list[tuple[DeliveryState, int, str]]:
    webhook = await webhooks.get(user_id)
    assert webhook is not None
    return [(one.state, one.attempts, one.result) for one in webhook.deliveries]


async def test_each_setting_has_a_key_of_its_own_that_is_not_kept(engine: AsyncEngine, webhooks: Webhooks) -> None:
    first, one = await webhooks.set("demo", URL, "r1")
    assert await webhooks.set("demo", URL, "r1") == (first, one)
    _, two = await webhooks.set("demo", URL, "r2")
    await webhooks.delete("demo")
    assert await webhooks.get("demo") is None
    _, three = await webhooks.set("demo", URL, "r3")
    _, others = await webhooks.set("another", URL, "r1")
    assert len({one, two, three, others}) == 4
    async with transaction(engine) as connection:
        kept = str((await connection.execute(text("SELECT * FROM webhooks"))).all())
    assert not any(key in kept or key.removeprefix("whsec_") in kept for key in (one, two, three, others))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.1.1", "::ffff:10.1.1.1", "169.254.169.254"])
async def test_a_name_that_leads_inside_is_refused(engine: AsyncEngine, clock: FixedClock, address: str) -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["8.8.8.8", address]

    with pytest.raises(FieldInvalid, match="public"):
        await Webhooks(engine, clock, "m" * 32, inside, loopback=False).set("demo", URL, "r1")


async def test_a_name_that_leads_nowhere_is_refused(engine: AsyncEngine, clock: FixedClock) -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror

    with pytest.raises(FieldInvalid, match="cannot be found"):
        await Webhooks(engine, clock, "m" * 32, nowhere, loopback=False).set("demo", URL, "r1")


async def test_without_a_master_key_there_are_none(engine: AsyncEngine, clock: FixedClock) -> None:
    without = Webhooks(engine, clock, None, public, loopback=False)
    with pytest.raises(WebhooksNotConfigured):
        await without.set("demo", URL, "r1")
    assert await without.get("demo") is None
    assert await without.take_due(10, [], LASTS) == []


async def test_a_delivery_is_handed_out_once_and_again_if_nobody_said_how_it_went(
    engine: AsyncEngine, webhooks: Webhooks, clock: FixedClock
) -> None:
    await webhooks.set("demo", URL, "r1")
    await owe(engine, "demo")
    taken = await asyncio.gather(*(webhooks.take_due(10, [], LASTS) for _ in range(4)))
    assert sum(map(len, taken)) == 1
    clock.advance(21)
    (again,) = await webhooks.take_due(10, [], LASTS)
    assert again.attempts == 2
    assert await webhooks.note(again, "HTTP 200", delivered=True, hopeless=False) is DeliveryState.DELIVERED
    assert await states(webhooks, "demo") == [(DeliveryState.DELIVERED, 2, "HTTP 200")]


async def test_it_is_given_up_after_about_a_day(engine: AsyncEngine, webhooks: Webhooks, clock: FixedClock) -> None:
    await webhooks.set("demo", URL, "r1")
    await owe(engine, "demo")
    state, attempts = DeliveryState.PENDING, 0
    while state is DeliveryState.PENDING:
        clock.advance(900)
        for due in await webhooks.take_due(10, [], LASTS):
            state = await webhooks.note(due, "HTTP 500", delivered=False, hopeless=False)
            attempts += 1
    assert (state, attempts) == (DeliveryState.FAILED, ATTEMPTS)
    assert timedelta(hours=20) < clock.now() - NOW < timedelta(hours=30)
    assert await webhooks.take_due(10, [], LASTS) == []


async def test_one_user_leaves_room_for_the_others(engine: AsyncEngine, webhooks: Webhooks) -> None:
    for user_id, count in (("busy", 50), ("many", 50), ("few", 1)):
        await webhooks.set(user_id, URL, "r1")
        await owe(engine, user_id, count)
    taken = await webhooks.take_due(10, ["busy"], LASTS)
    assert sorted(due.user_id for due in taken) == ["few", "many", "many"]


async def test_a_webhook_that_was_taken_away_gets_nothing_more(engine: AsyncEngine, webhooks: Webhooks) -> None:
    await webhooks.set("demo", URL, "r1")
    await owe(engine, "demo", 2)
    await webhooks.delete("demo")
    assert await webhooks.take_due(10, [], LASTS) == []
    await webhooks.set("demo", URL, "r2")
    assert {state for state, _, _ in await states(webhooks, "demo")} == {DeliveryState.FAILED}


async def test_what_is_over_is_forgotten(engine: AsyncEngine, webhooks: Webhooks) -> None:
    await webhooks.set("demo", URL, "r1")
    await owe(engine, "demo", 2)
    due, _ = await webhooks.take_due(10, [], LASTS)
    await webhooks.note(due, "HTTP 204", delivered=True, hopeless=False)
    await webhooks.prune(NOW + timedelta(days=1))
    assert [state for state, _, _ in await states(webhooks, "demo")] == [DeliveryState.PENDING]


class Receivers:
    """Posts to `slow` never end; the others are taken."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.never = asyncio.Event()
        self.others = asyncio.Event()

    async def post(self, due: Due) -> Posted:
        if due.user_id == "slow":
            await self.never.wait()
        self.taken.append(due.user_id)
        if len(self.taken) == 20:
            self.others.set()
        return Posted("HTTP 200", delivered=True)


async def test_a_receiver_that_does_not_answer_holds_nobody_up(engine: AsyncEngine, webhooks: Webhooks) -> None:
    for user_id in ("slow", *(f"user {number}" for number in range(20))):
        await webhooks.set(user_id, URL, "r1")
        await owe(engine, user_id, 30 if user_id == "slow" else 1)
    receivers, counts = Receivers(), Metrics(CollectorRegistry(), lambda: 0, lambda: 0)
    delivering = Delivering(webhooks, receivers, counts.deliveries, concurrency=4, attempt_seconds=5, poll_seconds=0.01)
    task = asyncio.create_task(delivering.run())
    async with asyncio.timeout(20):
        await receivers.others.wait()
    task.cancel()
    await asyncio.wait([task])
    assert "slow" not in receivers.taken


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def receiver(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/hook", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


def a_due(url: str) -> Due:
    return Due(uuid4(), "demo", url, "whsec_k", '{"a":1}', 1)


def a_poster(*, loopback: bool = True, timeout_seconds: float = 5) -> Poster:
    return Poster(FixedClock(NOW), resolve, loopback=loopback, timeout_seconds=timeout_seconds)


async def test_what_is_posted_is_signed_and_named() -> None:
    seen: list[tuple[dict[str, str], bytes]] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    async with receiver(handle) as url:
        due = a_due(url)
        assert await a_poster().post(due) == Posted("HTTP 204", delivered=True)
    ((headers, body),) = seen
    assert body == b'{"a":1}'
    assert headers["X-Tandem-Event-Id"] == str(due.event_id)
    assert headers["X-Tandem-Signature"] == sign("whsec_k", body, NOW)
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "hopeless"), [(301, False), (302, False), (307, False), (400, False), (500, False), (410, True)]
)
async def test_no_answer_but_2xx_is_good_and_no_redirect_is_followed(status: int, hopeless: bool) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/hook"})

    async with receiver(handle) as url:
        assert await a_poster().post(a_due(url)) == Posted(f"HTTP {status}", hopeless=hopeless)
    assert asked == ["/hook"]


async def test_an_answer_is_neither_waited_for_nor_read_without_end() -> None:
    held = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not held.is_set():
            await response.write(b"x" * 65536)
        return response

    async with receiver(silent) as url:
        assert (await a_poster(timeout_seconds=0.2).post(a_due(url))).result == "no answer within 0.2 s"
        held.set()
    held.clear()
    async with receiver(endless) as url:
        assert (await a_poster().post(a_due(url))).delivered
        held.set()


async def test_a_name_that_leads_elsewhere_by_now_is_not_followed_inside() -> None:
    """Checked again at each delivery: what was public when it was set need not be later."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async def rebound(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with receiver(handle) as url:
        port = url.split(":")[2].split("/")[0]
        poster = Poster(FixedClock(NOW), rebound, loopback=False, timeout_seconds=5)
        for named in (f"https://hooks.example:{port}/hook", f"https://127.0.0.1:{port}/hook"):
            assert await poster.post(a_due(named)) == Posted("the host is not at a public address")
        # The address that was checked is the one that is connected to, whatever the name says.
        pinned = Poster(FixedClock(NOW), rebound, loopback=True, timeout_seconds=5)
        assert (await pinned.post(a_due(f"http://hooks.example:{port}/hook"))).delivered
    assert asked == ["/hook"]


async def test_tls_speaks_to_the_name_though_the_address_is_connected_to(
    certificates: dict[str, CertificateFiles],
) -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.host.partition(":")[0] == "gateway"
        return web.Response()

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    own = certificates["gateway"]
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(own.certificate, own.key)
    trusting = ssl.create_default_context(cafile=str(own.authority))
    poster = Poster(FixedClock(NOW), here, loopback=True, timeout_seconds=5, tls=trusting)
    untrusting = Poster(FixedClock(NOW), here, loopback=True, timeout_seconds=5)
    async with receiver(handle, serving) as url:
        port = url.split(":")[2]
        assert (await poster.post(a_due(f"https://gateway:{port}"))).delivered
        for other, name in ((poster, "hooks.example"), (untrusting, "gateway")):
            refused = await other.post(a_due(f"https://{name}:{port}"))
            assert refused.result == "the receiver's certificate is not valid"


async def test_nobody_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        posted = await a_poster().post(a_due(f"http://127.0.0.1:{port}/hook"))
    assert posted.result.startswith("no connection: ")
    assert not posted.hopeless
