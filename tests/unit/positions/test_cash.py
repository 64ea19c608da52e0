"""Which position paid which funding, and what was transferred on which day."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.cash_flow import CashFlow, CashFlowKind
from services.common.trading.side import PositionSide
from services.positions.domain.cash import Holding, assign_funding, transfers_between
from tests.factories import at

FLOW = CashFlow(CashFlowKind.FUNDING, Decimal(-1), "USDT", "BTCUSDT", at(100), "f1")
HELD = Holding("OP_1", "BTCUSDT", PositionSide.BOTH, Decimal(1), at(0), None)
LONG = replace(HELD, position_id="OP_L", position_side=PositionSide.LONG, quantity=Decimal(3))
SHORT = replace(HELD, position_id="OP_S", position_side=PositionSide.SHORT)


def test_a_payment_is_that_of_what_was_open_then() -> None:
    earlier = replace(HELD, position_id="OP_0", closed_at=at(50))
    later = replace(HELD, position_id="OP_2", opened_at=at(150))
    held = [earlier, replace(HELD, opened_at=at(60), closed_at=at(140)), later]
    assert assign_funding([FLOW], held) == {"f1": "OP_1"}


def test_a_moment_that_ends_one_and_begins_another_is_the_first_ones() -> None:
    held = [replace(HELD, closed_at=at(100)), replace(HELD, position_id="OP_2", opened_at=at(100))]
    assert assign_funding([FLOW], held) == {"f1": "OP_1"}


def test_of_two_legs_the_larger_has_the_larger_payment() -> None:
    paid, received = replace(FLOW, amount=Decimal(-3)), replace(FLOW, amount=Decimal(1), flow_id="f2")
    assert assign_funding([received, paid], [LONG, SHORT]) == {"f1": "OP_L", "f2": "OP_S"}


def test_what_cannot_be_told_is_nobodys() -> None:
    assert assign_funding([FLOW], [LONG, SHORT]) == {}
    assert assign_funding([FLOW, replace(FLOW, flow_id="f2")], [LONG, SHORT]) == {}, "both paid: that cannot be"
    assert assign_funding([FLOW], []) == {}
    assert assign_funding([replace(FLOW, currency="BNB")], [HELD]) == {}
    assert assign_funding([replace(FLOW, kind=CashFlowKind.TRANSFER, symbol=None)], [HELD]) == {}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.sampled_from(["BTCUSDT", "ETHUSDT"])), max_size=12))
def test_every_assigned_payment_fell_within_its_position(spans: list[tuple[int, int, str]]) -> None:
    held = [
        replace(HELD, position_id=f"OP_{n}", symbol=symbol, opened_at=at(start), closed_at=at(start + length))
        for n, (start, length, symbol) in enumerate(spans)
    ]
    flows = [replace(FLOW, at=at(second + 0.5), flow_id=f"f{second}") for second in range(30)]
    by_id = {one.position_id: one for one in held}
    for flow_id, position_id in assign_funding(flows, held).items():
        holding = by_id[position_id]
        assert holding.symbol == "BTCUSDT"
        assert holding.held_at(at(int(flow_id[1:]) + 0.5))


def test_transfers_between_two_readings_add_up() -> None:
    moved = replace(FLOW, kind=CashFlowKind.TRANSFER, symbol=None, currency="USDT")
    flows = [
        replace(moved, amount=Decimal(7), at=at(0)),
        replace(moved, amount=Decimal(100), at=at(1)),
        replace(moved, amount=Decimal(-30), at=at(10)),
        replace(moved, amount=Decimal(5), at=at(11), currency="BNB"),
        FLOW,
    ]
    assert transfers_between(flows, at(0), at(10)) == Decimal(70)
    assert transfers_between(flows, at(0), at(11)) is None
    assert transfers_between(flows, at(11), at(20)) == 0
