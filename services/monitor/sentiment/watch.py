"""Keeps what each source said last of each asset that is wanted.

Invariants: a source that failed is asked again later, twice as late each time, and not before it wants to be; what it
said before counts until it is too old, and then it is missing; one source's failure, of whatever kind, costs no other
source, and never the process that guards positions.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.common.clock import Clock
from services.monitor.domain.sentiment.asset import Asset, asset_of
from services.monitor.domain.sentiment.mood import Mood, SourceScore, combine
from services.monitor.sentiment.source import LONGEST_WAIT, Source, SourceSilent, Wanted

_log = structlog.get_logger(__name__)

FIRST_WAIT = timedelta(seconds=60)
AGE_LIMIT_READINGS = 4
"""What a source said counts for so many intervals."""
_LOOK_SECONDS = 1.0
_NOTHING_SAID = "it says nothing about it"
_UNREADABLE = "its answer cannot be read"


@dataclass(slots=True)
class _Kept:
    due: datetime
    failures: int = 0
    silent: str = "it has not answered yet"
    scores: dict[Asset, SourceScore] = field(default_factory=dict)
    asked: frozenset[Asset] = frozenset()
    asked_at: datetime | None = None


class SentimentWatch:
    """`run` it; `mood` then answers without waiting. `wanted` are the assets that positions are in."""

    def __init__(
        self,
        sources: Iterable[Source],
        wanted: Callable[[], Collection[Wanted]],
        clock: Clock,
        *,
        interval_seconds: float,
        on_read: Callable[[str, bool], None] = lambda _name, _ok: None,
    ) -> None:
        self._sources = tuple(sources)
        self._wanted = wanted
        self._clock = clock
        self._interval = timedelta(seconds=interval_seconds)
        self._on_read = on_read
        self._kept = {source.name: _Kept(clock.now()) for source in self._sources}

    def mood(self, symbol: str) -> Mood | None:
        """The sentiment about the asset of a symbol; None where no source said anything."""
        asset = asset_of(symbol)
        scores, missing = [], {}
        for name, kept in self._kept.items():
            score = kept.scores.get(asset)
            if score is not None:
                scores.append(score)
            if kept.silent:
                missing[name] = kept.silent
            elif score is None:
                missing[name] = _NOTHING_SAID
        return combine(scores, missing, self._clock.now(), self._interval * AGE_LIMIT_READINGS)

    async def run(self) -> None:
        """Ask every source when it is due, until cancelled."""
        if not self._sources:
            await asyncio.Event().wait()
        while True:
            await self.refresh()
            await asyncio.sleep(min(_LOOK_SECONDS, self._interval.total_seconds()))

    async def refresh(self) -> None:
        """Ask the sources that are due. An asset that is wanted anew makes a source due that answers."""
        wanted = {one.asset: one for one in self._wanted()}
        now = self._clock.now()
        due = [source for source in self._sources if wanted and self._is_due(self._kept[source.name], wanted, now)]
        await asyncio.gather(*(self._ask(source, wanted) for source in due))

    def _is_due(self, kept: _Kept, wanted: Collection[Asset], now: datetime) -> bool:
        if now >= kept.due:
            return True
        rested = kept.asked_at is not None and now - kept.asked_at >= FIRST_WAIT
        return rested and not kept.silent and not kept.asked.issuperset(wanted)

    async def _ask(self, source: Source, wanted: dict[Asset, Wanted]) -> None:
        kept, now = self._kept[source.name], self._clock.now()
        try:
            kept.scores = dict(await source.read(wanted.values(), now))
        except SourceSilent as error:
            self._silent(source.name, kept, now, error)
        except Exception:  # noqa: BLE001 - an edge of the process: what strangers write must not end it
            _log.exception("sentiment source failed", source=source.name)
            self._silent(source.name, kept, now, SourceSilent(_UNREADABLE))
        else:
            kept.failures, kept.silent = 0, ""
            kept.due, kept.asked, kept.asked_at = now + self._interval, frozenset(wanted), now
            self._on_read(source.name, True)

    def _silent(self, name: str, kept: _Kept, now: datetime, why: SourceSilent) -> None:
        kept.failures += 1
        doubled = FIRST_WAIT * (1 << min(kept.failures - 1, 10))
        wait = min(LONGEST_WAIT, max(self._interval, doubled, why.wait or doubled))
        kept.due, kept.silent = now + wait, str(why)
        _log.info("sentiment source silent", source=name, why=str(why), seconds=wait.total_seconds())
        self._on_read(name, False)
