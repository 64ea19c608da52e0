"""The WebSocket over a real port: who gets in, what they are told, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import events_pb2
from protos.reconciler.v1 import events_pb2 as reconciler_events
from services.common.bus import Received
from services.common.errors import BusUnavailable
from services.common.past import PastGone
from services.gateway.events import Facts
from tests.unit.gateway.conftest import BACKLOG, NOW, SOCKETS, World, sign
from tests.unit.gateway.positions import booked_position, closed_position
from tests.waiting import until

PATIENCE_SECONDS = 10
PING = b"\x89"
READY = {"type": "ready", "sequence": 5}


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[str]:
    """The gateway on a port of its own; the address of its WebSocket."""
    server = world.server()
    host, port = server.bind()
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    try:
        await ready.wait()
        yield f"ws://{host}:{port}/ws"
    finally:
        world.hub.close()
        server.drain()
        await running


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with serving(world) as address:
        yield address


def protocols(token: str, since: int | None = None) -> Any:
    offered = ["tandem", f"tandem.jwt.{token}"]
    return offered if since is None else [*offered, f"tandem.since.{since}"]


async def receive(socket: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return json.loads(await socket.recv())


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the server closed it; whatever else it still sends is read away."""
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                await socket.recv()
    return socket.close_code or 0, (socket.close_reason or "").split(":")[0]


def opened(sequence: int = 7, user_id: str = "demo") -> Received:
    fact = events_pb2.PositionOpened(event_id="e", position=booked_position(user_id=user_id))
    fact.occurred_at.FromDatetime(NOW)
    return received("position_opened", fact.SerializeToString(), sequence)


def received(kind: str, payload: bytes, sequence: int) -> Received:
    return Received(f"positions.v1.{kind}.demo", payload, "e", sequence, datetime(2025, 10, 21, tzinfo=UTC), 1)


async def test_a_token_by_subprotocol_opens_the_stream(world: World, url: str) -> None:
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        assert socket.subprotocol == "tandem"
        assert await receive(socket) == READY


async def test_a_token_by_first_message_opens_the_stream(world: World, url: str) -> None:
    async with connect(url) as socket:
        await socket.send(json.dumps({"type": "auth", "token": world.token()}))
        assert await receive(socket) == READY


async def test_facts_are_pushed_in_order_to_their_user_alone(world: World, url: str) -> None:
    facts = Facts(world.hub)
    end = events_pb2.PositionClosed(event_id="f", position=closed_position())
    end.occurred_at.FromDatetime(NOW)
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        await facts.handle(opened(sequence=6, user_id="somebody else"))
        await facts.handle(opened(sequence=7))
        await facts.handle(received("position_closed", end.SerializeToString(), 8))
        first, second = await receive(socket), await receive(socket)
    assert (first["type"], first["sequence"], first["timestamp"]) == ("position_opened", 7, "2025-10-21T12:00:00.000Z")
    assert (first["data"]["id"], first["data"]["side"]) == ("OP_1729425600_123", "long")
    assert (second["type"], second["sequence"], second["data"]["exit"]["reason"]) == (
        "position_closed",
        8,
        "closed_externally",
    )


async def test_where_facts_were_missed_everybody_is_told_to_read_anew(world: World, url: str) -> None:
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        await Facts(world.hub).missed()
        assert await receive(socket) == {"type": "resync_required"}


async def test_a_ping_is_answered_and_nonsense_is_not(world: World, url: str) -> None:
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        for message in ("nonsense", "[]", '{"type": "auth", "token": "x"}', '{"type": "ping"}'):
            await socket.send(message)
        assert await receive(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [({"exp": NOW - timedelta(seconds=1)}, "TOKEN_EXPIRED"), ({"aud": "elsewhere"}, "INVALID_TOKEN")],
)
async def test_a_bad_token_is_told_why(world: World, url: str, claims: dict[str, Any], reason: str) -> None:
    token = sign({"sub": "demo", "exp": NOW + timedelta(hours=1), **claims})
    async with connect(url, subprotocols=protocols(token)) as socket:
        assert await closed(socket) == (4401, reason)
    async with connect(url) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        assert await closed(socket) == (4401, reason)
    assert world.hub.size == 0


@pytest.mark.parametrize("first", ['{"type": "ping"}', "nonsense", b"\x00", '{"type": "auth"}'])
async def test_a_first_message_that_is_no_token_ends_the_socket(world: World, url: str, first: str | bytes) -> None:
    async with connect(url) as socket:
        await socket.send(first)
        assert (await closed(socket))[0] == 4401


async def test_what_is_no_text_ends_the_socket_and_says_so(world: World, url: str) -> None:
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        await socket.send(b"\x00")
        assert await closed(socket) == (1003, "TEXT_ONLY")


