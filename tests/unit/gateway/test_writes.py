"""Writes: done once per Idempotency-Key, always in the audit log, never with a secret in it."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from protos.positions.v1 import positions_pb2
from protos.reconciler.v1 import reconciler_pb2
from services.common.errors import DatabaseUnavailable, PositionAlreadyClosed, ServiceUnavailable
from services.gateway.domain.idempotency import Answer, Attempt
from tests.fakes.gateway_clients import FakeReconciliation
from tests.fakes.write_log import FakeWriteLog
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position

ID = "OP_1729425600_123"
KEY = {"Idempotency-Key": "one"}


@pytest.fixture(autouse=True)
def _position(world: World) -> None:
    world.books.positions[ID] = booked_position()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("stop-loss", positions_pb2.LEVEL_KIND_STOP_LOSS),
        ("take-profit", positions_pb2.LEVEL_KIND_TAKE_PROFIT),
    ],
)
@pytest.mark.parametrize(
    ("written", "price"), [("64680.123456789012345678", "64680.123456789012345678"), ('"64000.5"', "64000.5")]
)
async def test_a_level_is_pinned_to_the_very_digits_that_were_sent(
    world: World, client: httpx.AsyncClient, path: str, kind: int, written: str, price: str
) -> None:
    body = f'{{"price": {written}, "expectedVersion": 2}}'
    answer = await client.patch(f"/api/positions/{ID}/{path}", content=body)
    assert answer.status_code == 200
    (request,) = world.books.levels_set
    assert (request.user_id, request.position_id, request.kind) == ("demo", ID, kind)
    assert (request.WhichOneof("rule"), request.pinned.price, request.expected_version) == ("pinned", price, 2)
    assert request.request_id


async def test_null_takes_a_level_away(world: World, client: httpx.AsyncClient) -> None:
    await client.patch(f"/api/positions/{ID}/stop-loss", json={"price": None})
    (request,) = world.books.levels_set
    assert (request.WhichOneof("rule"), request.expected_version) == ("none", 0)


async def test_a_close_takes_no_body_that_it_would_pass_over(world: World, client: httpx.AsyncClient) -> None:
    assert (await client.post(f"/api/positions/{ID}/close", json={"size": 0.5})).status_code == 422
    assert world.monitor.closed == []
    assert (await client.post(f"/api/positions/{ID}/close", json={})).status_code == 200
    answer = await client.post(f"/api/positions/{ID}/close")
    assert answer.json() == {
        "success": True,
        "positionId": ID,
        "intentId": "6a1f3a52-64a4-4a9e-9a57-1f7f0c1c9c57",
        "exitPrice": 66000,
        "quantity": 0.001,
    }
    assert [(closed.user_id, closed.position_id, closed.quantity) for closed in world.monitor.closed] == [
        ("demo", ID, "")
    ] * 2


async def test_a_sync_says_what_it_found(world: World, client: httpx.AsyncClient) -> None:
    run = reconciler_pb2.AccountRun(
        run_id="r",
        user_id="demo",
        account_id="a",
        exchange="binance",
        result=reconciler_pb2.RUN_RESULT_PENDING,
        pending=1,
        reason="gone?",
    )
    run.started_at.FromJsonString("2025-10-21T12:00:00Z")
    world.reconciliation.runs = [run]
    assert (await client.post("/api/positions/sync")).json() == {
        "success": True,
        "inSync": False,
        "runs": [
            {
                "runId": "r",
                "userId": "demo",
                "accountId": "a",
                "exchange": "binance",
                "result": "pending",
                "adopted": 0,
                "closed": 0,
                "adjusted": 0,
                "pending": 1,
                "completed": 0,
                "trigger": None,
                "reason": "gone?",
                "startedAt": "2025-10-21T12:00:00.000Z",
                "finishedAt": None,
            }
        ],
    }


async def test_the_same_key_is_done_once_and_answered_alike(world: World, client: httpx.AsyncClient) -> None:
    first = await client.post(f"/api/positions/{ID}/close", headers=KEY)
    again = await client.post(f"/api/positions/{ID}/close", content=b" {} ", headers=KEY)
    assert again.content == first.content
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert "Idempotency-Replayed" not in first.headers
    assert len(world.monitor.closed) == 1
    assert len(world.write_log.attempts) == 1


async def test_a_refusal_is_replayed_too(world: World, client: httpx.AsyncClient) -> None:
    world.monitor.fails = PositionAlreadyClosed(position_id=ID)
    first = await client.post(f"/api/positions/{ID}/close", headers=KEY)
    world.monitor.fails = None
    again = await client.post(f"/api/positions/{ID}/close", headers=KEY)
    assert (first.status_code, again.status_code, again.content) == (409, 409, first.content)


@pytest.mark.parametrize("failure", [ServiceUnavailable(service="monitor"), RuntimeError("lost")])
async def test_an_unknown_outcome_is_asked_for_again_under_the_same_request_id(
    world: World, client: httpx.AsyncClient, failure: Exception
) -> None:
    world.monitor.fails = failure
    first = await client.post(f"/api/positions/{ID}/close", headers=KEY)
    world.monitor.fails = None
    again = await client.post(f"/api/positions/{ID}/close", headers=KEY)
    assert first.status_code >= 500
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (200, False)
    one, other = world.monitor.closed
    assert one == other


async def test_a_key_belongs_to_one_request_of_one_user(world: World, client: httpx.AsyncClient) -> None:
    await client.patch(f"/api/positions/{ID}/stop-loss", json={"price": 1}, headers=KEY)
    for method, path, body in [
        ("PATCH", "stop-loss", {"price": 2}),
        ("PATCH", "take-profit", {"price": 1}),
        ("POST", "close", None),
    ]:
        answer = await client.request(method, f"/api/positions/{ID}/{path}", json=body, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    other = await client.post("/api/positions/sync", headers={**KEY, "Authorization": f"Bearer {world.token('eve')}"})
    assert other.status_code == 200


async def test_writes_without_a_key_are_each_done(world: World, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post(f"/api/positions/{ID}/close")
    assert len({closed.request_id for closed in world.monitor.closed}) == 2


@pytest.mark.parametrize("key", ["", "x" * 129, "two words", "\u00e9"])
async def test_a_key_that_is_none_is_refused(world: World, client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/api/positions/sync", headers={b"Idempotency-Key": key.encode("latin-1")})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert world.reconciliation.synced == []


class _SlowReconciliation(FakeReconciliation):
    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.go = asyncio.Event()

    async def sync_now(self, request: reconciler_pb2.SyncNowRequest) -> Sequence[reconciler_pb2.AccountRun]:
        self.entered.set()
        await self.go.wait()
        return await super().sync_now(request)


async def test_a_key_whose_first_request_is_under_way_is_in_use(world: World) -> None:
    slow = world.reconciliation = _SlowReconciliation()
    transport = httpx.ASGITransport(app=world.app())
    headers = {"Authorization": f"Bearer {world.token()}", **KEY}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        first = asyncio.create_task(client.post("/api/positions/sync"))
        await slow.entered.wait()
        second = await client.post("/api/positions/sync")
        assert (second.status_code, second.json()["code"]) == (409, "IDEMPOTENCY_KEY_IN_USE")
        slow.go.set()
        assert (await first).status_code == 200


async def test_every_write_is_in_the_audit_log_with_its_outcome(world: World, client: httpx.AsyncClient) -> None:
    await client.patch(f"/api/positions/{ID}/stop-loss", json={"price": 64000})
    await client.patch("/api/positions/OP_1_1/take-profit", json={"price": None})
    written = [(a.user_id, a.role, a.action, a.target, a.details) for a in world.write_log.attempts.values()]
    assert written == [
        ("demo", "user", "set_stop_loss", ID, {"level": "64000"}),
        ("demo", "user", "set_take_profit", "OP_1_1", {"level": "none"}),
    ]
    assert list(world.write_log.outcomes.values()) == [(200, None), (404, "POSITION_NOT_FOUND")]


async def test_a_write_that_cannot_be_audited_is_not_done(world: World, client: httpx.AsyncClient) -> None:
    world.write_log.fails = DatabaseUnavailable()
    answer = await client.post(f"/api/positions/{ID}/close")
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert world.monitor.closed == []


class _LosesOutcomes(FakeWriteLog):
    async def finish(self, attempt: Attempt, answer: Answer, code: str | None) -> None:
        raise DatabaseUnavailable


async def test_a_write_that_was_done_is_answered_so_though_its_outcome_was_not_recorded(world: World) -> None:
    world.write_log = _LosesOutcomes()
    transport = httpx.ASGITransport(app=world.app())
    headers = {"Authorization": f"Bearer {world.token()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        assert (await client.post(f"/api/positions/{ID}/close")).status_code == 200
