"""Messages of positions: what the contract allows comes through whole, what it does not is refused."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from protos.positions.v1 import observation_pb2 as pb
from protos.positions.v1 import types_pb2 as types
from services.common.trading.reading import AccountReading, MarginMode, VenuePosition
from services.common.trading.side import PositionSide, Side
from services.reconciler.clients.reading import read_account, read_observation, read_result
from services.reconciler.clients.writing import write_decision
from services.reconciler.domain.decision import Adjust, Adopt, Close
from services.reconciler.domain.observation import Observation
from tests.factories import at, make_fill, make_reading, make_seen
from tests.fakes.observatory import book, make_account

WHOLE = make_seen(
    position_side=PositionSide.SHORT,
    side=Side.SHORT,
    quantity=Decimal("0.000000000000000001"),
    leverage=Decimal("12.5"),
    margin_mode=MarginMode.ISOLATED,
    liquidation_price=Decimal("70123.45"),
    initial_margin=Decimal("5.5"),
    maintenance_margin=Decimal("0.25"),
)
BARE = make_seen(symbol="ETHUSDT", leverage=None, updated_at=None)
FILLS = (make_fill("1", client_order_id="mine", realized_pnl=Decimal("-3.5")), make_fill("2", fee_quote=None))


def adopted(position: VenuePosition) -> pb.Adopt:
    return write_decision(Adopt(position, at(10), at(10.2), FILLS, "seen")).adopt


def answer() -> pb.ObserveAccountResponse:
    """What positions answers for one account with one row and two positions."""
    whole, bare = adopted(WHOLE), adopted(BARE)
    row = pb.BookedPosition(
        position_id="OP_1_1",
        symbol="BTCUSDT",
        position_side=types.POSITION_SIDE_BOTH,
        side=types.SIDE_LONG,
        quantity="1",
        entry_price="65000",
        settled_since=whole.asked_at,
        settled_until=whole.taken_at,
        version=3,
        fills=whole.fills,
        fills_complete=False,
    )
    reading = pb.AccountReading(
        status=pb.READING_STATUS_PARTIAL,
        asked_at=whole.asked_at,
        taken_at=whole.taken_at,
        positions=[whole.position, bare.position],
        reason="one page is missing",
    )
    account = pb.ObservableAccount(account_id="account-1", user_id="demo", exchange=types.EXCHANGE_BINANCE)
    return pb.ObserveAccountResponse(account=account, booked=[row], reading=reading)


def test_an_observation_comes_through_whole() -> None:
    seen: Observation = read_observation(answer())
    assert seen.account == make_account()
    reading: AccountReading = make_reading(WHOLE, BARE, status=seen.reading.status, reason="one page is missing")
    assert seen.reading == reading
    [row] = seen.booked
    assert row == book(
        "OP_1_1", make_seen(leverage=None), settlement=row.settlement, version=3, fills=FILLS, fills_complete=False
    )
    assert (row.settlement.since, row.settlement.until) == (at(10), at(10.2))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda said: said.account.ClearField("user_id"), "without its ids"),
        (lambda said: said.account.ClearField("exchange"), "0 is none of binance, bybit"),
        (lambda said: said.reading.ClearField("status"), "0 is none of complete"),
        (lambda said: said.reading.ClearField("asked_at"), "asked_at is missing"),
        (lambda said: said.booked[0].ClearField("side"), "0 is none of long, short"),
        (lambda said: said.booked[0].ClearField("settled_until"), "settled_until is missing"),
        (lambda said: setattr(said.booked[0], "quantity", "0"), "a quantity is positive"),
        (lambda said: setattr(said.booked[0], "entry_price", "NaN"), "not a finite number"),
        (lambda said: setattr(said.reading.positions[0], "quantity", "-1"), "a quantity is positive"),
        (lambda said: setattr(said.reading.positions[0], "mark_price", ""), "not a decimal number"),
        (lambda said: setattr(said.reading.positions[0], "margin_mode", "both"), "not a valid MarginMode"),
        (lambda said: said.booked[0].fills[0].ClearField("order_side"), "0 is none of buy, sell"),
        (lambda said: setattr(said.booked[0].fills[0], "order_kind", 99), "99 is none of"),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(
    spoil: Callable[[pb.ObserveAccountResponse], None], said: str
) -> None:
    message = answer()
    spoil(message)
    with pytest.raises(ValueError, match=said):
        read_observation(message)


def test_an_outcome_that_is_not_said_is_refused() -> None:
    with pytest.raises(ValueError, match="0 is none of applied, stale"):
        read_result(pb.DecisionResult(decision_id="1"))


def test_an_account_is_read_by_its_venue() -> None:
    message = pb.ObservableAccount(account_id="account-1", user_id="demo", exchange=types.EXCHANGE_BYBIT)
    assert read_account(message).exchange == "bybit"


def test_a_close_says_what_its_fills_led_to() -> None:
    message = write_decision(Close("OP_1_1", 7, FILLS, Decimal("-2.50"), "flipped"))
    assert (message.decision_id, message.evidence) == ("close:OP_1_1:7", "flipped")
    assert (message.close.position_id, message.close.expected_version) == ("OP_1_1", 7)
    assert (message.close.final_quantity, [fill.fill_id for fill in message.close.fills]) == ("-2.5", ["1", "2"])


def test_an_adjustment_says_what_the_venue_holds() -> None:
    message = write_decision(Adjust("OP_1_1", 7, WHOLE, at(10), at(10.2), (), "grew"))
    assert (message.decision_id, message.adjust.expected_version) == ("adjust:OP_1_1:7", 7)
    assert message.adjust.position.quantity == "0.000000000000000001"
    assert message.adjust.position.margin_mode == "isolated"
