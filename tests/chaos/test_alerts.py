"""A price target, a receiver that fails, and a monitor that is killed in between: told once, posted, and nothing lost.

The second target is crossed and left again while no monitor runs: the candles of its mark price tell of it.
"""

import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protos.monitor.v1.events_pb2 import AlertTriggered
from services.common.errors import ServiceUnavailable
from tests.e2e.test_alerts import Alerts, open_alerts
from tests.e2e.trader import new_trader, until
from tests.e2e.webhook_receiver import webhook_receiver
from tests.stack import RunningStack, lift_limits, running_stack

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def stack(session_dir: Path) -> AsyncIterator[RunningStack]:
    """A stack of this test's own: it kills what runs in it."""
    async with running_stack(session_dir / "alerts") as running:
        await lift_limits(running.sandbox)
        yield running


@pytest.fixture
async def alerts(stack: RunningStack) -> AsyncIterator[Alerts]:
    async with open_alerts(stack) as opened:
        yield opened


async def kill_monitor(stack: RunningStack) -> int:
    """Kill it as nothing can be killed cleaner; where the console stood before."""
    said = len(stack.console)
    os.kill(stack.description["processes"]["monitor"], signal.SIGKILL)
    await stack.heard("monitor died", after=said)
    return said


async def told(alerts: Alerts, user_id: str, count: int) -> list[AlertTriggered]:
    """So many that were told and no more, asked of a monitor that may just be starting."""

    async def ask() -> list[AlertTriggered]:
        try:
            return await alerts.told(user_id)
        except ServiceUnavailable:
            return []

    return await until(ask, lambda seen: len(seen) >= count, f"{count} alerts to be told", deadline_seconds=60)


async def minute() -> int:
    return datetime.now(UTC).minute


async def test_nothing_is_lost_or_told_twice_by_a_monitor_that_is_killed(stack: RunningStack, alerts: Alerts) -> None:
    async with new_trader(stack, "binance") as trader, webhook_receiver(503, 500) as receiver:
        secret = await alerts.set_webhook(trader.user_id, receiver.url)
        symbol, other = await trader.mint_symbol("100"), await trader.mint_symbol("200")
        await alerts.price_target(trader, symbol, "101", webhook=True)
        await trader.set_price(symbol, "102")
        await receiver.wait_for(1)
        said = await kill_monitor(stack)
        await stack.heard("monitor is ready again", after=said)
        # An attempt whose outcome nobody wrote down is made again only once it cannot be under way any more.
        await receiver.wait_for(3, deadline_seconds=90)
        (first,) = await told(alerts, trader.user_id, 1)
        assert {post.event_id for post in receiver.posts} == {first.event_id}
        assert all(post.signed_with(secret) for post in receiver.posts)

        unseen = await alerts.price_target(trader, other, "202")
        # An alert counts from the candle after the one in which it was set.
        set_in = await minute()
        await until(minute, lambda now: now != set_in, "the next minute", deadline_seconds=70)
        said = await kill_monitor(stack)
        for price in ("203", "199"):
            await trader.set_price(other, price)
        await stack.heard("monitor is ready again", after=said)
        second, _ = await told(alerts, trader.user_id, 2)
        assert second.alert_id == unseen.alert_id
        assert second.reason.endswith("while nobody watched")
        assert not (await alerts.get(trader.user_id, unseen.alert_id)).active
