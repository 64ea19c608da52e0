"""The budget's own clockwork: lanes, shares, windows, bans."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.common.exchange.budget import Ban, Budget, BudgetLimits, Lane
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.trading.side import Venue
from services.common.venue_metrics import VenueMetrics


class Hand:
    """A clock that is moved by hand, in seconds."""

    def __init__(self, seconds: float = 6000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def make(
    limit: int = 100, share: float = 1.0, window: int = 60, clock: Hand | None = None, venue_limit: int = 0
) -> tuple[Budget, Hand]:
    hand = clock or Hand()
    limits = BudgetLimits(window_seconds=window, address_limit=limit, share=share, venue_limit=venue_limit)
    return Budget(Venue.BINANCE, limits, seconds=hand), hand


async def spend(budget: Budget, lane: Lane, weight: int = 10) -> int:
    """Acquire until the lane has no more; how much it got."""
    got = 0
    while True:
        before = budget.state().spent
        try:
            async with asyncio.timeout(0.02):
                await budget.acquire(weight, lane)
        except (TimeoutError, VenueError):
            return got
        assert budget.state().spent == before + weight
        got += weight


async def test_reading_leaves_a_reserve_to_orders() -> None:
    budget, _ = make(limit=1000)
    assert await spend(budget, Lane.RECONCILIATION, 5) == 975
    assert await spend(budget, Lane.LIVE, 5) == 0
    assert await spend(budget, Lane.ORDERS, 5) == 25


async def test_orders_may_go_up_to_what_the_venue_itself_allows() -> None:
    budget, _ = make(limit=1000, venue_limit=2000)
    assert await spend(budget, Lane.RECONCILIATION, 5) == 975
    assert await spend(budget, Lane.ORDERS, 5) == 1025
    assert await spend(budget, Lane.LIVE, 5) == 0


async def test_a_share_binds_reading_but_not_orders() -> None:
    budget, _ = make(limit=1000, share=0.2)
    assert await spend(budget, Lane.LIVE, 5) == 195
    assert await spend(budget, Lane.ORDERS, 5) == 805


async def test_reconciliation_stays_away_from_what_live_views_asked_for_in_the_window_before() -> None:
    budget, hand = make(limit=1000)
    for _ in range(60):
        await budget.acquire(5, Lane.LIVE)
    hand.seconds += 60
    assert await spend(budget, Lane.RECONCILIATION, 5) == 525
    assert await spend(budget, Lane.LIVE, 5) == 450


async def test_what_live_views_do_not_ask_for_after_all_is_reconciliations() -> None:
    budget, hand = make(limit=1000)
    for _ in range(60):
        await budget.acquire(5, Lane.LIVE)
    hand.seconds += 60
    assert await spend(budget, Lane.RECONCILIATION, 5) == 525
    hand.seconds += 30
    assert await spend(budget, Lane.RECONCILIATION, 5) == 225
    hand.seconds += 59.9 - 30
    assert await spend(budget, Lane.RECONCILIATION, 5) == 220


async def test_live_views_that_ask_for_more_than_before_are_expected_to_go_on_so() -> None:
    budget, hand = make(limit=1000)
    for _ in range(50):
        await budget.acquire(5, Lane.LIVE)
    hand.seconds += 30
    assert await spend(budget, Lane.RECONCILIATION, 5) == 535


async def test_what_the_venue_counts_of_other_processes_is_expected_of_them_again() -> None:
    budget, hand = make(limit=1000)
    budget.observe_used(400)
    hand.seconds += 60
    assert await spend(budget, Lane.RECONCILIATION, 5) == 375
    hand.seconds += 120
    assert await spend(budget, Lane.RECONCILIATION, 5) == 975


async def test_a_window_that_turns_over_gives_room_again() -> None:
    budget, hand = make()
    assert await spend(budget, Lane.LIVE) == 90
    hand.seconds += 60
    assert budget.state().spent == 0
    assert await spend(budget, Lane.LIVE) == 90


async def test_the_venues_own_count_only_ever_corrects_upwards() -> None:
    budget, _ = make()
    budget.observe_used(80)
    assert await spend(budget, Lane.LIVE) == 10
    budget.observe_used(20)
    assert budget.state().address_spent == 90


async def test_an_answer_that_comes_after_its_window_does_not_spend_the_next_one() -> None:
    # In a busy process one does so each minute: every other minute was lost to reading.
    budget, hand = make(limit=1000)
    assert await spend(budget, Lane.LIVE, 5) == 975
    asked_in = budget.window
    hand.seconds += 60
    budget.observe_used(975, asked_in)
    assert budget.state().address_spent == 0
    assert await spend(budget, Lane.LIVE, 5) == 975
    budget.observe_used(980, budget.window)
    assert budget.state().address_spent == 980


async def test_who_waits_is_let_through_by_lane_and_then_in_turn() -> None:
    budget, hand = make(limit=10, window=1, clock=Hand(100.999))
    await budget.acquire(9, Lane.LIVE)
    done: list[str] = []

    async def wait(name: str, lane: Lane) -> None:
        await budget.acquire(2, lane)
        done.append(name)

    waiting = [
        asyncio.create_task(wait(name, lane))
        for name, lane in (
            ("late", Lane.RECONCILIATION),
            ("first live", Lane.LIVE),
            ("second live", Lane.LIVE),
            ("order", Lane.ORDERS),
        )
    ]
    await asyncio.sleep(0)
    hand.seconds = 101.0
    await asyncio.wait_for(asyncio.gather(*waiting[1:]), 5)
    assert done[0] == "order"
    assert done[1:3] == ["first live", "second live"]
    hand.seconds = 102.9
    await asyncio.wait_for(waiting[0], 5)


async def test_who_would_wait_too_long_is_told_when_to_come_back() -> None:
    budget, _ = make()
    await spend(budget, Lane.ORDERS)
    with pytest.raises(VenueError) as raised:
        await budget.acquire(10, Lane.LIVE)
    assert raised.value.kind is VenueErrorKind.RATE_LIMITED
    assert raised.value.retry_at == datetime.fromtimestamp(6060, UTC)
    assert not raised.value.outcome_unknown


async def test_a_cancelled_wait_takes_nothing() -> None:
    budget, hand = make(limit=10, window=1, clock=Hand(100.5))
    await budget.acquire(10, Lane.ORDERS)
    waiting = asyncio.create_task(budget.acquire(5, Lane.ORDERS))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    hand.seconds = 101.0
    await budget.acquire(10, Lane.ORDERS)
    assert budget.state().spent == 10


async def test_a_ban_refuses_everybody_and_wakes_who_waits() -> None:
    bans: list[Ban] = []
    hand = Hand(100.5)
    budget = Budget(Venue.BYBIT, BudgetLimits(1, 10), on_ban=bans.append, seconds=hand)
    await budget.acquire(10, Lane.ORDERS)
    waiting = asyncio.create_task(budget.acquire(5, Lane.ORDERS))
    await asyncio.sleep(0)
    until = datetime.fromtimestamp(100.5, UTC) + timedelta(seconds=30)
    budget.apply_ban(until, "too many requests")
    with pytest.raises(VenueError) as raised:
        await asyncio.wait_for(waiting, 5)
    assert raised.value.kind is VenueErrorKind.BANNED
    assert raised.value.retry_at == until
    assert bans == [Ban(Venue.BYBIT, until, "too many requests")]
    hand.seconds += 31
    assert budget.ban is None
    await budget.acquire(1, Lane.LIVE)


async def test_a_shorter_ban_does_not_shorten_a_longer_one() -> None:
    budget, _ = make()
    longer = datetime.fromtimestamp(6600, UTC)
    budget.apply_ban(longer, "long")
    budget.apply_ban(datetime.fromtimestamp(6100, UTC), "short")
    assert budget.ban is not None
    assert budget.ban.until == longer


async def test_what_goes_out_and_what_is_refused_is_measured_by_lane() -> None:
    registry = CollectorRegistry()
    metrics = VenueMetrics(registry)
    limits = BudgetLimits(window_seconds=60, address_limit=100)
    hand = Hand(5999.0)
    budget = Budget(Venue.BINANCE, limits, meter=metrics, seconds=hand)
    metrics.show(lambda _: budget)

    def measured(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"exchange": "binance", **labels})

    await budget.acquire(30, Lane.LIVE)
    await budget.acquire(5, Lane.ORDERS)
    assert measured("tandem_venue_weight_total", lane="live") == 30
    assert measured("tandem_venue_weight_total", lane="orders") == 5
    assert measured("tandem_venue_window_used_ratio") == 0.35
    assert measured("tandem_venue_banned") == 0
    budget.apply_ban(datetime.fromtimestamp(hand.seconds, UTC) + timedelta(minutes=1), "too much")
    with pytest.raises(VenueError):
        await budget.acquire(1, Lane.ORDERS)
    assert measured("tandem_venue_refusals_total", lane="orders") == 1
    assert measured("tandem_venue_banned") == 1
    hand.seconds += 61
    assert measured("tandem_venue_banned") == 0
    assert measured("tandem_venue_window_used_ratio") == 0
