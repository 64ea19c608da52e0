"""Tokens: what makes one count, and what is said of one that does not."""

import asyncio
import base64
import os
import sys
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from services.gateway.config import GatewaySettings
from services.gateway.http.identity import InvalidToken, TokenExpired
from tests.unit.gateway.conftest import NOW, SECRET, World, sign

LATER = NOW + timedelta(hours=1)


async def test_a_good_token_names_its_caller(world: World) -> None:
    caller = await world.verifier().verify(world.token("alice", role="admin"))
    assert (caller.user_id, caller.role, caller.expires_at) == ("alice", "admin", LATER)


async def test_a_token_ends_at_its_expiry_to_the_second(world: World) -> None:
    token = world.token()
    world.clock.set(LATER)
    with pytest.raises(TokenExpired):
        await world.verifier().verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": "a\x00b"},
        {"exp": None},
        {"exp": 1e300},
        {"iss": "somebody"},
        {"iss": None},
        {"aud": "somewhere"},
        {"aud": None},
        {"role": None},
        {"role": "root"},
        {"role": ["admin"]},
        {"nbf": NOW + timedelta(days=3650)},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_does_not_count(world: World, claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await world.verifier().verify(sign({"sub": "demo", "exp": LATER, **claims}))


async def test_a_token_of_a_foreign_secret_or_algorithm_does_not_count(world: World) -> None:
    claims = {"sub": "demo", "exp": LATER}
    unsigned = ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"none"}', b'{"sub":"demo"}', b"")
    )
    for token in (sign(claims, "another secret that is long enough too"), sign(claims, SECRET * 2, "HS512"), unsigned):
        with pytest.raises(InvalidToken):
            await world.verifier().verify(token)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "MISSING_TOKEN"),
        ("", "MISSING_TOKEN"),
        ("Basic ZGVtbzpkZW1v", "MISSING_TOKEN"),
        ("Bearer ", "MISSING_TOKEN"),
        ("Bearer nonsense", "INVALID_TOKEN"),
        (f"Bearer {sign({'sub': 'demo', 'exp': NOW - timedelta(seconds=1)})}", "TOKEN_EXPIRED"),
    ],
)
async def test_without_a_good_token_the_answer_is_401(world: World, header: str | None, code: str) -> None:
    transport = httpx.ASGITransport(app=world.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        headers = {} if header is None else {"Authorization": header}
        for method, route in [
            ("GET", "/api/positions/current"),
            ("GET", "/api/positions/current/kraken"),
            ("PATCH", "/api/positions/OP_1_1/stop-loss"),
            ("POST", "/api/user-api-keys/add"),
        ]:
            answer = await client.request(method, route, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert (answer.json()["success"], answer.json()["code"]) == (False, code)


async def test_another_users_position_does_not_exist(world: World, client: httpx.AsyncClient) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("PATCH", "/stop-loss", {"price": 1}),
        ("PATCH", "/take-profit", {"price": None}),
    ]:
        answer = await client.request(method, f"/api/positions/OP_1_9{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "POSITION_NOT_FOUND")


def test_the_signing_secret_has_no_default_and_must_be_long() -> None:
    with pytest.raises(ValidationError) as refused:
        GatewaySettings.model_validate({"jwt_secret": SecretStr("short")})
    (problem,) = [error for error in refused.value.errors() if error["loc"] == ("jwt_secret",)]
    assert "at least 32 bytes" in problem["msg"]


async def test_a_gateway_without_a_secret_does_not_start(gateway_settings: dict[str, object]) -> None:
    told = {name.upper(): str(value) for name, value in gateway_settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway", "serve"),
        env={"PATH": os.environ["PATH"], **told},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 2
    assert b"either JWT_SECRET or JWT_JWKS_URL" in said
    assert b"Traceback" not in said
