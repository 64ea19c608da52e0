"""The contract over mutual TLS: who may call what, whose rows are shown, and that errors arrive as what they are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from uuid import uuid4

import grpc
import pytest
from prometheus_client import CollectorRegistry

from deploy.local.certificates import CertificateFiles
from protos.positions.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    history_pb2,
    history_pb2_grpc,
    live_pb2,
    live_pb2_grpc,
    observation_pb2,
    observation_pb2_grpc,
    positions_pb2,
    positions_pb2_grpc,
    types_pb2,
)
from services.common.channels import open_channel
from services.common.errors import (
    CallerRefused,
    DomainError,
    FieldInvalid,
    NoVerifiedApiKeys,
    PositionNotFound,
)
from services.common.exchange.budget import Lane
from services.common.health import HealthRegistry
from services.common.server import GrpcServer
from services.common.telemetry import Instruments
from services.positions.access import ACCESS
from services.positions.config import PositionsSettings
from services.positions.domain.account import Account
from services.positions.domain.decision import Close
from services.positions.rpc import accounts, history, live, observation, positions
from services.positions.rpc.messages import fill_to_proto
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen

Channel = Callable[[str], grpc.aio.Channel]


@pytest.fixture
async def channel(
    books: Books, settings: PositionsSettings, certificates: dict[str, CertificateFiles]
) -> AsyncIterator[Channel]:
    """The service on a port of its own; gives a channel to it for each caller."""
    services = [
        accounts.registration(accounts.AccountsRpc(books.accounts, books.trigger_prices, books.requests)),
        positions.registration(
            positions.PositionsRpc(
                books.queries,
                books.levels,
                books.fills,
                books.openings,
                books.orders,
                books.documents,
                books.requests,
                books.clock,
            )
        ),
        live.registration(live.LiveRpc(books.live)),
        history.registration(history.HistoryRpc(books.queries, books.clock)),
        observation.registration(observation.ObservationRpc(books.observation, books.decisions)),
    ]
    instruments = Instruments(CollectorRegistry())
    server = GrpcServer(settings, services, ACCESS, HealthRegistry(), instruments)
    _, port = await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.drain, 0)

        def connect(caller: str) -> grpc.aio.Channel:
            own = certificates[caller]
            theirs = settings.model_copy(
                update={"tls_cert_file": own.certificate, "tls_key_file": own.key, "tls_ca_file": own.authority}
            )
            opened = open_channel(theirs, f"ipv4:127.0.0.1:{port}", "positions", instruments)
            stack.push_async_callback(opened.close)
            return opened

        yield connect


async def open_position(books: Books, account: Account) -> str:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen())
    return await books.adopt(account)


async def test_the_live_view_in_the_contracts_words(books: Books, account: Account, channel: Channel) -> None:
    position_id = await open_position(books, account)
    stub = live_pb2_grpc.LivePositionsServiceStub(channel("gateway"))
    answer = await stub.ListLivePositions(live_pb2.ListLivePositionsRequest(user_id=account.user_id))
    [row] = answer.positions
    assert (row.position_id, row.exchange, row.side) == (position_id, types_pb2.EXCHANGE_BINANCE, types_pb2.SIDE_LONG)
    assert (row.entry_price, row.current_price, row.pnl) == ("65000", "66000", "1000")
    assert (row.stop_loss, row.take_profit, row.stop_loss_enforced) == ("64680", "68640", False)
    assert row.in_sync
    assert answer.data_source == live_pb2.DATA_SOURCE_EXCHANGE


async def test_another_users_rows_are_nobodys(
    books: Books, account: Account, channel: Channel, new_account: NewAccount
) -> None:
    """Every call that speaks for a user, spoken for another one."""
    position_id = await open_position(books, account)
    await books.apply(account, Close(position_id, 1, (make_fill(),), Decimal(0)))
    other = await new_account()
    gateway = channel("gateway")
    live_stub, history_stub = (
        live_pb2_grpc.LivePositionsServiceStub(gateway),
        history_pb2_grpc.HistoryServiceStub(gateway),
    )
    books_stub, keys_stub = (
        positions_pb2_grpc.PositionsServiceStub(gateway),
        accounts_pb2_grpc.AccountsServiceStub(gateway),
    )
    user = other.user_id
    assert not (await live_stub.ListLivePositions(live_pb2.ListLivePositionsRequest(user_id=user))).positions
    assert not (await history_stub.ListHistory(history_pb2.ListHistoryRequest(user_id=user))).positions
    assert (await history_stub.GetAnalytics(history_pb2.GetAnalyticsRequest(user_id=user))).total_trades == 0
    with pytest.raises(PositionNotFound):
        await books_stub.GetPosition(positions_pb2.GetPositionRequest(user_id=user, position_id=position_id))
    with pytest.raises(PositionNotFound):
        await books_stub.SetLevel(
            positions_pb2.SetLevelRequest(
                user_id=user,
                position_id=position_id,
                kind=positions_pb2.LEVEL_KIND_STOP_LOSS,
                pinned=types_pb2.Pinned(price="64000"),
            )
        )
    listed = await keys_stub.ListAccounts(accounts_pb2.ListAccountsRequest(user_id=user))
    assert [one.account_id for one in listed.accounts] == [other.account_id]


async def test_a_key_is_leased_to_the_monitor_alone(account: Account, channel: Channel) -> None:
    request = accounts_pb2.LeaseCredentialsRequest(account_id=account.account_id)
    for caller in ("gateway", "reconciler", "operator"):
        with pytest.raises(CallerRefused):
            await accounts_pb2_grpc.AccountsServiceStub(channel(caller)).LeaseCredentials(request)
    lease = await accounts_pb2_grpc.AccountsServiceStub(channel("monitor")).LeaseCredentials(request)
    assert lease.api_secret == "s3cret"


async def test_the_gateway_decides_nothing_about_the_books(account: Account, channel: Channel) -> None:
    stub = observation_pb2_grpc.ObservationServiceStub(channel("gateway"))
    with pytest.raises(CallerRefused):
        await stub.ObserveAccount(observation_pb2.ObserveAccountRequest(account_id=account.account_id))


async def test_the_gateway_speaks_for_one_user_always(books: Books, account: Account, channel: Channel) -> None:
    position_id = await open_position(books, account)
    request = positions_pb2.GetPositionRequest(position_id=position_id)
    with pytest.raises(FieldInvalid, match="user_id"):
        await positions_pb2_grpc.PositionsServiceStub(channel("gateway")).GetPosition(request)
    found = await positions_pb2_grpc.PositionsServiceStub(channel("monitor")).GetPosition(request)
    assert found.position.position_id == position_id


async def test_an_error_keeps_its_type_across_the_wire(channel: Channel) -> None:
    stub = live_pb2_grpc.LivePositionsServiceStub(channel("gateway"))
    with pytest.raises(NoVerifiedApiKeys, match=r"^No verified API keys found$"):
        await stub.ListLivePositions(live_pb2.ListLivePositionsRequest(user_id="nobody"))


@pytest.mark.parametrize("price", ["", "abc", "NaN", "-5", "0", "1e-30", "1e40"])
async def test_a_price_that_is_none_is_refused_by_name(
    books: Books, account: Account, channel: Channel, price: str
) -> None:
    position_id = await open_position(books, account)
    stub = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    with pytest.raises(FieldInvalid, match=r"^price"):
        await stub.SetLevel(
            positions_pb2.SetLevelRequest(
                user_id=account.user_id,
                position_id=position_id,
                kind=positions_pb2.LEVEL_KIND_STOP_LOSS,
                pinned=types_pb2.Pinned(price=price),
            )
        )


async def test_fills_of_the_monitor_close_a_position(books: Books, account: Account, channel: Channel) -> None:
    position_id = await open_position(books, account)
    stub = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    request = positions_pb2.RecordFillsRequest(
        position_id=position_id, fills=[fill_to_proto(make_fill(executed_at=at(15)))], intent_id=str(uuid4())
    )
    answer = await stub.RecordFills(request)
    assert answer.position.status == types_pb2.POSITION_STATUS_CLOSED
    assert (answer.position.exit.price, answer.position.exit.realized_pnl) == ("66000", "973.6")


async def test_an_observation_and_its_decisions(books: Books, account: Account, channel: Channel) -> None:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen())
    stub = observation_pb2_grpc.ObservationServiceStub(channel("reconciler"))
    seen = await stub.ObserveAccount(observation_pb2.ObserveAccountRequest(account_id=account.account_id))
    reading = seen.reading
    adopt = observation_pb2.Adopt(position=reading.positions[0], asked_at=reading.asked_at, taken_at=reading.taken_at)
    request = observation_pb2.ApplyDecisionsRequest(
        run_id=str(uuid4()),
        account_id=account.account_id,
        decisions=[observation_pb2.Decision(decision_id="1", adopt=adopt, evidence="seen")],
    )
    first, again = await stub.ApplyDecisions(request), await stub.ApplyDecisions(request)
    assert first == again
    assert first.results[0].outcome == observation_pb2.DECISION_OUTCOME_APPLIED
    seen = await stub.ObserveAccount(observation_pb2.ObserveAccountRequest(account_id=account.account_id))
    assert [row.position_id for row in seen.booked] == [first.results[0].position_id]


async def test_an_observation_that_somebody_waits_for_goes_with_live_views(
    books: Books, account: Account, channel: Channel
) -> None:
    stub = observation_pb2_grpc.ObservationServiceStub(channel("reconciler"))
    for urgent in (False, True):
        request = observation_pb2.ObserveAccountRequest(account_id=account.account_id, urgent=urgent)
        await stub.ObserveAccount(request)
    assert books.reader.lanes[-2:] == [Lane.RECONCILIATION, Lane.LIVE]


async def test_empty_requests_are_refused_with_a_typed_error(channel: Channel) -> None:
    gateway, monitor, reconciler = channel("gateway"), channel("monitor"), channel("reconciler")
    calls: list[Awaitable[Any]] = [
        accounts_pb2_grpc.AccountsServiceStub(gateway).AddAccount(accounts_pb2.AddAccountRequest()),
        accounts_pb2_grpc.AccountsServiceStub(gateway).ListAccounts(accounts_pb2.ListAccountsRequest()),
        accounts_pb2_grpc.AccountsServiceStub(monitor).LeaseCredentials(accounts_pb2.LeaseCredentialsRequest()),
        positions_pb2_grpc.PositionsServiceStub(gateway).GetPosition(positions_pb2.GetPositionRequest()),
        positions_pb2_grpc.PositionsServiceStub(gateway).SetLevel(positions_pb2.SetLevelRequest()),
        positions_pb2_grpc.PositionsServiceStub(monitor).RecordFills(positions_pb2.RecordFillsRequest()),
        live_pb2_grpc.LivePositionsServiceStub(gateway).ListLivePositions(live_pb2.ListLivePositionsRequest()),
        history_pb2_grpc.HistoryServiceStub(gateway).ListHistory(history_pb2.ListHistoryRequest()),
        history_pb2_grpc.HistoryServiceStub(gateway).GetAnalytics(history_pb2.GetAnalyticsRequest()),
        observation_pb2_grpc.ObservationServiceStub(reconciler).ObserveAccount(observation_pb2.ObserveAccountRequest()),
        observation_pb2_grpc.ObservationServiceStub(reconciler).ApplyDecisions(observation_pb2.ApplyDecisionsRequest()),
    ]
    for call in calls:
        with pytest.raises(DomainError):
            await call