async def test_who_is_not_let_in_is_counted(world: World, url: str) -> None:
    async with connect(url, subprotocols=protocols("nonsense")) as socket:
        assert await closed(socket) == (4401, "INVALID_TOKEN")
    assert world.registry.get_sample_value("tandem_sockets_ended_total", {"code": "4401"}) == 1


async def test_a_token_in_the_url_is_not_looked_at(world: World) -> None:
    world.auth_seconds = 0.05
    async with serving(world) as url, connect(f"{url}?token={world.token()}") as socket:
        assert await closed(socket) == (4401, "MISSING_TOKEN")


async def test_the_socket_ends_with_its_token(world: World, url: str) -> None:
    token = world.token(exp=NOW.timestamp() + 0.05)
    async with connect(url, subprotocols=protocols(token)) as socket:
        assert await receive(socket) == READY
        world.clock.advance(1)
        assert await closed(socket) == (4401, "TOKEN_EXPIRED")
    assert world.hub.size == 0


async def test_a_client_that_does_not_read_is_dropped_and_others_are_served(world: World, url: str) -> None:
    message = json.dumps({"type": "filler", "data": "x" * 200_000})
    async with (
        connect(url, subprotocols=protocols(world.token()), max_queue=1) as slow,
        connect(url, subprotocols=protocols(world.token("quick"))) as quick,
    ):
        await receive(slow)
        await receive(quick)
        # Enough to fill what the network holds and then the backlog; `slow` reads nothing of it.
        for _ in range(400):
            world.hub.publish("demo", message)
            world.hub.publish("quick", '{"type": "mark"}')
            assert await receive(quick) == {"type": "mark"}
            if world.hub.size == 1:
                break
        assert world.hub.size == 1, f"not dropped after 400 messages and a backlog of {BACKLOG}"
        world.hub.publish("quick", '{"type": "after"}')
        assert await receive(quick) == {"type": "after"}
        slow.transport.abort()


async def test_a_restart_says_so(world: World) -> None:
    async with serving(world) as url, connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        world.hub.close()
        assert await closed(socket) == (1012, "SERVICE_RESTART")


