"""What an order of Tandem's opened is booked once, as one position with what the reconciler saw of it."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.fill import Fill
from services.common.trading.level import LevelKind, Pinned, Trailing
from services.common.trading.reading import PositionKey, ReadingStatus
from services.common.trading.side import OrderSide, PositionSide, Side
from services.positions.commands.openings import Opening
from services.positions.domain.account import Account
from services.positions.domain.care import DEFAULT_LEVELS, StatedLevels
from services.positions.domain.decision import Adopt, Close, CloseEstimated, CompleteExit
from services.positions.domain.errors import AccountNotFound, IntentReused, OpeningConflict
from services.positions.domain.position import Origin
from services.positions.domain.provenance import Provenance
from services.positions.domain.timeline import Actor
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen

CAME_OF = Provenance(
    flow_id="flow-1",
    node_id="node-2",
    execution_id="run-3",
    agent="scalper",
    ai_reasoning="momentum",
    ai_confidence=Decimal("0.8"),
    market_conditions={"trend": "up", "rsi": 61.5},
)


def bought(intent_id: UUID, fill_id: str = "o1", quantity: str = "1", seconds: float = 0) -> Fill:
    return make_fill(
        fill_id,
        order_side=OrderSide.BUY,
        quantity=Decimal(quantity),
        price=Decimal(65000),
        executed_at=at(seconds),
        client_order_id=str(ClientOrderId(OrderCause.OPEN, intent_id)),
    )


def opening(account: Account, intent_id: UUID, **changes: object) -> Opening:
    plain = Opening(
        intent_id=str(intent_id),
        user_id=account.user_id,
        account_id=account.account_id,
        key=PositionKey("BTCUSDT", PositionSide.BOTH),
        side=Side.LONG,
        fills=(bought(intent_id),),
        leverage=Decimal(5),
        origin=Origin.FLOW,
        provenance=CAME_OF,
        stated=DEFAULT_LEVELS,
        mark_price=Decimal(66000),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


async def show(books: Books, account: Account, *seen: object, **changes: object) -> None:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(*seen, **changes)  # type: ignore[arg-type]


async def test_an_intent_that_has_opened_something_else_is_refused(books: Books, new_account: NewAccount) -> None:
    account, intent_id = await new_account(), uuid4()
    other = await new_account(account.user_id)
    await books.openings.record(opening(account, intent_id))
    short = opening(account, intent_id, side=Side.SHORT, fills=(make_fill("s", order_side=OrderSide.SELL),))
    elsewhere = opening(other, intent_id)
    another = opening(account, intent_id, key=PositionKey("ETHUSDT", PositionSide.BOTH))
    for wrong in (short, elsewhere, another):
        with pytest.raises(IntentReused):
            await books.openings.record(wrong)


async def test_what_is_learned_of_the_position_before_does_not_stand_in_for_the_open_one(
    books: Books, account: Account
) -> None:
    """The fills of an estimated exit appear once the next position of its slot has been adopted already."""
    intent_id = uuid4()
    before = await books.adopt(account, updated_at=at(2))
    await books.apply(account, CloseEstimated(before, 1, at(4)))
    books.clock.set(at(30))
    mine = bought(intent_id, seconds=25)
    seen = make_seen(updated_at=at(25))
    [adopted] = await books.apply(account, Adopt(seen, at(40), at(40.2), (mine,)))
    books.clock.set(at(50))
    await books.apply(account, CompleteExit(before, 2, (make_fill("x", executed_at=at(5)),)))
    position = await books.openings.record(opening(account, intent_id, fills=(mine,)))
    assert (position.position_id, position.is_open) == (adopted.position_id, True)
    assert position.levels.stop_loss.enforced
    assert position.provenance == CAME_OF
    assert (await books.queries.get_position(before, None)).provenance.flow_id is None


async def test_what_is_learned_of_an_older_position_does_not_stand_in_for_the_one_that_has_ended(
    books: Books, account: Account
) -> None:
    """Adopted without what opened it, and ended, before its opening was told: it is not booked once more."""
    intent_id = uuid4()
    older = await books.adopt(account, updated_at=at(2))
    await books.apply(account, CloseEstimated(older, 1, at(4)))
    books.clock.set(at(30))
    [adopted] = await books.apply(account, Adopt(make_seen(updated_at=at(25)), at(40), at(40.2)))
    ended = make_fill("y", executed_at=at(45))
    await books.apply(account, Close(adopted.position_id, 1, (ended,), Decimal(0)))
    books.clock.set(at(50))
    await books.apply(account, CompleteExit(older, 2, (make_fill("x", executed_at=at(5)),)))
    position = await books.openings.record(opening(account, intent_id, fills=(bought(intent_id, seconds=25),)))
    assert (position.position_id, position.is_open, position.provenance) == (adopted.position_id, False, CAME_OF)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("ended", [False, True])
async def test_what_a_user_opened_after_it_is_not_taken_for_what_an_order_opened(
    books: Books, account: Account, side: Side, ended: bool
) -> None:
    """Adopted, closed by hand and something else opened by hand, all before the opening was told."""
    intent_id = uuid4()
    mine = bought(intent_id, seconds=2)
    [first] = await books.apply(account, Adopt(make_seen(updated_at=at(2)), at(10), at(10.2), (mine,)))
    await books.apply(account, Close(first.position_id, 1, (make_fill("x", executed_at=at(5)),), Decimal(0)))
    books.clock.set(at(30))
    own = make_fill("own", order_side=side.opening, executed_at=at(25))
    [second] = await books.apply(account, Adopt(make_seen(side=side, updated_at=at(25)), at(40), at(40.2), (own,)))
    if ended:
        last = make_fill("z", order_side=side.closing, executed_at=at(45))
        await books.apply(account, Close(second.position_id, 1, (last,), Decimal(0)))
    position = await books.openings.record(opening(account, intent_id, fills=(mine,)))
    assert (position.position_id, position.is_open, position.provenance) == (first.position_id, False, CAME_OF)
    other = await books.queries.get_position(second.position_id, None)
    assert (other.origin, other.managed, other.enforced) == (Origin.EXTERNAL, False, False)
    assert other.provenance.flow_id is None


async def test_an_opening_is_managed_with_its_provenance_and_its_levels_armed(books: Books, account: Account) -> None:
    await show(books, account, make_seen(leverage=Decimal(7)))
    position = await books.openings.record(opening(account, uuid4()))
    assert (position.origin, position.managed, position.provenance) == (Origin.FLOW, True, CAME_OF)
    assert (position.quantity, position.entry_price, position.leverage) == (Decimal(1), Decimal(65000), Decimal(7))
    assert (position.opened_at, position.entry_fee) == (at(0), Decimal("26.4"))
    stop, target = position.levels.stop_loss, position.levels.take_profit
    assert (stop.rule, stop.enforced, stop.armed_mark) == (Trailing(Decimal("0.02")), True, Decimal(66000))
    assert (target.rule, target.enforced) == (Trailing(Decimal("0.04")), False)
    assert position.stop_set_by is Actor.FLOW
    assert await books.queries.get_position(position.position_id, account.user_id) == position
    assert await books.events(position.position_id) == ["position_opened"]


async def test_the_same_intent_again_changes_nothing(books: Books, account: Account) -> None:
    intent_id = uuid4()
    first = await books.openings.record(opening(account, intent_id))
    assert await books.openings.record(opening(account, intent_id)) == first
    assert await books.events(first.position_id) == ["position_opened"]


async def test_without_the_venue_the_fills_say_size_and_entry(books: Books, account: Account) -> None:
    await show(books, account, status=ReadingStatus.FAILED, reason="down")
    intent_id = uuid4()
    fills = (bought(intent_id), replace(bought(intent_id, "o2", "3", 1), price=Decimal(66000)))
    position = await books.openings.record(opening(account, intent_id, fills=fills))
    assert (position.quantity, position.entry_price) == (Decimal(4), Decimal(65750))


async def test_an_adopted_row_that_shares_its_fills_becomes_this_position(books: Books, account: Account) -> None:
    """The reconciler was first, and knew nothing of the order."""
    position_id = await books.adopt(account)
    intent_id = uuid4()
    position = await books.openings.record(opening(account, intent_id))
    assert (position.position_id, position.origin, position.managed) == (position_id, Origin.FLOW, True)
    assert (position.quantity, position.version, position.intent_id) == (Decimal(1), 2, str(intent_id))
    assert position.levels.stop_loss.enforced
    assert await books.events(position_id) == ["position_opened", "position_levels_changed"]


async def test_a_row_adopted_by_our_own_fills_is_managed_at_once(books: Books, account: Account) -> None:
    """The monitor died between the order and the books: the client order id tells whose it is."""
    intent_id = uuid4()
    [result] = await books.apply(account, Adopt(make_seen(), at(10), at(10.2), (bought(intent_id),)))
    adopted = await books.queries.get_position(result.position_id, None)
    assert (adopted.origin, adopted.managed, adopted.intent_id) == (Origin.MANUAL, True, str(intent_id))
    assert adopted.levels.stop_loss.enforced
    position = await books.openings.record(
        opening(account, intent_id, stated=StatedLevels(Pinned(Decimal(64000)), Pinned(Decimal(70000))))
    )
    assert (position.position_id, position.origin, position.provenance) == (result.position_id, Origin.FLOW, CAME_OF)
    assert position.levels.stop_loss.rule == Pinned(Decimal(64000))
    assert position.entry_fee == Decimal("26.4")


async def test_a_level_that_its_user_set_meanwhile_stays(books: Books, account: Account) -> None:
    await show(books, account, make_seen())
    position_id = await books.adopt(account)
    own = Pinned(Decimal(65500))
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, own, None)
    position = await books.openings.record(opening(account, uuid4()))
    assert (position.levels.stop_loss.rule, position.stop_set_by) == (own, Actor.USER)


async def test_a_second_order_is_an_addition(books: Books, account: Account) -> None:
    await show(books, account, status=ReadingStatus.FAILED, reason="down")
    first = await books.openings.record(opening(account, uuid4()))
    second = uuid4()
    fills = (replace(bought(second, "o2", seconds=5), price=Decimal(67000)),)
    other = Provenance(flow_id="flow-9")
    position = await books.openings.record(opening(account, second, fills=fills, provenance=other))
    assert (position.position_id, position.provenance) == (first.position_id, CAME_OF)
    assert (position.quantity, position.entry_price) == (Decimal(2), Decimal(66000))


async def test_what_more_has_happened_is_left_to_the_reconciler(books: Books, account: Account) -> None:
    """The user doubled it by hand meanwhile: this books what the order did, so that those fills still count."""
    await show(books, account, make_seen(quantity=Decimal(2), entry_price=Decimal(65500), updated_at=at(5)))
    position = await books.openings.record(opening(account, uuid4()))
    assert (position.quantity, position.settlement.until) == (Decimal(1), at(0))


async def test_one_intent_told_at_once_by_two_is_one_position(books: Books, account: Account) -> None:
    told = opening(account, uuid4())
    found = await asyncio.gather(*(books.openings.record(told) for _ in range(4)))
    assert len({position.position_id for position in found}) == 1
    assert len(await books.queries.list_enforced("", 500)) >= 1


async def test_the_other_side_of_the_slot_is_a_conflict(books: Books, account: Account) -> None:
    await books.adopt(account, side=Side.SHORT)
    with pytest.raises(OpeningConflict):
        await books.openings.record(opening(account, uuid4()))


async def test_what_was_adopted_and_has_ended_is_not_opened_again(books: Books, account: Account) -> None:
    intent_id = uuid4()
    [result] = await books.apply(account, Adopt(make_seen(), at(10), at(10.2), (bought(intent_id),)))
    await books.apply(account, Close(result.position_id, 1, (make_fill("c", executed_at=at(15)),), Decimal(0)))
    ended = await books.queries.get_position(result.position_id, None)
    position = await books.openings.record(opening(account, intent_id))
    assert (position.position_id, position.is_open) == (result.position_id, False)
    assert (position.origin, position.provenance, position.exit) == (Origin.FLOW, CAME_OF, ended.exit)
    assert await books.queries.get_position(result.position_id, None) == position
    assert (await books.events(result.position_id))[-1] == "position_exit_completed"
    assert await books.openings.record(opening(account, intent_id)) == position


async def test_a_new_position_after_a_closed_one(books: Books, account: Account) -> None:
    await books.apply(account, Close(await books.adopt(account), 1, (make_fill("c", executed_at=at(15)),), Decimal(0)))
    intent_id = uuid4()
    position = await books.openings.record(opening(account, intent_id, fills=(bought(intent_id, seconds=30),)))
    assert (position.is_open, position.opened_at) == (True, at(30))


async def test_another_users_account_opens_nothing(books: Books, account: Account, new_account: NewAccount) -> None:
    other = await new_account()
    with pytest.raises(AccountNotFound):
        await books.openings.record(opening(account, uuid4(), user_id=other.user_id))
