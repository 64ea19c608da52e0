"""Pages, windows and duplicates: whatever the order, there is one exit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.common.exchange.budget import Budget, BudgetLimits, Lane
from services.common.exchange.bybit.fills import read_fills
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import from_milliseconds, to_milliseconds
from services.common.exchange.time_windows import LONGEST, split_windows
from services.common.trading.fill import summarize_exit
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from tests.factories import NOON


@dataclass
class Script:
    """The pages that a venue gives, in order; None is a failure."""

    pages: list[list[dict[str, Any]] | None]
    asked: list[Mapping[str, Any]] = field(default_factory=list)


class ScriptedClient(VenueClient):
    """Answers from a script. It stands for the wire alone: what reads the pages is the door itself."""

    def __init__(self, script: Script) -> None:
        super().__init__(None, Budget(Venue.BYBIT, BudgetLimits(1, 100)))
        self._script = script

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, Any] | None = None,
        *,
        lane: Lane,
        weight: int | None = None,
        signed_at: datetime | None = None,
    ) -> Any:
        number = len(self._script.asked)
        self._script.asked.append(params or {})
        page = self._script.pages[number]
        if page is None:
            raise VenueError(Venue.BYBIT, VenueErrorKind.TIMEOUT, "no answer")
        cursor = str(number + 1) if number + 1 < len(self._script.pages) else ""
        return {"result": {"list": page, "nextPageCursor": cursor}}


def execution(number: int, quantity: int, price: int) -> dict[str, Any]:
    return {
        "execId": f"e{number}", "orderId": "o", "orderLinkId": "", "symbol": "BTCUSDT", "side": "Sell",
        "execPrice": str(price), "execQty": str(quantity), "execFee": "0.1", "execType": "Trade",
        "feeCurrency": "USDT", "closedSize": str(quantity), "execTime": str(to_milliseconds(NOON) + number % 3),
        "orderType": "Market",
    }  # fmt: skip


executions = st.lists(st.tuples(st.integers(1, 9), st.integers(90, 110)), min_size=1, max_size=12).map(
    lambda parts: [execution(number, quantity, price) for number, (quantity, price) in enumerate(parts)]
)


async def read(pages: list[list[dict[str, Any]] | None]) -> Any:
    client = ScriptedClient(Script(pages))
    return await read_fills(client, "BTCUSDT", "USDT", NOON, NOON + timedelta(days=1), Lane.LIVE, hedged=False)


@given(rows=executions, data=st.data())
async def test_any_order_of_fills_pages_and_duplicates_yields_one_exit(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    plain = await read([rows])
    repeated = rows + data.draw(st.lists(st.sampled_from(rows), max_size=6))
    shuffled = data.draw(st.permutations(repeated))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    bounds = [0, *cuts, len(shuffled)]
    pages = [list(shuffled[start:end]) for start, end in pairwise(bounds)]
    paged = await read([*pages])
    assert paged.status is ReadingStatus.COMPLETE
    assert paged.fills == plain.fills
    exit_ = summarize_exit(paged.fills)
    assert exit_ == summarize_exit(plain.fills)
    assert exit_ is not None
    assert exit_.quantity == sum(Decimal(row["execQty"]) for row in rows)


async def test_a_page_that_fails_makes_the_reading_partial() -> None:
    reading = await read([[execution(1, 1, 100)], None])
    assert reading.status is ReadingStatus.PARTIAL
    assert len(reading.fills) == 1


async def test_a_first_page_that_fails_makes_the_reading_failed() -> None:
    assert (await read([None])).status is ReadingStatus.FAILED


async def test_funding_is_no_fill() -> None:
    funding = {**execution(1, 1, 100), "execType": "Funding"}
    reading = await read([[funding, execution(2, 1, 100)]])
    assert [fill.fill_id for fill in reading.fills] == ["e2"]


@given(
    before=st.timedeltas(timedelta(0), timedelta(days=700)),
    days=st.floats(0, 100, allow_nan=False),
)
def test_windows_cover_the_whole_span_without_a_gap(before: timedelta, days: float) -> None:
    since = NOON - before
    until = since + timedelta(days=days)
    windows = list(split_windows(since, until))
    assert windows[0][0] == since
    assert windows[-1][1] == until
    assert all(end - start <= LONGEST for start, end in windows)
    for (_, end), (start, _) in pairwise(windows):
        assert start - end == timedelta(milliseconds=1)


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_are_exact_both_ways(milliseconds: int) -> None:
    assert to_milliseconds(from_milliseconds(milliseconds)) == milliseconds
