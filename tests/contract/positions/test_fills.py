"""Fills of our own orders are booked once, whoever brings them, in whatever pieces."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import PositionNotFound
from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.exit_reason import ExitReason
from services.common.trading.fill import Fill
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide
from services.positions.domain.account import Account
from services.positions.domain.decision import Adjust, Adopt, Close
from services.positions.domain.errors import FillsExceedPosition
from services.positions.domain.position import Origin, PositionStatus
from services.positions.store.positions import PositionFilter
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_seen

INTENT = UUID("6f1c1f6e-0d0c-4f8e-9b39-6a1b2c3d4e5f")


def stop_fill(fill_id: str, quantity: str = "1", seconds: float = 15) -> Fill:
    return make_fill(
        fill_id,
        quantity=Decimal(quantity),
        executed_at=at(seconds),
        client_order_id=str(ClientOrderId(OrderCause.STOP_LOSS, INTENT)),
    )


async def test_a_whole_close_by_a_stop(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    position = await books.fills.record_fills(position_id, [stop_fill("a")], str(INTENT))
    assert position.status is PositionStatus.CLOSED
    assert position.exit is not None
    assert position.exit.reason is ExitReason.STOP_LOSS
    assert await books.events(position_id) == ["position_opened", "position_closed"]


async def test_the_same_fills_again_change_nothing(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    first = await books.fills.record_fills(position_id, [stop_fill("a")], str(INTENT))
    assert await books.fills.record_fills(position_id, [stop_fill("a")], str(INTENT)) == first
    assert await books.events(position_id) == ["position_opened", "position_closed"]


async def test_partial_fills_leave_the_rest_open(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    part = await books.fills.record_fills(position_id, [stop_fill("a", "0.4")], str(INTENT))
    assert (part.is_open, part.quantity) == (True, Decimal("0.6"))
    whole = await books.fills.record_fills(position_id, [stop_fill("a", "0.4"), stop_fill("b", "0.6", 16)], str(INTENT))
    assert whole.exit is not None
    assert whole.exit.quantity == Decimal(1)


async def test_the_reconciler_was_first(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await books.apply(account, Close(position_id, 1, (stop_fill("a"),), Decimal(0)))
    position = await books.fills.record_fills(position_id, [stop_fill("a")], str(INTENT))
    assert position.version == 2
    assert position.exit is not None
    assert position.exit.reason is ExitReason.STOP_LOSS


async def test_a_reading_saw_half_of_it_before_its_fills_came(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    seen = make_seen(quantity=Decimal("0.5"), updated_at=at(15))
    await books.apply(account, Adjust(position_id, 1, seen, at(15), at(15.2)))
    fills = [stop_fill("a", "0.5", 15), stop_fill("b", "0.5", 16)]
    position = await books.fills.record_fills(position_id, fills, str(INTENT))
    assert position.exit is not None
    assert position.exit.quantity == Decimal(1)


async def test_a_reading_saw_all_of_a_partial_close_before_its_fills_came(books: Books, account: Account) -> None:
    """What the venue's quantity holds already is booked, and not subtracted again."""
    position_id = await books.adopt(account)
    seen = make_seen(quantity=Decimal("0.6"), updated_at=at(15))
    await books.apply(account, Adjust(position_id, 1, seen, at(15), at(15.2)))
    position = await books.fills.record_fills(position_id, [stop_fill("a", "0.4", 15)], str(INTENT))
    assert (position.quantity, position.partial_pnl) == (Decimal("0.6"), Decimal(400) - Decimal("26.4"))
    late = await books.fills.record_fills(position_id, [stop_fill("c", "0.3", 17)], str(INTENT))
    assert late.quantity == Decimal("0.3")
    last = await books.fills.record_fills(position_id, [stop_fill("b", "0.3", 16)], str(INTENT))
    assert last.exit is not None
    assert last.exit.quantity == Decimal(1)


