"""AccountsService."""

from protos.positions.v1 import accounts_pb2, accounts_pb2_grpc
from services.common.exchange.credentials import Credentials
from services.common.identity import current_peer
from services.common.server import Registration
from services.positions.commands.accounts import AccountCommands
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import account_to_proto
from services.positions.rpc.vocabulary import Context, required, stamp_of


class AccountsRpc(accounts_pb2_grpc.AccountsServiceServicer):
    """Keys in, keys leased; a key is in no answer but that of LeaseCredentials."""

    def __init__(self, commands: AccountCommands) -> None:
        self._commands = commands

    async def AddAccount(
        self, request: accounts_pb2.AddAccountRequest, context: Context
    ) -> accounts_pb2.AddAccountResponse:
        account = await self._commands.add(
            required(request.user_id, "user_id"),
            words.EXCHANGE.to_domain(request.exchange),
            request.name,
            Credentials(required(request.api_key, "api_key"), required(request.api_secret, "api_secret")),
            trading_enabled=request.trading_enabled,
        )
        return accounts_pb2.AddAccountResponse(account=account_to_proto(account))

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


def registration(servicer: AccountsRpc) -> Registration:
    """How a server takes it on."""
    return Registration(
        accounts_pb2_grpc.add_AccountsServiceServicer_to_server, servicer, "positions.v1.AccountsService"
    )
