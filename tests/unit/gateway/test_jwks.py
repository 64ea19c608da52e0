"""Published keys: which count, how they rotate, and what becomes of tokens while their address is away."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from services.gateway.config import GatewaySettings
from services.gateway.http.identity import InvalidToken, TokenVerifier
from services.gateway.jwks import HttpKeySource, KeySetUnreadable, PublishedKeys, SigningKeysUnavailable, read_keys
from tests.fakes.clock import FixedClock
from tests.fakes.gateway_clients import FakeKeySource
from tests.unit.gateway.conftest import NOW, SECRET, World, sign

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - so that it is refused
EC = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())


def public(key: Any, key_id: str | None, **more: object) -> dict[str, object]:
    """A key as a key set shows it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    shown = json.loads(algorithm.to_jwk(key.public_key()))
    return {**shown, **({} if key_id is None else {"kid": key_id}), "use": "sig", **more}


def token(key: Any, key_id: str | None, algorithm: str = "RS256") -> str:
    claims = {"iss": "tandem", "aud": "tandem", "role": "user", "sub": "demo", "exp": NOW + timedelta(days=30)}
    return jwt.encode(claims, key, algorithm, headers={} if key_id is None else {"kid": key_id})


class Issuer:
    """A key set, and a verifier that reads it."""

    def __init__(self, *keys: dict[str, object]) -> None:
        self.clock = FixedClock(NOW)
        self.source = FakeKeySource(*keys)
        self.keys = PublishedKeys(self.source, self.clock, fresh_seconds=300, spacing_seconds=10, stale_seconds=3600)
        self.verifier = TokenVerifier(self.keys, issuer="tandem", audience="tandem", clock=self.clock)

    async def admits(self, shown: str) -> bool:
        try:
            return (await self.verifier.verify(shown)).user_id == "demo"
        except InvalidToken:
            return False


async def test_both_kinds_of_keys_count_and_are_fetched_once() -> None:
    issuer = Issuer(public(RSA, "r"), public(EC, "e"))
    assert await issuer.admits(token(RSA, "r"))
    assert await issuer.admits(token(EC, "e", "ES256"))
    assert issuer.source.fetched == 1


async def test_a_lone_key_needs_no_id() -> None:
    assert await Issuer(public(RSA, None)).admits(token(RSA, None))
    assert await Issuer(public(RSA, "r")).admits(token(RSA, None))
    assert not await Issuer(public(RSA, "r"), public(EC, "e")).admits(token(RSA, None))


async def test_a_rotated_key_is_fetched_as_soon_as_a_token_names_it() -> None:
    issuer = Issuer(public(RSA, "old"))
    assert await issuer.admits(token(RSA, "old"))
    issuer.source.keys = [public(OTHER_RSA, "new")]
    issuer.clock.advance(11)
    assert await issuer.admits(token(OTHER_RSA, "new"))
    assert not await issuer.admits(token(RSA, "old"))  # withdrawn
    assert issuer.source.fetched == 2


async def test_tokens_that_name_unknown_keys_do_not_flood_the_address() -> None:
    issuer = Issuer(public(RSA, "r"))
    shown = [token(OTHER_RSA, f"made up {n}") for n in range(20)]
    assert not any(await asyncio.gather(*(issuer.admits(one) for one in shown)))
    assert issuer.source.fetched == 1
    issuer.clock.advance(10)
    assert not await issuer.admits(shown[0])
    assert issuer.source.fetched == 2


async def test_keys_stay_good_for_a_while_when_their_address_is_away_but_not_for_ever() -> None:
    issuer = Issuer(public(RSA, "r"))
    assert await issuer.admits(token(RSA, "r"))
    issuer.source.fails = KeySetUnreadable("away")
    issuer.clock.advance(3599)
    assert await issuer.admits(token(RSA, "r"))
    issuer.clock.advance(1)
    with pytest.raises(SigningKeysUnavailable):
        await issuer.verifier.verify(token(RSA, "r"))
    issuer.source.fails = None
    issuer.clock.advance(10)
    assert await issuer.admits(token(RSA, "r"))


async def test_while_the_address_hangs_nobody_waits_for_it_whose_key_is_known() -> None:
    issuer = Issuer(public(RSA, "r"))
    assert await issuer.admits(token(RSA, "r"))
    issuer.clock.advance(301)
    issuer.source.hangs = asyncio.Event()
    waiting = asyncio.create_task(issuer.admits(token(RSA, "r")))
    await issuer.source.asked.wait()
    async with asyncio.timeout(5):
        assert await issuer.admits(token(RSA, "r"))
    assert not waiting.done()
    issuer.source.hangs.set()
    assert await waiting


