"""API keys: the accounts of a user at venues. A secret goes in and never comes out."""

from typing import Annotated, Literal
from uuid import UUID, uuid5

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from protos.positions.v1 import accounts_pb2
from services.common.errors import FieldInvalid
from services.gateway.clients import Accounts
from services.gateway.http import examples, words
from services.gateway.http.body import NoBody
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, optional_instant, respond
from services.gateway.http.openapi import documented
from services.gateway.http.writes import Action, Writes

_Credential = Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[\x21-\x7e]+$")]
KeyId = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,64}$", examples=["0b0f5a4e-5f0e-4c43-9d1b-0d6e3f6f2c11"])]
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


class KeyChanges(Body, kw_only=True, frozen=True):
    """What to change of a key; at least one. `autoManage`: positions that are adopted from now on are managed.

    `triggerPrice`: the price that its levels go by; trailing ones are armed anew by a change of it.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    trading_enabled: bool | None = None
    auto_manage: bool | None = None
    trigger_price: Literal["mark", "last"] | None = None


class KeyRemoved(Document, kw_only=True, frozen=True):
    """The key is forgotten; what happened with it stays in the history."""

    success: bool = True
    id: str


class KeyDocument(Document, kw_only=True, frozen=True):
    """An account at a venue, its key masked. `verified`: the venue confirmed the key; `refusal` says why not."""

    id: str
    exchange: str
    name: str
    api_key: str
    verified: bool
    trading_enabled: bool
    created_at: str | None
    verified_at: str | None
    can_trade: bool
    ip_restricted: bool
    auto_manage: bool
    refusal: str | None
    trigger_price: str


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

    @router.post(
        "/api/user-api-keys/{key_id}/verify",
        summary="Ask the venue again what a key may do",
        **documented(KeyAnswer, examples.KEY, write=True),
    )
    async def verify(key_id: KeyId, request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            asked = accounts_pb2.VerifyAccountRequest(user_id=caller.user_id, account_id=key_id, request_id=request_id)
            return KeyAnswer(key=_key(await accounts.verify_account(asked)))

        return await writes.perform(request, caller, Action("verify_key", key_id), NoBody, command)

    @router.patch(
        "/api/user-api-keys/{key_id}",
        summary="Rename a key, allow or forbid trading, manage what is adopted, choose what triggers levels",
        **documented(KeyAnswer, examples.KEY, body=KeyChanges, body_example=examples.KEY_CHANGES, write=True),
    )
    async def change(key_id: KeyId, request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: KeyChanges, request_id: str) -> Document:
            return KeyAnswer(key=_key(await _change(accounts, caller.user_id, key_id, body, request_id)))

        return await writes.perform(request, caller, Action("change_key", key_id), KeyChanges, command, _changes)

    @router.delete(
        "/api/user-api-keys/{key_id}",
        summary="Remove a key; refused while it has managed positions",
        **documented(KeyRemoved, examples.KEY_REMOVED, write=True),
    )
    async def remove(key_id: KeyId, request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(_: NoBody, request_id: str) -> Document:
            await accounts.remove_account(
                accounts_pb2.RemoveAccountRequest(user_id=caller.user_id, account_id=key_id, request_id=request_id)
            )
            return KeyRemoved(id=key_id)

        return await writes.perform(request, caller, Action("remove_key", key_id), NoBody, command)

    return router


async def _change(
    accounts: Accounts, user_id: str, account_id: str, body: KeyChanges, request_id: str
) -> accounts_pb2.Account:
    """Each change in turn, under a request id of its own; what can be refused by the venue comes first."""

    def part(name: str) -> str:
        return str(uuid5(UUID(request_id), name))

    account = accounts_pb2.Account()
    if body.trading_enabled is not None:
        account = await accounts.set_trading(
            accounts_pb2.SetTradingRequest(
                user_id=user_id, account_id=account_id, enabled=body.trading_enabled, request_id=part("trading")
            )
        )
    if body.trigger_price is not None:
        account = await accounts.set_trigger_price(
            accounts_pb2.SetTriggerPriceRequest(
                user_id=user_id,
                account_id=account_id,
                trigger_price=words.TRIGGER_PRICES[body.trigger_price],
                request_id=part("trigger price"),
            )
        )
    if body.auto_manage is not None:
        account = await accounts.set_auto_manage(
            accounts_pb2.SetAutoManageRequest(
                user_id=user_id, account_id=account_id, enabled=body.auto_manage, request_id=part("manage")
            )
        )
    if body.name is not None:
        account = await accounts.rename_account(
            accounts_pb2.RenameAccountRequest(
                user_id=user_id, account_id=account_id, name=body.name, request_id=part("name")
            )
        )
    return account


def _changes(body: KeyChanges) -> dict[str, str | bool | None]:
    changes = {
        "name": body.name,
        "tradingEnabled": body.trading_enabled,
        "autoManage": body.auto_manage,
        "triggerPrice": body.trigger_price,
    }
    if all(value is None for value in changes.values()):
        raise FieldInvalid(field="body", problem="expected name, tradingEnabled, autoManage or triggerPrice")
    return {name: value for name, value in changes.items() if value is not None}


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
        can_trade=account.can_trade,
        ip_restricted=account.ip_restricted,
        auto_manage=account.auto_manage,
        refusal=account.refusal or None,
        trigger_price=words.trigger_price(account.trigger_price),
    )
