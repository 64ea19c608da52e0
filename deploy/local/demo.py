"""The demo user: one account on each exchange of the sandbox, with open positions that the books do not know.

Invariants: the keys are made once and kept, and minting a key that exists changes nothing, so each start finds the same
accounts; the keys reach Tandem by its own REST door, as a person's would.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.local.errors import StackError
from deploy.local.layout import Layout, read_json, write_json

USER_ID = "demo"
TIMEOUT_SECONDS = 30.0
KEY_BYTES = 24
BALANCE = "10000"
# The positions that an account is minted with: symbol, side, quantity.
POSITIONS = {
    "binance": (("BTCUSDT", "long", "0.010"), ("ETHUSDT", "short", "0.200"), ("SOLUSDT", "long", "5")),
    "bybit": (("BTCUSDT", "short", "0.005"), ("ETHUSDT", "long", "0.10")),
}


@dataclass(frozen=True, slots=True)
class Account:
    """The keys of an account on the sandbox."""

    exchange: str
    api_key: str = field(repr=False)
    secret: str = field(repr=False)


async def mint_accounts(client: httpx.AsyncClient, sandbox_url: str, layout: Layout) -> list[Account]:
    """Make sure that the sandbox has the demo accounts, and return them. Raises StackError where it refuses."""
    accounts = _keys(layout)
    for account in accounts:
        body = {
            "exchange": account.exchange,
            "apiKey": account.api_key,
            "secret": account.secret,
            "balance": BALANCE,
            "positions": [
                {"symbol": symbol, "side": side, "quantity": quantity}
                for symbol, side, quantity in POSITIONS[account.exchange]
            ],
        }
        await _ask(client, "POST", f"{sandbox_url}/sandbox/accounts", body)
    return accounts


async def register_accounts(client: httpx.AsyncClient, gateway_url: str, token: str, accounts: list[Account]) -> None:
    """Give the demo user's keys to Tandem, for the exchanges of which it has none yet. Raises StackError if refused."""
    url = f"{gateway_url}/api/user-api-keys"
    known = {key["exchange"] for key in (await _ask(client, "GET", url, None, token))["keys"]}
    for account in accounts:
        if account.exchange not in known:
            key = {"exchange": account.exchange, "apiKey": account.api_key, "apiSecret": account.secret}
            await _ask(client, "POST", f"{url}/add", {**key, "name": f"Demo {account.exchange}"}, token)


def _keys(layout: Layout) -> list[Account]:
    kept: dict[str, dict[str, str]] = read_json(layout.demo_file) or {}
    complete = {
        exchange: kept.get(exchange)
        or {"apiKey": f"demo-{secrets.token_hex(KEY_BYTES)}", "secret": secrets.token_hex(KEY_BYTES)}
        for exchange in POSITIONS
    }
    if complete != kept:
        write_json(layout.demo_file, complete)
    return [Account(exchange, keys["apiKey"], keys["secret"]) for exchange, keys in complete.items()]


async def _ask(
    client: httpx.AsyncClient, method: str, url: str, body: Mapping[str, object] | None, token: str | None = None
) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        answer = await client.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise StackError(f"the demo account could not be set up: {url} did not answer ({error!r})") from error
    if answer.is_error:
        raise StackError(
            f"the demo account could not be set up: {url} answered {answer.status_code}: {answer.text[:300]}"
        )
    return content