async def test_fills_of_our_own_opening_make_an_adopted_row_ours(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    opened = make_fill(
        "o",
        order_side=OrderSide.BUY,
        executed_at=at(0),
        client_order_id=str(ClientOrderId(OrderCause.OPEN, INTENT)),
    )
    position = await books.fills.record_fills(position_id, [opened], str(INTENT))
    assert (position.origin, position.managed, position.intent_id) == (Origin.MANUAL, True, str(INTENT))
    assert (position.quantity, position.entry_fee) == (Decimal(1), Decimal("26.4"))


async def test_more_than_the_books_hold_is_left_to_the_reconciler(books: Books, account: Account) -> None:
    """The user doubled the position a moment ago: the books do not know, and must not close half of it."""
    position_id = await books.adopt(account)
    with pytest.raises(FillsExceedPosition):
        await books.fills.record_fills(position_id, [stop_fill("a", "2")], str(INTENT))
    assert (await books.queries.get_position(position_id, None)).is_open


async def added_to(books: Books, account: Account, *others: Fill) -> tuple[str, list[Fill]]:
    """A close of the 1 BTC that the books knew, and of half a BTC more that had been bought a moment before."""
    position_id = await books.adopt(account, updated_at=at(9))
    bought = make_fill("u", order_side=OrderSide.BUY, quantity=Decimal("0.5"), price=Decimal(65500), executed_at=at(14))
    first, second = stop_fill("a", "1", 15), stop_fill("b", "0.5", 16)
    credentials = await books.keys.credentials(account.account_id)
    books.reader.fills[credentials.api_key] = [bought, first, second, *others]
    whole = await books.fills.record_fills(position_id, [first], str(INTENT))
    assert not whole.is_open
    return position_id, [second]


async def test_what_was_added_unseen_and_closed_with_the_rest_is_a_position_of_its_own(
    books: Books, account: Account
) -> None:
    """The venue held more than the books knew; the second order of the close took it. Its profit must not be lost."""
    position_id, rest = await added_to(books, account)
    for _ in range(2):  # the monitor may hand the same over again
        closed = await books.fills.record_fills(position_id, rest, str(INTENT))
        assert closed.position_id == position_id
    found = (await books.documents.list_positions(account.user_id, PositionFilter(), None, 10)).rows
    [other] = [row for row in found if row.position_id != position_id]
    assert other.exit is not None
    assert (other.quantity, other.entry_price, other.opened_at) == (Decimal("0.5"), Decimal(65500), at(14))
    assert (other.exit.price, other.exit.quantity) == (Decimal(66000), Decimal("0.5"))
    assert other.exit.reason is ExitReason.STOP_LOSS
    assert (other.origin, other.managed, other.enforced) == (Origin.EXTERNAL, False, False)
    assert other.exit.realized_pnl == Decimal("0.5") * 500 - 2 * Decimal("26.4")
    assert await books.events(other.position_id) == ["position_opened", "position_closed"]


async def test_what_closed_more_than_is_listed_is_left_to_the_reconciler(books: Books, account: Account) -> None:
    position_id, rest = await added_to(books, account)
    books.reader.fills_status = ReadingStatus.FAILED
    with pytest.raises(FillsExceedPosition):
        await books.fills.record_fills(position_id, rest, str(INTENT))


async def test_what_the_reconciler_has_taken_in_meanwhile_is_left_to_it(books: Books, account: Account) -> None:
    position_id, rest = await added_to(books, account)
    books.clock.set(at(40))
    seen = make_seen(quantity=Decimal("0.5"), entry_price=Decimal(65500), updated_at=at(15))
    [adopted] = await books.apply(account, Adopt(seen, at(50), at(50.2)))
    with pytest.raises(FillsExceedPosition):
        await books.fills.record_fills(position_id, rest, str(INTENT))
    await books.apply(account, Close(adopted.position_id, 1, tuple(rest), Decimal(0)))
    ended = await books.fills.record_fills(position_id, rest, str(INTENT))
    assert ended.position_id == position_id


async def test_an_unknown_position(books: Books) -> None:
    with pytest.raises(PositionNotFound):
        await books.fills.record_fills("OP_1_999999", [stop_fill("a")], str(INTENT))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(["a", "b", "c", "a", "c"]))
async def test_any_order_of_pieces_is_one_exit(books: Books, new_account: NewAccount, order: list[str]) -> None:
    account = await new_account()
    pieces = {"a": stop_fill("a", "0.2", 15), "b": stop_fill("b", "0.3", 16), "c": stop_fill("c", "0.5", 17)}
    position_id = await books.adopt(account)
    for name in order:
        position = await books.fills.record_fills(position_id, [pieces[name]], str(INTENT))
    assert position.exit is not None
    assert (position.exit.quantity, position.exit.executed_at) == (Decimal(1), at(17))
