"""What is done beside the schedule, again and again: old runs are removed in batches, and the state is measured."""

import asyncio
from datetime import timedelta

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.reconciler.metrics import Metrics
from services.reconciler.queries import StatusQuery
from services.reconciler.store.runs import RunStore

_log = structlog.get_logger(__name__)

_BATCH = 1000
_MEASURE_SECONDS = 10.0


async def prune(runs: RunStore, clock: Clock, retention: timedelta, every_seconds: float) -> None:
    """Remove runs older than `retention` until cancelled, a batch a transaction."""
    while True:
        try:
            removed = await prune_once(runs, clock, retention)
            if removed:
                _log.info("old runs removed", runs=removed)
        except DomainError as error:
            _log.warning("old runs not removed", reason=error.reason, error=error.message)
        await asyncio.sleep(every_seconds)


async def prune_once(runs: RunStore, clock: Clock, retention: timedelta, batch: int = _BATCH) -> int:
    """Remove what is too old now; says how many runs."""
    removed = 0
    before = clock.now() - retention
    while True:
        gone = await runs.prune(before, batch)
        removed += gone
        if gone < batch:
            return removed


async def measure(status: StatusQuery, metrics: Metrics) -> None:
    """Keep the gauges until cancelled."""
    while True:
        try:
            metrics.show(await status.overview())
        except DomainError as error:
            _log.warning("state not measured", reason=error.reason, error=error.message)
        await asyncio.sleep(_MEASURE_SECONDS)