async def test_a_client_that_answers_no_ping_is_gone(world: World) -> None:
    world.ping_seconds = 0.1
    offered = ", ".join(protocols(world.token()))
    async with serving(world) as url, asyncio.timeout(PATIENCE_SECONDS):
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        lines = ["GET /ws HTTP/1.1", f"Host: {address.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        writer.write("\r\n".join([*lines, f"Sec-WebSocket-Protocol: {offered}", "", ""]).encode())
        await reader.readuntil(b"\r\n\r\n")
        frames = await reader.read()  # until the server ends the connection
        writer.close()
    assert PING in frames
    assert b"keepalive" in frames
    # The connection ends before what served it has heard of that.
    await until(lambda: world.hub.size == 0)


def mark(price: str, position_id: str = "OP_1_1", user_id: str = "demo") -> Received:
    fact = monitor_events.PositionMarked(
        user_id=user_id, position_id=position_id, mark_price=price, unrealized_pnl="1.50", stop_loss="64000"
    )
    fact.marked_at.FromDatetime(NOW)
    return Received("monitor.ephemeral.v1.position_marked.demo", fact.SerializeToString(), "", 0, NOW, 1)


async def test_who_comes_back_gets_what_was_missed_and_then_what_comes(world: World, url: str) -> None:
    world.past.kept = [opened(sequence=n) for n in (3, 6, 9)]
    world.place = 8
    for how in ("message", "subprotocol"):
        offered = None if how == "message" else protocols(world.token(), since=3)
        async with connect(url, subprotocols=offered) as socket:
            if how == "message":
                await socket.send(json.dumps({"type": "auth", "token": world.token(), "lastSequence": 3}))
            assert await receive(socket) == {"type": "ready", "sequence": 9}
            assert [(await receive(socket))["sequence"] for _ in range(2)] == [6, 9]
            facts = Facts(world.hub)
            await facts.handle(opened(sequence=11))
            assert (await receive(socket))["sequence"] == 11
    subjects, after = world.past.asked[0]
    assert after == 3
    assert {name.rsplit(".", 1)[1] for name in subjects} == {"demo"}


async def test_what_comes_while_the_past_is_read_is_given_once_and_in_order(world: World, url: str) -> None:
    entered, go = asyncio.Event(), asyncio.Event()
    read = world.past.read_past

    async def slowly(subjects: list[str], after: int, limit: int) -> list[Received]:
        found = await read(subjects, after, limit)
        entered.set()
        await go.wait()
        return found

    world.past.read_past = slowly  # type: ignore[method-assign]
    world.past.kept = [opened(sequence=n) for n in (6, 7)]
    facts = Facts(world.hub)
    async with connect(url, subprotocols=protocols(world.token(), since=5)) as socket:
        await entered.wait()
        for sequence in (7, 8):
            await facts.handle(opened(sequence=sequence))
        go.set()
        assert (await receive(socket))["type"] == "ready"
        assert [(await receive(socket))["sequence"] for _ in range(3)] == [6, 7, 8]


@pytest.mark.parametrize("failure", [PastGone(after=1), BusUnavailable()])
async def test_where_the_past_is_gone_the_client_reads_anew(world: World, url: str, failure: Exception) -> None:
    world.past.fails = failure
    async with connect(url, subprotocols=protocols(world.token(), since=1)) as socket:
        assert await receive(socket) == READY
        assert await receive(socket) == {"type": "resync_required"}
        await Facts(world.hub).handle(opened(sequence=7))
        assert (await receive(socket))["sequence"] == 7


async def test_more_than_the_backlog_can_be_caught_up_on(world: World, url: str) -> None:
    world.past.kept = [opened(sequence=n) for n in range(10, 10 + 2 * BACKLOG)]
    async with connect(url, subprotocols=protocols(world.token(), since=9)) as socket:
        await receive(socket)
        await Facts(world.hub).handle(opened(sequence=100))
        sequences = [(await receive(socket))["sequence"] for _ in range(2 * BACKLOG + 1)]
    assert sequences == [*range(10, 10 + 2 * BACKLOG), 100]


async def test_a_message_of_another_user_is_not_replayed(world: World, url: str) -> None:
    world.past.kept = [opened(sequence=6, user_id="somebody else"), opened(sequence=7)]
    async with connect(url, subprotocols=protocols(world.token(), since=1)) as socket:
        await receive(socket)
        assert (await receive(socket))["sequence"] == 7


async def test_runs_and_alerts_are_pushed(world: World, url: str) -> None:
    facts = Facts(world.hub)
    run = reconciler_events.ReconciliationFinished(user_id="demo")
    run.run.run_id = "r"
    alert = monitor_events.AlertTriggered(
        user_id="demo", kind=monitor_events.ALERT_KIND_LIQUIDATION_NEAR, symbol="BTCUSDT", price="1.0"
    )
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        for owner, kind, fact in (
            ("reconciler", "reconciliation_finished", run),
            ("monitor", "alert_triggered", alert),
        ):
            message = Received(f"{owner}.v1.{kind}.demo", fact.SerializeToString(), "e", 9, NOW, 1)
            await facts.handle(message)
        first, second = await receive(socket), await receive(socket)
    assert (first["type"], first["data"]["runId"]) == ("reconciliation_finished", "r")
    assert (second["type"], second["data"]["kind"], second["data"]["price"]) == (
        "alert_triggered",
        "liquidation_near",
        1,
    )


async def test_marks_are_pushed_without_a_sequence_to_their_user_alone(world: World, url: str) -> None:
    facts = Facts(world.hub)
    async with connect(url, subprotocols=protocols(world.token())) as socket:
        await receive(socket)
        await facts.handle_mark(mark("1", user_id="somebody else"))
        await facts.handle_mark(mark("66000.50"))
        assert await receive(socket) == {
            "type": "position_marked",
            "timestamp": "2025-10-21T12:00:00.000Z",
            "data": {
                "id": "OP_1_1",
                "currentPrice": 66000.5,
                "pnl": 1.5,
                "pnlPercent": None,
                "stopLoss": 64000,
            },
        }


async def test_a_user_has_so_many_sockets_and_no_more(world: World, url: str) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(SOCKETS):
            socket = await stack.enter_async_context(connect(url, subprotocols=protocols(world.token())))
            await receive(socket)
        async with connect(url, subprotocols=protocols(world.token())) as socket:
            assert await closed(socket) == (4429, "TOO_MANY_SOCKETS")
        async with connect(url, subprotocols=protocols(world.token("other"))) as socket:
            assert await receive(socket) == READY


async def test_a_client_that_takes_no_marks_is_dropped_with_a_reason(world: World) -> None:
    world.stall_seconds = 0.2
    facts = Facts(world.hub)
    padding = "P" * 60_000
    async with serving(world) as url:
        slow = await connect(url, subprotocols=protocols(world.token()), max_queue=1)
        quick = await connect(url, subprotocols=protocols(world.token("quick")))
        await receive(slow)
        await receive(quick)
        async with asyncio.timeout(PATIENCE_SECONDS):
            n = 0
            while world.hub.watches("demo"):
                n += 1
                await facts.handle_mark(mark("1", position_id=f"{padding}{n % 3}"))
                await facts.handle_mark(mark(str(n), user_id="quick"))
                assert (await receive(quick))["data"]["currentPrice"] == n
        await quick.close()
        slow.transport.abort()
