"""API keys: the accounts of a user at venues. A secret goes in and never comes out."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from protos.positions.v1 import accounts_pb2
from services.gateway.clients import Accounts
from services.gateway.http import examples, words
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.writes import Action, Writes

_Credential = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[\x21-\x7e]+$")]
_Name = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]


class KeyBody(Body, kw_only=True, frozen=True):
    """A key of a venue. It may read, and trade if `tradingEnabled`; one that may withdraw is refused."""

    exchange: Literal["binance", "bybit"]
    api_key: _Credential
    api_secret: _Credential
    name: _Name = ""
    trading_enabled: bool = True

    def __repr__(self) -> str:
        return f"KeyBody({self.exchange})"


class KeyDocument(Document, kw_only=True, frozen=True):
    """An account at a venue, its key masked. `verified`: the venue confirmed the key."""

    id: str
    exchange: str
    name: str
    api_key: str
    verified: bool
    trading_enabled: bool
    created_at: str | None
    verified_at: str | None


class KeyAnswer(Document, kw_only=True, frozen=True):
    """The account that a key opens."""

    success: bool = True
    key: KeyDocument


class KeysAnswer(Document, kw_only=True, frozen=True):
    """The accounts of the caller."""

    success: bool = True
    keys: list[KeyDocument]
    count: int


def keys_router(accounts: Accounts, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["keys"])

    @router.post(
        "/api/user-api-keys/add",
        summary="Add a key, or replace the key of an account",
        **documented(KeyAnswer, examples.KEY, body=KeyBody, body_example=examples.KEY_BODY, write=True),
    )
    async def add(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: KeyBody, request_id: str) -> Document:
            account = await accounts.add_account(
                accounts_pb2.AddAccountRequest(
                    user_id=caller.user_id,
                    exchange=words.EXCHANGES[body.exchange],
                    name=body.name,
                    api_key=body.api_key,
                    api_secret=body.api_secret,
                    trading_enabled=body.trading_enabled,
                    request_id=request_id,
                )
            )
            return KeyAnswer(key=_key(account))

        return await writes.perform(request, caller, Action("add_key"), KeyBody, command, _details)

    @router.get("/api/user-api-keys", summary="My keys, masked", **documented(KeysAnswer, examples.KEYS))
    async def list_keys(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        keys = [_key(account) for account in await accounts.list_accounts(caller.user_id)]
        return respond(KeysAnswer(keys=keys, count=len(keys)))

    return router


def _details(body: KeyBody) -> dict[str, str | bool | None]:
    return {"exchange": body.exchange, "name": body.name, "tradingEnabled": body.trading_enabled}


def _key(account: accounts_pb2.Account) -> KeyDocument:
    return KeyDocument(
        id=account.account_id,
        exchange=words.exchange(account.exchange),
        name=account.name,
        api_key=account.masked_key,
        verified=account.verified,
        trading_enabled=account.trading_enabled,
        created_at=optional_instant(account.created_at, present=account.HasField("created_at")),
        verified_at=optional_instant(account.verified_at, present=account.HasField("verified_at")),
    )
