"""Orders that opened nothing yet are told of in the background, the latest state last."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from services.common.errors import ServiceUnavailable
from services.common.trading.side import PositionSide, Venue
from services.monitor.domain.opening import Opening, OpeningState, Plan
from services.monitor.opening.telling import OrderTelling
from tests.factories import NOON
from tests.unit.monitor.opening_world import a_wish, prepared
from tests.waiting import until


class Notebook:
    """Books that note orders; `down` for so many calls."""

    def __init__(self) -> None:
        self.noted: list[OpeningState] = []
        self.asked = 0
        self.down = 0

    async def record_order(self, opening: Opening) -> None:
        self.asked += 1
        if self.down:
            self.down -= 1
            raise ServiceUnavailable(service="positions")
        self.noted.append(opening.state)


def an_opening(state: OpeningState, **changes: object) -> Opening:
    plan = Plan(Venue.BINANCE, PositionSide.BOTH, Decimal(2), Decimal(100), Decimal(10), sets_leverage=False)
    opening = prepared(a_wish(), plan, None, NOON, "r1")
    values = {"state": state, "deadline": NOON + timedelta(seconds=2), **changes}
    return replace(opening, **values)  # type: ignore[arg-type]


async def test_the_latest_state_is_told_last_however_often_the_books_are_away() -> None:
    books = Notebook()
    books.down = 2
    telling = OrderTelling(books, pause_seconds=0)
    sent = an_opening(OpeningState.SENT)
    telling.tell(sent)
    telling.tell(an_opening(OpeningState.FAILED, intent_id=sent.intent_id))
    await until(lambda: books.noted == [OpeningState.FAILED])


async def test_what_has_no_order_is_not_told_of() -> None:
    books = Notebook()
    telling = OrderTelling(books)
    telling.tell(an_opening(OpeningState.FAILED, deadline=None))
    telling.tell(an_opening(OpeningState.FILLED))
    other = an_opening(OpeningState.BOOKED)
    telling.tell(other)
    await until(lambda: books.noted == [OpeningState.BOOKED])
    await telling.drain()
    assert books.asked == 1


async def test_books_that_stay_away_are_not_asked_for_ever() -> None:
    books = Notebook()
    books.down = 100
    telling = OrderTelling(books, pause_seconds=0)
    telling.tell(an_opening(OpeningState.SENT))
    await until(lambda: books.asked == 5)
    await telling.drain()
    assert books.noted == []
