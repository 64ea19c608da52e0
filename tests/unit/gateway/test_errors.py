"""Every failure has one shape, and says nothing of what is inside."""

import base64

import httpx
import pytest

from services.common.errors import (
    CallerRefused,
    DatabaseUnavailable,
    DomainError,
    ErrorKind,
    PositionAlreadyClosed,
    PositionNotFound,
    RemoteError,
    ServiceUnavailable,
    TradingNotEnabled,
    TransactionConflict,
)
from services.gateway.http.errors import STATUS_OF_KIND
from tests.unit.gateway.conftest import World
from tests.unit.gateway.positions import booked_position

OLDEST = base64.urlsafe_b64encode(b"0001-01-01T00:00:00+14:00 00000000-0000-0000-0000-000000000000").decode()


def test_every_kind_has_a_status() -> None:
    assert set(STATUS_OF_KIND) == set(ErrorKind)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PositionNotFound(position_id="OP_1_1"), 404, "POSITION_NOT_FOUND"),
        (PositionAlreadyClosed(position_id="OP_1_1"), 409, "POSITION_ALREADY_CLOSED"),
        (TradingNotEnabled(account_id="a"), 409, "TRADING_NOT_ENABLED"),
        (TransactionConflict(), 409, "TRANSACTION_CONFLICT"),
        (RemoteError.of(ErrorKind.INVALID, "LEVEL_ALREADY_CROSSED", "crossed", {}), 422, "LEVEL_ALREADY_CROSSED"),
        (RemoteError.of(ErrorKind.DENIED, "NOT_YOURS", "no", {}), 403, "NOT_YOURS"),
        (RemoteError.of(ErrorKind.EXHAUSTED, "TOO_MANY", "later", {}), 429, "TOO_MANY"),
        (ServiceUnavailable(service="positions"), 503, "SERVICE_UNAVAILABLE"),
        (DatabaseUnavailable(), 503, "DATABASE_UNAVAILABLE"),
    ],
    ids=lambda value: value.reason if isinstance(value, DomainError) else None,
)
async def test_a_domain_error_keeps_its_reason(
    world: World, client: httpx.AsyncClient, error: DomainError, status: int, code: str
) -> None:
    world.live.fails = error
    answer = await client.get("/api/positions/current")
    assert answer.status_code == status
    assert answer.json() == {"success": False, "error": error.message, "code": code}
    assert ("Retry-After" in answer.headers) == (status in (429, 503))


async def test_a_service_that_is_down_says_when_to_come_back(world: World, client: httpx.AsyncClient) -> None:
    world.history.fails = ServiceUnavailable(service="positions", retry_after_seconds=7)
    answer = await client.get("/api/positions/history")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


