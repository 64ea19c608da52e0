"""What the reconciler decides is carried out once, whole, and never on a row that has moved on."""

from decimal import Decimal
from uuid import uuid4

from services.common.trading.exit_reason import ExitReason
from services.common.trading.fill import OrderKind
from services.common.trading.level import INDICATIVE_LEVELS
from services.common.trading.side import OrderSide, PositionSide, Side
from services.positions.domain.account import Account
from services.positions.domain.decision import Adjust, Adopt, Close, Decision, Outcome
from services.positions.domain.position import Origin, PositionStatus
from services.positions.store.history import Chosen
from tests.contract.positions.conftest import Books
from tests.factories import at, make_fill, make_seen


def close_by(position_id: str, *fills: object, final: str = "0", version: int = 1) -> Close:
    return Close(position_id, version, tuple(fills), Decimal(final))  # type: ignore[arg-type]


async def test_an_adopted_position_is_observed_with_indicative_levels(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    position = await books.queries.get_position(position_id, account.user_id)
    assert position.origin is Origin.EXTERNAL
    assert not position.managed
    assert position.levels == INDICATIVE_LEVELS
    assert not position.enforced
    assert await books.events(position_id) == ["position_opened"]


async def test_a_close_is_what_its_fills_say(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    fills = (
        make_fill("a", quantity=Decimal("0.4"), price=Decimal(66000), fee_quote=Decimal(10), executed_at=at(2)),
        make_fill("b", quantity=Decimal("0.6"), price=Decimal(66500), fee_quote=Decimal(16), executed_at=at(3)),
    )
    [result] = await books.apply(account, close_by(position_id, *fills))
    position = await books.queries.get_position(position_id, account.user_id)
    assert result.outcome is Outcome.APPLIED
    assert position.status is PositionStatus.CLOSED
    assert position.exit is not None
    assert position.exit.price == Decimal(66300)
    assert position.exit.realized_pnl == Decimal(1300 - 26)
    assert position.exit.realized_pnl_percent == Decimal("1.96")
    assert position.exit.reason is ExitReason.CLOSED_EXTERNALLY
    assert position.exit.cause == "hand"
    assert position.exit.executed_at == at(3)
    assert await books.events(position_id) == ["position_opened", "position_closed"]


async def test_a_decision_that_is_sent_twice_in_one_request_is_carried_out_once(books: Books, account: Account) -> None:
    decision = Decision("1", Adopt(make_seen(), at(10), at(10.2)), "as the test says")
    first, second = await books.decisions.apply(str(uuid4()), account.account_id, [decision, decision])
    assert (first.outcome, second) == (Outcome.APPLIED, first)


async def test_fills_that_do_not_add_up_close_nothing(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    [result] = await books.apply(account, close_by(position_id, make_fill(quantity=Decimal("0.5"))))
    assert result.outcome is Outcome.STALE
    assert (await books.queries.get_position(position_id, None)).is_open


async def test_a_close_without_fills_is_not_carried_out(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    [result] = await books.apply(account, close_by(position_id))
    assert result.outcome is Outcome.STALE


async def test_a_run_that_is_sent_again_changes_nothing(books: Books, account: Account) -> None:
    run_id = str(uuid4())
    adopt = Adopt(make_seen(), at(10), at(10.2))
    first = await books.apply(account, adopt, run_id=run_id)
    assert await books.apply(account, adopt, run_id=run_id) == first
    assert await books.events(first[0].position_id) == ["position_opened"]


async def test_a_position_is_adopted_once(books: Books, account: Account) -> None:
    await books.adopt(account)
    [result] = await books.apply(account, Adopt(make_seen(), at(30), at(31)))
    assert result.outcome is Outcome.STALE


async def test_hedge_legs_are_two_positions(books: Books, account: Account) -> None:
    long = await books.adopt(account, position_side=PositionSide.LONG)
    short = await books.adopt(account, position_side=PositionSide.SHORT, side=Side.SHORT)
    assert long != short


async def test_a_row_that_moved_on_is_left_alone(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    [result] = await books.apply(account, close_by(position_id, make_fill(), version=7))
    assert result.outcome is Outcome.STALE
    assert (await books.queries.get_position(position_id, None)).version == 1


async def test_a_reading_asked_for_before_a_close_adopts_no_ghost(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await books.apply(account, close_by(position_id, make_fill(executed_at=at(15))))
    [result] = await books.apply(account, Adopt(make_seen(), at(14), at(14.5)))
    assert result.outcome is Outcome.STALE


async def test_a_stale_position_of_a_fresh_reading_adopts_no_ghost(books: Books, account: Account) -> None:
    """The venue serves yesterday's answer: by its own clock the position changed last before it ended."""
    position_id = await books.adopt(account)
    await books.apply(account, close_by(position_id, make_fill(executed_at=at(15))))
    books.clock.advance(60)
    [stale] = await books.apply(account, Adopt(make_seen(), at(70), at(71)))
    [fresh] = await books.apply(account, Adopt(make_seen(updated_at=at(40)), at(70), at(71)))
    assert (stale.outcome, fresh.outcome) == (Outcome.STALE, Outcome.APPLIED)


async def test_a_flip_ends_one_position_and_begins_another(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    crossing = make_fill("x", quantity=Decimal(3), fee=Decimal(9), fee_quote=Decimal(9), executed_at=at(5))
    rest = crossing.part(Decimal(2))
    after = make_seen(side=Side.SHORT, quantity=Decimal(2), entry_price=Decimal(66000), updated_at=at(5))
    closed, opened = await books.apply(
        account,
        close_by(position_id, crossing, final="-2"),
        Adopt(after, at(10), at(10.2), fills=(rest,)),
    )
    assert (closed.outcome, opened.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
    old = await books.queries.get_position(position_id, None)
    new = await books.queries.get_position(opened.position_id, None)
    assert old.exit is not None
    assert (old.exit.quantity, old.exit.fee) == (Decimal(1), Decimal(3))
    assert (new.side, new.quantity, new.version) == (Side.SHORT, Decimal(2), 1)


async def test_an_adjustment_takes_the_venues_size_and_books_its_fills(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    part = make_fill("p", quantity=Decimal("0.25"), price=Decimal(66000), executed_at=at(3))
    seen = make_seen(quantity=Decimal("0.75"), updated_at=at(3))
    await books.apply(account, Adjust(position_id, 1, seen, at(10), at(10.2), (part,)))
    await books.apply(
        account,
        close_by(position_id, make_fill("q", quantity=Decimal("0.75"), executed_at=at(8)), version=2),
    )
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert position.exit.quantity == Decimal(1)
    assert await books.events(position_id) == ["position_opened", "position_levels_changed", "position_closed"]


async def test_a_liquidation_is_called_one(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await books.apply(account, close_by(position_id, make_fill(order_kind=OrderKind.LIQUIDATION)))
    position = await books.queries.get_position(position_id, None)
    assert position.status is PositionStatus.LIQUIDATED
    assert position.exit is not None
    assert position.exit.reason is ExitReason.LIQUIDATION


async def test_a_decision_about_another_account_is_not_carried_out(books: Books, account: Account, new_account) -> None:  # type: ignore[no-untyped-def]
    position_id = await books.adopt(account)
    other = await new_account()
    [result] = await books.apply(other, close_by(position_id, make_fill()))
    assert result.outcome is Outcome.STALE


async def test_a_fee_in_another_currency_leaves_the_profit_unknown(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await books.apply(account, close_by(position_id, make_fill(fee_currency="BNB", fee_quote=None)))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert (position.exit.price, position.exit.realized_pnl) == (Decimal(66000), None)
    trades = (await books.queries.analyze(Chosen(account.user_id))).trades
    assert (trades.totals.total, trades.estimated) == (0, 1)


async def test_additions_and_reductions_by_a_short(books: Books, account: Account) -> None:
    position_id = await books.adopt(account, side=Side.SHORT)
    fills = (
        make_fill("a", order_side=OrderSide.SELL, executed_at=at(2)),
        make_fill("b", order_side=OrderSide.BUY, quantity=Decimal(2), price=Decimal(64000), executed_at=at(3)),
    )
    await books.apply(account, close_by(position_id, *fills))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert (position.exit.quantity, position.exit.price) == (Decimal(2), Decimal(64000))
