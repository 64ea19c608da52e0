"""Writes under a request id: carried out once, answered alike; another request under the same id is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import update

from protos.positions.v1 import accounts_pb2, positions_pb2, types_pb2
from services.common.database import transaction
from services.common.errors import DomainError, PositionNotFound
from services.common.trading.level import LevelKind, NoLevel, Pinned
from services.positions.domain.account import Account
from services.positions.domain.errors import LevelAlreadyCrossed, RequestIdReused
from services.positions.rpc.accounts import AccountsRpc
from services.positions.rpc.positions import PositionsRpc
from services.positions.store.requests import find_carried, prune, requests
from tests.contract.positions.conftest import Books
from tests.contract.positions.test_openings import show
from tests.factories import make_seen


@pytest.fixture
def rpc(books: Books) -> PositionsRpc:
    return PositionsRpc(
        books.queries,
        books.levels,
        books.fills,
        books.openings,
        books.orders,
        books.documents,
        books.requests,
        books.clock,
    )


async def set_stop(
    rpc: PositionsRpc, user_id: str, position_id: str, price: str, request_id: str
) -> types_pb2.Position:
    request = positions_pb2.SetLevelRequest(
        user_id=user_id,
        position_id=position_id,
        kind=positions_pb2.LEVEL_KIND_STOP_LOSS,
        pinned=types_pb2.Pinned(price=price),
        request_id=request_id,
    )
    return (await rpc.SetLevel(request, None)).position  # type: ignore[arg-type]


async def opened(books: Books, account: Account) -> str:
    await show(books, account, make_seen())
    return await books.adopt(account)


async def test_the_same_request_is_answered_as_before_and_not_applied_again(
    books: Books, account: Account, rpc: PositionsRpc
) -> None:
    position_id, name = await opened(books, account), uuid4().hex
    first = await set_stop(rpc, account.user_id, position_id, "64000", name)
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(63000)), None)
    again = await set_stop(rpc, account.user_id, position_id, "64000", name)
    assert again == first
    stop = (await books.queries.get_position(position_id, None)).levels.stop_loss
    assert stop.rule == Pinned(Decimal(63000)), "what came later stands"


async def test_another_request_under_the_same_id_is_refused(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, name = await opened(books, account), uuid4().hex
    await set_stop(rpc, account.user_id, position_id, "64000", name)
    with pytest.raises(RequestIdReused):
        await set_stop(rpc, account.user_id, position_id, "64001", name)
    rename = accounts_pb2.RenameAccountRequest(
        user_id=account.user_id, account_id=account.account_id, name="Other", request_id=name
    )
    with pytest.raises(RequestIdReused):
        await accounts_rpc(books).RenameAccount(rename, None)  # type: ignore[arg-type]


async def test_an_id_is_its_users_own(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, name = await opened(books, account), uuid4().hex
    await set_stop(rpc, account.user_id, position_id, "64000", name)
    with pytest.raises(PositionNotFound):
        await set_stop(rpc, "another", position_id, "64000", name)


async def test_what_was_refused_may_be_asked_for_again(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, name = await opened(books, account), uuid4().hex
    await show(books, account, make_seen(mark_price=Decimal(63000)))
    books.clock.advance(10)
    with pytest.raises(LevelAlreadyCrossed):
        await set_stop(rpc, account.user_id, position_id, "64000", name)
    await show(books, account, make_seen())
    books.clock.advance(10)
    assert (await set_stop(rpc, account.user_id, position_id, "64000", name)).version == 2


async def test_many_at_once_are_one(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, name = await opened(books, account), uuid4().hex
    answers = await asyncio.gather(*(set_stop(rpc, account.user_id, position_id, "64000", name) for _ in range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert await books.events(position_id) == ["position_opened", "position_levels_changed"]


async def test_a_lost_answer_is_how_things_are(books: Books, account: Account, rpc: PositionsRpc) -> None:
    """The process ended between the change and the answer."""
    position_id, name = await opened(books, account), uuid4().hex
    await set_stop(rpc, account.user_id, position_id, "64000", name)
    async with transaction(books.engine) as connection:
        await connection.execute(update(requests).where(requests.c.request_id == name).values(answer=None))
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, NoLevel(), None)
    again = await set_stop(rpc, account.user_id, position_id, "64000", name)
    assert (again.version, again.levels.stop_loss.WhichOneof("rule")) == (3, "none")


def accounts_rpc(books: Books) -> AccountsRpc:
    return AccountsRpc(books.accounts, books.trigger_prices, books.requests)


async def test_every_write_of_an_account_is_made_once(books: Books, account: Account) -> None:
    rpc, mine = accounts_rpc(books), {"user_id": account.user_id, "account_id": account.account_id}
    writes: list[tuple[Callable[..., Awaitable[object]], object]] = [
        (rpc.RenameAccount, accounts_pb2.RenameAccountRequest(name="A", request_id="1", **mine)),
        (rpc.SetTrading, accounts_pb2.SetTradingRequest(enabled=False, request_id="2", **mine)),
        (rpc.SetAutoManage, accounts_pb2.SetAutoManageRequest(enabled=True, request_id="3", **mine)),
        (rpc.VerifyAccount, accounts_pb2.VerifyAccountRequest(request_id="4", **mine)),
        (
            rpc.SetTriggerPrice,
            accounts_pb2.SetTriggerPriceRequest(trigger_price=types_pb2.TRIGGER_PRICE_LAST, request_id="5", **mine),
        ),
        (
            rpc.SetPlan,
            accounts_pb2.SetPlanRequest(
                user_id=account.user_id,
                plan=accounts_pb2.Plan(name="pro", commission_percent="5"),
                set_by="admin",
                request_id="6",
            ),
        ),
        (rpc.RemoveAccount, accounts_pb2.RemoveAccountRequest(request_id="7", **mine)),
    ]
    answers = [await method(request, None) for method, request in writes]
    events = await books.events(account.account_id)
    assert [await method(request, None) for method, request in writes] == answers
    assert await books.events(account.account_id) == events


async def test_a_request_is_forgotten_after_some_days(books: Books, account: Account, rpc: PositionsRpc) -> None:
    position_id, name = await opened(books, account), uuid4().hex
    await set_stop(rpc, account.user_id, position_id, "64000", name)
    async with transaction(books.engine) as connection:
        await prune(connection, books.clock.now() - timedelta(days=1), 1000)
        assert await find_carried(connection, account.user_id, name) is not None
        await prune(connection, books.clock.now() + timedelta(seconds=1), 1000)
        assert await find_carried(connection, account.user_id, name) is None


async def test_without_an_id_it_is_done_as_often_as_it_is_sent(
    books: Books, account: Account, rpc: PositionsRpc
) -> None:
    position_id = await opened(books, account)
    for price in ("64000", "64100"):
        await set_stop(rpc, account.user_id, position_id, price, "")
    assert (await books.queries.get_position(position_id, None)).version == 3
    with pytest.raises(DomainError):
        await set_stop(rpc, account.user_id, "OP_1_0", "64000", "x")