@pytest.mark.parametrize("error", [RuntimeError("password=hunter2"), CallerRefused(caller="gateway", method="x/y")])
async def test_what_nobody_meant_is_500_with_an_id_and_nothing_else(
    world: World, client: httpx.AsyncClient, error: Exception
) -> None:
    world.live.fails = error
    answer = await client.get("/api/positions/current", headers={"x-request-id": "seen-in-the-log"})
    assert answer.status_code == 500
    assert answer.json() == {
        "success": False,
        "error": "Internal error; request seen-in-the-log has been logged",
        "code": "INTERNAL",
    }
    assert answer.headers["x-request-id"] == "seen-in-the-log"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/api/positions/current/", 404, "ROUTE_NOT_FOUND"),
        ("DELETE", "/api/positions/current", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/status", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/docs/nothing", 404, "ROUTE_NOT_FOUND"),
    ],
)
async def test_an_unknown_route_or_method_has_the_shape_as_well(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"success", "error", "code"}
    assert (answer.json()["success"], answer.json()["code"]) == (False, code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"not json", "body"),
        (b"", "body"),
        (b"[]", "body"),
        (b"\xff\xfe", "body"),
        (b"{}", "price"),
        (b'{"price": true}', "price"),
        (b'{"price": "abc"}', "price"),
        (b'{"price": "NaN"}', "price"),
        (b'{"price": "Infinity"}', "price"),
        (b'{"price": 0}', "price"),
        (b'{"price": -1}', "price"),
        (b'{"price": 1e999999}', "price"),
        (b'{"price": 1e-19}', "price"),
        (b'{"price": 1, "expectedVersion": 0}', "expectedVersion"),
        (b'{"price": 1, "expectedVersion": "2"}', "expectedVersion"),
        (b'{"price": 1, "trailing": 2}', "trailing"),
    ],
)
async def test_a_bad_body_is_422_with_the_field_named(
    world: World, client: httpx.AsyncClient, body: bytes, field: str
) -> None:
    answer = await client.patch("/api/positions/OP_1_1/stop-loss", content=body)
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == ("VALIDATION_FAILED", field)
    assert world.books.levels_set == []
    assert not world.write_log.attempts


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/positions/history?limit=0", "limit"),
        ("/api/positions/history?limit=201", "limit"),
        ("/api/positions/history?period=2d", "period"),
        ("/api/positions/analytics?period=", "period"),
        ("/api/positions/current/kraken", "exchange"),
    ],
)
async def test_a_bad_parameter_is_422_with_the_field_named(client: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "VALIDATION_FAILED", field)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/user-api-keys/add", content=b"x" * (64 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"kind": "price_target", "note": "a\\u0000b"}', "body"),
        (b'{"kind": "profit_amount", "direction": "above", "threshold": 1e-19}', "threshold"),
        (b'{"kind": "profit_amount", "direction": "above", "threshold": 1e20}', "threshold"),
        (
            b'{"kind": "profit_amount", "direction": "above", "threshold": 12345678901234567890.1234567890123456789}',
            "threshold",
        ),
    ],
    ids=["a character that cannot be kept", "too small", "too large", "too long"],
)
async def test_what_nothing_could_hold_is_refused_at_the_door(
    world: World, client: httpx.AsyncClient, body: bytes, field: str
) -> None:
    answer = await client.post("/api/alerts", content=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "VALIDATION_FAILED", field)
    assert not world.write_log.attempts


async def test_what_is_nested_without_end_is_refused_at_the_door(client: httpx.AsyncClient) -> None:
    body = b'{"marketConditions": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    answer = await client.post("/api/flows/a-flow/executions", content=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "body")


async def test_a_zero_is_a_zero_however_many_places_it_is_said_to_have(world: World, client: httpx.AsyncClient) -> None:
    body = b'{"kind": "profit_amount", "direction": "above", "threshold": 0E-999999999, "note": "a \\\\u0000"}'
    answer = await client.post("/api/alerts", content=body)
    assert answer.status_code == 200
    [attempt] = world.write_log.attempts.values()
    assert attempt.details["threshold"] == "0"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/positions/history?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/api/positions/history.csv?to=9999-12-31T23:59:59-14:00", "to"),
        ("/api/performance/summary?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/api/admin/audit?since=0001-01-01T00:00:00%2B14:00", "since"),
        ("/api/admin/audit?until=9999-12-31T23:59:59-14:00", "until"),
        ("/api/admin/audit?cursor=" + OLDEST, "cursor"),
    ],
)
async def test_a_moment_that_no_clock_has_is_422(
    world: World, client: httpx.AsyncClient, path: str, field: str
) -> None:
    answer = await client.get(path, headers={"Authorization": f"Bearer {world.token(role='admin')}"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "VALIDATION_FAILED", field)


@pytest.mark.parametrize("position_id", ["OP_1%00_1", "x" * 65, "%20", "%F0%9F%90%8D"])
async def test_an_id_that_cannot_exist_is_not_found(world: World, client: httpx.AsyncClient, position_id: str) -> None:
    world.books.positions["OP_1_1"] = booked_position()
    answer = await client.get(f"/api/positions/{position_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "POSITION_NOT_FOUND")


async def test_what_nobody_meant_is_as_guarded_as_every_other_answer(world: World, client: httpx.AsyncClient) -> None:
    world.live.fails = RuntimeError("lost")
    answer = await client.get("/api/positions/current")
    assert answer.status_code == 500
    good = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer"}
    assert good.items() <= dict(answer.headers).items()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"]
