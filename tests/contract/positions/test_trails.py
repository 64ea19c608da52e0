"""Trailing stops as they follow the price: sampled in the timeline, and known again after a restart."""

from datetime import timedelta
from decimal import Decimal

from protos.positions.v1 import positions_pb2, positions_pb2_grpc
from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.level import LevelKind, Pinned
from services.common.trading.side import Side, Venue
from services.positions.commands.levels import Request
from services.positions.domain.account import Account
from services.positions.domain.care import DEFAULT_LEVELS
from services.positions.domain.timeline import Actor, Change
from services.positions.trailing import TrailKeeper
from services.positions.watermarks import Watermarks
from tests.contract.positions.conftest import Books
from tests.contract.positions.test_openings import show
from tests.contract.positions.test_rpc import Channel, channel
from tests.factories import at, make_seen

__all__ = ["channel"]


async def trailing(books: Books, account: Account) -> str:
    """A long with a stop 2 % under the mark of 66 000, armed twenty seconds after noon."""
    await show(books, account, make_seen())
    position_id = await books.adopt(account)
    await books.levels.manage(Request(account.user_id, position_id), DEFAULT_LEVELS)
    return position_id


def raise_to(watermarks: Watermarks, price: int, second: float, source: TriggerPrice = TriggerPrice.MARK) -> None:
    watermarks.take(Venue.BINANCE, "BTCUSDT", source, [Extreme(Decimal(price), at(second))], [])


async def test_a_ratchet_is_sampled_and_is_no_version(books: Books, account: Account) -> None:
    position_id = await trailing(books, account)
    watermarks = Watermarks()
    keeper = TrailKeeper(books.engine, watermarks, books.clock)
    raise_to(watermarks, 67000, 30)
    raise_to(watermarks, 68000, 40)
    books.clock.advance(25)
    await keeper.sample()
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    last = page.rows[-1]
    assert (last.change, last.actor, last.version, last.happened_at) == (Change.TRAILED, Actor.MONITOR, 2, at(45))
    assert last.levels == page.rows[-2].levels
    assert last.evidence == "The trailing stop followed the price to 66640: 68000 was the best since it was armed."
    assert (await books.queries.get_position(position_id, None)).version == 2


async def test_at_most_one_a_minute_and_only_where_it_moved(books: Books, account: Account) -> None:
    position_id = await trailing(books, account)
    watermarks = Watermarks()
    replicas = [TrailKeeper(books.engine, watermarks, books.clock) for _ in range(2)]
    for second, price in ((30, 67000), (35, 67500), (70, 67500), (130, 67600)):
        raise_to(watermarks, price, second)
        books.clock.advance(second - (books.clock.now() - at(0)).total_seconds())
        await replicas[second % 2].sample()
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    trailed = [one.happened_at for one in page.rows if one.change is Change.TRAILED]
    assert trailed == [at(30), at(70), at(130)]


async def test_a_stop_that_stands_on_its_floor_has_not_trailed(books: Books, account: Account) -> None:
    position_id = await trailing(books, account)
    watermarks = Watermarks()
    keeper = TrailKeeper(books.engine, watermarks, books.clock)
    await books.levels.set_floor(Request(account.user_id, position_id), Decimal(65500))
    for minute, price in ((1, 66500), (2, 66800), (3, 67000)):
        books.clock.advance(60)
        raise_to(watermarks, price, 60 * minute)
        await keeper.sample()
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    (trailed,) = [one for one in page.rows if one.change is Change.TRAILED]
    assert trailed.evidence == "The trailing stop followed the price to 65660: 67000 was the best since it was armed."


async def test_another_price_or_a_stop_that_does_not_trail_is_not_sampled(books: Books, account: Account) -> None:
    position_id = await trailing(books, account)
    watermarks = Watermarks()
    keeper = TrailKeeper(books.engine, watermarks, books.clock)
    raise_to(watermarks, 68000, 30, TriggerPrice.LAST)
    raise_to(watermarks, 65000, 40)
    await keeper.sample()
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(65000)), None)
    raise_to(watermarks, 69000, 50)
    await keeper.sample()
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    assert Change.TRAILED not in [one.change for one in page.rows]


async def test_a_timeline_is_read_page_by_page(books: Books, account: Account, channel: Channel) -> None:
    position_id = await trailing(books, account)
    watermarks = Watermarks()
    keeper = TrailKeeper(books.engine, watermarks, books.clock)
    for minute in range(1, 4):
        books.clock.advance(60)
        raise_to(watermarks, 66000 + 100 * minute, 60 * minute)
        await keeper.sample()
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(65000)), None)
    stub: positions_pb2_grpc.PositionsServiceAsyncStub = positions_pb2_grpc.PositionsServiceStub(channel("gateway"))
    token, changes = "", []
    while True:
        request = positions_pb2.ListTimelineRequest(
            user_id=account.user_id, position_id=position_id, page_size=2, page_token=token
        )
        page = await stub.ListTimeline(request)
        changes += [one.change for one in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert changes == ["adopted", "managed", "trailed", "trailed", "trailed", "level_set"]


async def test_extremes_are_known_again_after_a_restart(books: Books, account: Account) -> None:
    before, after = Watermarks(), Watermarks()
    raise_to(before, 68000, 30)
    before.take(Venue.BYBIT, "ETHUSDT", TriggerPrice.LAST, [], [Extreme(Decimal("3000.5"), at(31))])
    await TrailKeeper(books.engine, before, books.clock).keep(42)
    raise_to(before, 69000, 40)
    await TrailKeeper(books.engine, before, books.clock).keep(43)
    assert await TrailKeeper(books.engine, after, books.clock).restore() == 43
    assert after.watermark(Venue.BINANCE, "BTCUSDT", Side.LONG, at(0)) == 69000
    found = after.watermark(Venue.BYBIT, "ETHUSDT", Side.SHORT, at(0), TriggerPrice.LAST)
    assert found == Decimal("3000.5")
    assert after.watermark(Venue.BINANCE, "BTCUSDT", Side.LONG, at(0) + timedelta(seconds=41)) is None
