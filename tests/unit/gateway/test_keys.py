"""API keys: what goes in, what comes out, and that a secret never does."""

import httpx
import pytest

from tests.unit.gateway.conftest import World

KEY = {"Idempotency-Key": "one"}


async def test_a_secret_goes_to_key_custody_and_nowhere_else(world: World, client: httpx.AsyncClient) -> None:
    body = {"exchange": "bybit", "apiKey": "key-abcdef", "apiSecret": "very-secret", "name": "main"}
    answer = await client.post("/api/user-api-keys/add", json=body, headers=KEY)
    listed = await client.get("/api/user-api-keys")
    assert answer.json() == {
        "success": True,
        "key": {
            "id": "account-1",
            "exchange": "bybit",
            "name": "main",
            "apiKey": "key-…",
            "verified": True,
            "tradingEnabled": True,
            "createdAt": "2025-10-21T12:00:00.000Z",
            "verifiedAt": None,
            "canTrade": False,
            "ipRestricted": False,
            "autoManage": False,
            "refusal": None,
            "triggerPrice": "mark",
        },
    }
    assert listed.json() == {"success": True, "keys": [answer.json()["key"]], "count": 1}
    (added,) = world.accounts.added
    assert (added.user_id, added.api_key, added.api_secret, added.trading_enabled) == (
        "demo",
        "key-abcdef",
        "very-secret",
        True,
    )
    for text in (answer.text, listed.text, repr(world.write_log.attempts)):
        assert "very-secret" not in text
        assert "key-abcdef" not in text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"exchange": "kraken"}, "exchange"),
        ({"exchange": None}, "exchange"),
        ({"apiKey": ""}, "apiKey"),
        ({"apiSecret": "two words"}, "apiSecret"),
        ({"apiSecret": 7}, "apiSecret"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"tradingEnabled": "yes"}, "tradingEnabled"),
        ({"api_key": "k"}, "api_key"),
    ],
)
async def test_a_bad_key_names_its_field_and_does_not_repeat_it(
    world: World, client: httpx.AsyncClient, change: dict[str, object], field: str
) -> None:
    body = {"exchange": "binance", "apiKey": "the-key", "apiSecret": "the-secret", **change}
    answer = await client.post("/api/user-api-keys/add", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "the-" not in answer.text
    assert world.accounts.added == []
