"""AccountsService."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, cast

from google.protobuf.message import Message

from protos.positions.v1 import accounts_pb2, accounts_pb2_grpc
from services.common.errors import FieldInvalid
from services.common.exchange.credentials import Credentials
from services.common.identity import current_peer
from services.common.server import Registration
from services.positions.commands.accounts import AccountCommands
from services.positions.commands.requests import Requests
from services.positions.commands.trigger_prices import TriggerPriceCommands
from services.positions.domain.account import Account
from services.positions.domain.provenance import Plan
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import account_to_proto
from services.positions.rpc.once import UsersWrite, once
from services.positions.rpc.vocabulary import Context, held, number_of, required, stamp_of, text_of

LONGEST_NAME = 80

A = TypeVar("A", bound=Message)


class AccountsRpc(accounts_pb2_grpc.AccountsServiceServicer):
    """Keys in, keys leased; a key is in no answer but that of LeaseCredentials."""

    def __init__(self, commands: AccountCommands, trigger_prices: TriggerPriceCommands, requests: Requests) -> None:
        self._commands = commands
        self._trigger_prices = trigger_prices
        self._requests = requests

    async def AddAccount(
        self, request: accounts_pb2.AddAccountRequest, context: Context
    ) -> accounts_pb2.AddAccountResponse:
        async def work() -> accounts_pb2.AddAccountResponse:
            account = await self._commands.add(
                required(request.user_id, "user_id"),
                words.EXCHANGE.to_domain(request.exchange),
                held(request.name, "name", LONGEST_NAME),
                Credentials(required(request.api_key, "api_key"), required(request.api_secret, "api_secret")),
                trading_enabled=request.trading_enabled,
            )
            return accounts_pb2.AddAccountResponse(account=account_to_proto(account))

        return await once(self._requests, request, accounts_pb2.AddAccountResponse, work)

    async def ListAccounts(
        self, request: accounts_pb2.ListAccountsRequest, context: Context
    ) -> accounts_pb2.ListAccountsResponse:
        found = await self._commands.list_accounts(required(request.user_id, "user_id"))
        return accounts_pb2.ListAccountsResponse(accounts=[account_to_proto(account) for account in found])

    async def LeaseCredentials(
        self, request: accounts_pb2.LeaseCredentialsRequest, context: Context
    ) -> accounts_pb2.LeaseCredentialsResponse:
        lease = await self._commands.lease(required(request.account_id, "account_id"), current_peer().service)
        return accounts_pb2.LeaseCredentialsResponse(
            exchange=words.EXCHANGE.to_proto(lease.account.venue),
            api_key=lease.credentials.api_key,
            api_secret=lease.credentials.secret,
            expires_at=stamp_of(lease.expires_at),
        )

    async def VerifyAccount(
        self, request: accounts_pb2.VerifyAccountRequest, context: Context
    ) -> accounts_pb2.VerifyAccountResponse:
        return await self._once(
            request, accounts_pb2.VerifyAccountResponse, lambda: self._commands.verify(*_account_of(request))
        )

    async def SetTrading(
        self, request: accounts_pb2.SetTradingRequest, context: Context
    ) -> accounts_pb2.SetTradingResponse:
        return await self._once(
            request,
            accounts_pb2.SetTradingResponse,
            lambda: self._commands.set_trading(*_account_of(request), enabled=request.enabled),
        )

    async def RenameAccount(
        self, request: accounts_pb2.RenameAccountRequest, context: Context
    ) -> accounts_pb2.RenameAccountResponse:
        name = required(request.name.strip(), "name", LONGEST_NAME)
        return await self._once(
            request, accounts_pb2.RenameAccountResponse, lambda: self._commands.rename(*_account_of(request), name)
        )

    async def SetAutoManage(
        self, request: accounts_pb2.SetAutoManageRequest, context: Context
    ) -> accounts_pb2.SetAutoManageResponse:
        return await self._once(
            request,
            accounts_pb2.SetAutoManageResponse,
            lambda: self._commands.set_auto_manage(*_account_of(request), enabled=request.enabled),
        )

    async def SetTriggerPrice(
        self, request: accounts_pb2.SetTriggerPriceRequest, context: Context
    ) -> accounts_pb2.SetTriggerPriceResponse:
        source = words.TRIGGER_PRICE.to_domain(request.trigger_price)
        return await self._once(
            request,
            accounts_pb2.SetTriggerPriceResponse,
            lambda: self._trigger_prices.set(*_account_of(request), source),
        )

    async def RemoveAccount(
        self, request: accounts_pb2.RemoveAccountRequest, context: Context
    ) -> accounts_pb2.RemoveAccountResponse:
        async def work() -> accounts_pb2.RemoveAccountResponse:
            await self._commands.remove(*_account_of(request))
            return accounts_pb2.RemoveAccountResponse()

        async def now() -> accounts_pb2.RemoveAccountResponse:
            return accounts_pb2.RemoveAccountResponse()

        return await once(self._requests, request, accounts_pb2.RemoveAccountResponse, work, now)

    async def SetPlan(self, request: accounts_pb2.SetPlanRequest, context: Context) -> accounts_pb2.SetPlanResponse:
        percent = number_of(request.plan.commission_percent, "plan.commission_percent")
        if not 0 <= percent <= 100:
            raise FieldInvalid(field="plan.commission_percent", problem="is not between 0 and 100")
        plan = Plan(required(request.plan.name, "plan.name", LONGEST_NAME), percent)
        user_id, set_by = required(request.user_id, "user_id"), required(request.set_by, "set_by")

        async def work() -> accounts_pb2.SetPlanResponse:
            await self._commands.set_plan(user_id, plan, set_by)
            return accounts_pb2.SetPlanResponse(plan=_plan_to_proto(plan))

        return await once(self._requests, request, accounts_pb2.SetPlanResponse, work)

    async def GetPlan(self, request: accounts_pb2.GetPlanRequest, context: Context) -> accounts_pb2.GetPlanResponse:
        plan = await self._commands.get_plan(required(request.user_id, "user_id"))
        return accounts_pb2.GetPlanResponse(plan=None if plan is None else _plan_to_proto(plan))

    async def _once(self, request: "_OfAccount", answer: type[A], change: Callable[[], Awaitable[Account]]) -> A:
        """Change an account, once under the request's id, and answer with it."""
        told = cast(Callable[..., A], answer)

        async def work() -> A:
            return told(account=account_to_proto(await change()))

        async def now() -> A:
            return told(account=account_to_proto(await self._commands.get(*_account_of(request))))

        return await once(self._requests, request, answer, work, now)


class _OfAccount(UsersWrite, Protocol):
    account_id: str


def _account_of(request: _OfAccount) -> tuple[str, str]:
    return required(request.user_id, "user_id"), required(request.account_id, "account_id")


def _plan_to_proto(plan: Plan) -> accounts_pb2.Plan:
    return accounts_pb2.Plan(name=plan.name, commission_percent=text_of(plan.commission_percent))


def registration(servicer: AccountsRpc) -> Registration:
    """How a server takes it on."""
    return Registration(
        accounts_pb2_grpc.add_AccountsServiceServicer_to_server, servicer, "positions.v1.AccountsService"
    )