async def test_a_key_that_was_not_there_before_the_address_went_away_may_be_good() -> None:
    issuer = Issuer(public(RSA, "old"))
    assert await issuer.admits(token(RSA, "old"))
    issuer.source.fails = KeySetUnreadable("away")
    issuer.clock.advance(11)
    for _ in range(2):  # the second asks nobody
        with pytest.raises(SigningKeysUnavailable):
            await issuer.verifier.verify(token(OTHER_RSA, "new"))
        assert await issuer.admits(token(RSA, "old"))
    issuer.source.fails = None
    issuer.clock.advance(11)
    assert not await issuer.admits(token(OTHER_RSA, "new"))  # now it is known that there is none


async def test_the_algorithm_is_the_keys_own() -> None:
    issuer = Issuer(public(RSA, "r"))
    secret_of_the_public_key = sign({"sub": "demo", "exp": NOW + timedelta(days=1)})
    for shown in (secret_of_the_public_key, token(RSA, "r", "RS512"), token(RSA, "r", "PS256"), "a.b.c"):
        assert not await issuer.admits(shown)


@pytest.mark.parametrize(
    "key",
    [
        public(WEAK_RSA, "k"),
        public(P384, "k"),
        public(RSA, "k", use="enc"),
        public(RSA, "k", alg="RS512"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k"},
        {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "k"},
        {"kty": "RSA", "kid": "k"},
        "nonsense",
    ],
    ids=[
        "weak",
        "other curve",
        "to encrypt",
        "other algorithm",
        "symmetric",
        "not a number",
        "without numbers",
        "text",
    ],
)
def test_keys_that_cannot_verify_tokens_do_not_count(key: Any) -> None:
    with pytest.raises(KeySetUnreadable):
        read_keys({"keys": [key]})
    assert set(read_keys({"keys": [key, public(RSA, "good")]})) == {"good", None}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [{}] * 65}])
def test_what_is_no_key_set_is_refused(document: object) -> None:
    with pytest.raises(KeySetUnreadable):
        read_keys(document)


async def test_without_keys_the_answer_is_503(world: World) -> None:
    issuer = Issuer()
    world.signing_keys = issuer.keys
    transport = httpx.ASGITransport(app=world.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.get("/api/portfolio", headers={"Authorization": f"Bearer {token(RSA, 'r')}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "SIGNING_KEYS_UNAVAILABLE")
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "either JWT_SECRET or JWT_JWKS_URL"),
        ({"jwt_secret": SECRET, "jwt_jwks_url": "https://id.example/keys"}, "either JWT_SECRET or JWT_JWKS_URL"),
        ({"jwt_jwks_url": "http://id.example/keys"}, "https"),
        ({"jwt_jwks_url": "https://user:pw@id.example/keys"}, "https"),
        ({"jwt_jwks_url": "https://user:[pw]@id.example/keys"}, "expected an https address"),
        ({"jwt_secret": SECRET, "cors_origins": ["*"]}, "origins"),
        ({"jwt_secret": SECRET, "cors_origins": ["https://app.example/"]}, "origins"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(
    settings: dict[str, object], problem: str, gateway_settings: dict[str, object]
) -> None:
    GatewaySettings.model_validate({**gateway_settings, "jwt_jwks_url": "https://id.example/keys"})
    with pytest.raises(ValidationError, match=problem):
        GatewaySettings.model_validate({**gateway_settings, **settings})


async def test_keys_are_fetched_from_an_address_within_bounds() -> None:
    answers = {
        "/keys": web.json_response({"keys": [public(RSA, "r")]}),
        "/large": web.Response(body=b" " * 300_000),
        "/text": web.Response(text="<html>"),
        "/broken": web.Response(status=500),
        "/elsewhere": web.Response(status=302, headers={"Location": "/keys"}),
    }

    async def answer(request: web.Request) -> web.Response:
        return answers[request.path]

    app = web.Application()
    app.router.add_get("/{name}", answer)
    async with TestServer(app) as server:
        document = await HttpKeySource(str(server.make_url("/keys"))).fetch()
        assert set(read_keys(document)) == {"r", None}
        for path in ("/large", "/text", "/broken", "/elsewhere"):
            with pytest.raises(KeySetUnreadable):
                await HttpKeySource(str(server.make_url(path))).fetch()
        address = str(server.make_url("/keys"))
    with pytest.raises(KeySetUnreadable):
        await HttpKeySource(address).fetch()
