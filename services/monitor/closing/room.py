"""Builds the room of closing and starts its work."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from services.common.errors import DomainError
from services.monitor.carrying.reporting import Reminder, Reporter
from services.monitor.carrying.timing import Timing
from services.monitor.closing.closer import Closer
from services.monitor.closing.manual import ManualCloses
from services.monitor.closing.parts import Parts
from services.monitor.closing.reporting import OrderNews, OrderStanding
from services.monitor.closing.store import PostgresIntents
from services.monitor.events.told import account_stirred
from services.monitor.ground import Ground
from services.monitor.partitions.holding import fence

_log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 5.0
_PRUNE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Closing:
    """Who closes, for a level and by hand; `timing` is how long orders are waited for."""

    closer: Closer
    manual: ManualCloses
    timing: Timing


def build(ground: Ground, check: Callable[[str], None]) -> Closing:
    """Make the room; `check` raises where nothing of a user's may be closed now."""
    settings, clock, process = ground.settings, ground.clock, ground.process
    reporter = Reporter(ground.books.record_order)
    reporter.start(process, "orders without fills")
    intents = PostgresIntents(ground.engine, fence, uuid.uuid4)
    reminder = Reminder(
        intents.unfilled, lambda intent: reporter.tell(OrderNews(intent, OrderStanding.CANCELLED)), ground.holder
    )
    process.attend("orders told again", reminder.run)
    timing = Timing(
        settling=timedelta(seconds=settings.order_settling_seconds),
        asking=timedelta(seconds=settings.order_asking_seconds),
    )
    parts = Parts(
        intents=intents,
        orders=ground.orders,
        accounts=ground.reader,
        books=ground.books,
        keys=ground.keys,
        clock=clock,
        pause=asyncio.sleep,
        timing=timing,
        new_id=uuid.uuid4,
        stir=lambda intent: ground.bus.publish_ephemeral(
            *account_stirred(intent.user_id, intent.account_id, intent.venue, clock.now())
        ),
        report=lambda intent, standing: reporter.tell(OrderNews(intent, standing)),
        meter=ground.metrics,
    )
    closer = Closer(parts, ground.holder, check=check)
    process.on_drain(partial(closer.drain, _DRAIN_SECONDS), "closings")
    process.spawn("closings", closer.run())
    process.attend("pruning", partial(_prune, ground, intents, timedelta(days=settings.intents_kept_days)))
    manual = ManualCloses(intents, closer, ground.books, ground.keys, clock, wait_seconds=settings.close_wait_seconds)
    return Closing(closer, manual, timing)


async def _prune(ground: Ground, intents: PostgresIntents, kept: timedelta) -> None:
    """Forget decisions that have been over for long."""
    while True:
        try:
            await intents.prune(ground.clock.now() - kept)
        except DomainError as error:
            _log.info("intents not pruned", reason=error.reason)
        await asyncio.sleep(_PRUNE_SECONDS)
