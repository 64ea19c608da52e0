"""What the monitor's advisor reads of the books and moves in them, over mutual TLS and the books' own commands."""

from decimal import Decimal

import pytest

from protos.positions.v1 import positions_pb2, positions_pb2_grpc, types_pb2
from services.common.channels import ServiceChannel
from services.common.errors import Conflict, FieldInvalid, PositionNotFound, Precondition
from services.common.trading.level import LevelKind, Pinned, Trailing
from services.monitor.clients.advising import AdvisedBooks, read_subject
from services.monitor.domain.evaluation.advice import Action, Advice, Urgency
from services.monitor.domain.evaluation.situation import Subject
from services.positions.domain.account import Account
from tests.contract.positions.conftest import Books, NewAccount
from tests.contract.positions.test_documents import opening
from tests.contract.positions.test_rpc import Channel, channel
from tests.factories import at, make_reading, make_seen

__all__ = ["channel"]

DEFAULTS = {"stop_loss": types_pb2.Level(), "take_profit": types_pb2.Level()}
CLOSE = Advice(Action.CLOSE, "the thesis is gone", Urgency.HIGH, 85)


def monitor(channel: Channel) -> ServiceChannel:
    own = channel("monitor")
    assert isinstance(own, ServiceChannel)
    return own


async def opened(books: Books, account: Account, channel: Channel) -> Subject:
    """A managed long of 1 BTC at 66 000 with both levels trailing."""
    stub = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    return read_subject((await stub.RecordOpening(await opening(books, account, **DEFAULTS))).position)


async def found(advised: AdvisedBooks, position_id: str) -> Subject:
    return next(one for one in [each async for each in advised.list_open()] if one.position.position_id == position_id)


async def test_the_monitor_lists_what_is_open_of_all_users_and_the_gateway_of_one(
    books: Books, account: Account, new_account: NewAccount, channel: Channel
) -> None:
    mine = await opened(books, account, channel)
    other = await new_account()
    observed = await books.adopt(other, symbol="SOLUSDT", updated_at=at(2))
    listed = {one.position.position_id: one async for one in AdvisedBooks(monitor(channel)).list_open()}
    assert {mine.position.position_id, observed} <= listed.keys()
    assert (listed[observed].managed, listed[observed].position.user_id) == (False, other.user_id)
    assert (listed[mine.position.position_id].managed, mine.leverage) == (True, Decimal(10))
    gateway = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    with pytest.raises(FieldInvalid):
        await gateway.ListPositions(positions_pb2.ListPositionsRequest())
    own = await gateway.ListPositions(positions_pb2.ListPositionsRequest(user_id=account.user_id))
    assert [one.position_id for one in own.positions] == [mine.position.position_id]


async def test_a_floor_is_set_by_the_ai_at_the_version_that_was_seen(
    books: Books, account: Account, channel: Channel
) -> None:
    advised = AdvisedBooks(monitor(channel))
    seen = await opened(books, account, channel)
    await advised.set_floor(seen.position, Decimal(65500), "a gain is kept", "r1")
    moved = await found(advised, seen.position.position_id)
    assert moved.position.levels.floor == 65500
    assert isinstance(moved.position.levels.stop_loss.rule, Trailing)
    with pytest.raises(Conflict):
        await advised.set_floor(seen.position, Decimal(65600), "again", "r2")
    with pytest.raises(Precondition):
        await advised.set_floor(moved.position, Decimal(66000), "at the price", "r3")
    gateway = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    timeline = await gateway.ListTimeline(
        positions_pb2.ListTimelineRequest(user_id=account.user_id, position_id=seen.position.position_id)
    )
    assert [(one.actor, one.reason) for one in timeline.entries][-1] == ("ai", "a gain is kept")


async def test_levels_are_pinned_and_advice_stands_until_it_is_taken_back(
    books: Books, account: Account, channel: Channel
) -> None:
    advised = AdvisedBooks(monitor(channel))
    seen = await opened(books, account, channel)
    position_id = seen.position.position_id
    await advised.pin(seen.position, LevelKind.TAKE_PROFIT, Decimal(70000), "let it run", "r1")
    await advised.pin((await found(advised, position_id)).position, LevelKind.STOP_LOSS, Decimal(65000), "so far", "r2")
    levels = (await found(advised, position_id)).position.levels
    assert (levels.stop_loss.rule, levels.take_profit.rule) == (Pinned(Decimal(65000)), Pinned(Decimal(70000)))
    await advised.advise(seen.position, CLOSE, "r3")
    assert (await found(advised, position_id)).advised == CLOSE
    await advised.advise(seen.position, None, "r4")
    assert (await found(advised, position_id)).advised is None


async def test_liquidation_prices_are_those_of_the_live_view(books: Books, account: Account, channel: Channel) -> None:
    advised = AdvisedBooks(monitor(channel))
    seen = await opened(books, account, channel)
    assert await advised.liquidations(account.user_id) == {}, "the venue says none of this one"
    key = (await books.keys.credentials(account.account_id)).api_key
    books.reader.readings[key] = make_reading(make_seen(liquidation_price=Decimal(59000)))
    books.clock.advance(60)
    assert await advised.liquidations(account.user_id) == {seen.position.position_id: Decimal(59000)}
    assert await advised.liquidations("nobody") == {}, "without a key nothing is known, and nothing is wrong"


async def test_another_users_position_is_not_moved(books: Books, account: Account, channel: Channel) -> None:
    advised = AdvisedBooks(monitor(channel))
    seen = await opened(books, account, channel)
    stub = positions_pb2_grpc.PositionsServiceStub(channel("monitor"))
    with pytest.raises(PositionNotFound):
        await stub.SetLevel(
            positions_pb2.SetLevelRequest(
                user_id="another",
                position_id=seen.position.position_id,
                kind=positions_pb2.LEVEL_KIND_STOP_LOSS,
                floor=positions_pb2.Floor(price="65500"),
                author=types_pb2.AUTHOR_AI,
            )
        )
    assert (await found(advised, seen.position.position_id)).position.levels.floor is None
