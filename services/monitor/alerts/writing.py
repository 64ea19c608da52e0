"""Writes what was reached and what was armed, a partition at a time, and tries again what could not be written.

Invariants: what has gone back is written before what was reached, so that a threshold never fires on a state that is
not kept yet; what could not be written is kept with the price that reached it, and written later.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError, LeaseLost
from services.monitor.alerts.store import UNASKED, StateKey
from services.monitor.alerts.telling import Firing, Teller
from services.monitor.alerts.watching import Watching
from services.monitor.carrying.work import Claims
from services.monitor.domain.alerts.entry import Entry, Reach, alert_of
from services.monitor.domain.intent import Claim

_log = structlog.get_logger(__name__)

_BATCH = 100
_RETRY_SECONDS = 1.0


class Writing:
    """`run` it as a task; `waits` is set when something waits. `reload` reads the alerts of one user anew."""

    def __init__(
        self,
        watching: Watching,
        teller: Teller,
        claims: Claims,
        clock: Clock,
        reload: Callable[[str], Awaitable[object]],
        waits: asyncio.Event,
    ) -> None:
        self._watching = watching
        self._teller = teller
        self._claims = claims
        self._clock = clock
        self._reload = reload
        self._news = waits

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.write()
            except DomainError as error:
                _log.info("alerts not written", reason=error.reason)
                await asyncio.sleep(_RETRY_SECONDS)
                self._news.set()

    async def write(self) -> None:
        """Write all that waits. Raises what is unavailable: it still waits then."""
        claims = self._claims.claims()
        arming: dict[int, dict[StateKey, Entry]] = defaultdict(dict)
        for key, entry in self._watching.arming.items():
            arming[entry.partition][key] = entry
        for partition, entries in arming.items():
            if (claim := claims.get(partition)) is not None:
                await self._arm(claim, entries)
        due: dict[int, list[tuple[StateKey, Reach]]] = defaultdict(list)
        for key, reach in self._watching.due.items():
            due[reach.entry.partition].append((key, reach))
        for partition, reached in due.items():
            claim = claims.get(partition)
            if claim is None:
                continue
            for start in range(0, len(reached), _BATCH):
                await self._tell(claim, reached[start : start + _BATCH])

    async def _arm(self, claim: Claim, entries: dict[StateKey, Entry]) -> None:
        try:
            await self._teller.arm(claim, entries, self._clock.now())
        except LeaseLost:
            return  # its new holder finds out by itself
        for key, entry in entries.items():
            if self._watching.arming.get(key) is entry:
                del self._watching.arming[key]

    async def _tell(self, claim: Claim, reached: list[tuple[StateKey, Reach]]) -> None:
        now = self._clock.now()
        firings = [Firing(key, reach.entry.version, alert_of(reach)) for key, reach in reached]
        try:
            told = await self._teller.reached(claim, firings, now)
        except LeaseLost:
            return
        changed = set()
        for key, reach in reached:
            if key in told:
                self._watching.told(key, reach, now)
            else:
                self._watching.drop(key, reach)
                if key[0] != UNASKED and reach.entry.alert is not None:
                    changed.add(reach.entry.alert.rule.user_id)
        for user_id in changed:
            await self._reload(user_id)
