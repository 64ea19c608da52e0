"""The price extremes that watermarks come from: every price of the last minutes, and lastingly those that moved one.

Invariants: a position that is put into the index gets the best price since it was armed, as far as prices are known
here; what is not known (nobody watched, or the symbol was not followed yet) is owed: `owed` says from when on the venue
has to be asked; a price that moved any watermark is `news` until it was written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.common.trading.extremes import Extreme, Extremes
from services.common.trading.side import Side
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.price_check import Price

REMEMBERED = timedelta(minutes=5)
"""For how long every price is known."""


@dataclass(frozen=True, slots=True)
class News:
    """New highs and lows of one instrument, the oldest first."""

    highs: tuple[Extreme, ...]
    lows: tuple[Extreme, ...]


@dataclass(slots=True)
class _Instrument:
    every: Extremes = field(default_factory=Extremes)
    kept: Extremes = field(default_factory=Extremes)
    highs: list[Extreme] = field(default_factory=list)
    lows: list[Extreme] = field(default_factory=list)
    known_from: datetime | None = None
    last_at: datetime | None = None
    owed_from: datetime | None = None
    pruned_at: datetime | None = None


class Watermarks:
    """The extremes of every instrument. `longest_gap`: prices further apart than that leave a time unwatched."""

    def __init__(self, longest_gap: timedelta) -> None:
        self._longest_gap = longest_gap
        self._known: dict[Instrument, _Instrument] = {}
        self._watched_until: Mapping[Instrument, datetime] = {}

    def restore(
        self,
        kept: Iterable[tuple[Instrument, Side, Extreme]],
        watched_until: Mapping[Instrument, datetime],
    ) -> None:
        """Take in what was written before this process began; before any position."""
        self.merge(kept)
        self._watched_until = dict(watched_until)

    def merge(self, kept: Iterable[tuple[Instrument, Side, Extreme]]) -> set[Instrument]:
        """Take in what any replica has written; the instruments of which that was news here."""
        return {instrument for instrument, side, extreme in kept if self._of(instrument).kept.take(side, [extreme])}

    def of(self, position: Position) -> Decimal | None:
        """The best price in a position's favour since its levels were armed, as far as it is known."""
        since = position.levels.stop_loss.armed_at
        if since is None:
            return None
        known = self._of(position.instrument)
        kept = known.kept.watermark(position.side, since)
        best = known.every.watermark(position.side, since)
        if best is None or (kept is not None and position.side.sign * kept >= position.side.sign * best):
            return kept
        self._keep(known, position.side, known.every.points(position.side, since)[:1])
        return best

    def owe(self, position: Position) -> None:
        """A position that was not followed before: what happened before prices are known here is owed."""
        armed = [
            level.armed_at
            for level in (position.levels.stop_loss, position.levels.take_profit)
            if level.armed_at is not None
        ]
        if not armed:
            return
        since = min(armed)
        watched = self._watched_until.get(position.instrument)
        if watched is not None:
            since = max(since, watched)
        known = self._of(position.instrument)
        if known.known_from is None or since < known.known_from:
            known.owed_from = since if known.owed_from is None else min(known.owed_from, since)

    def record(self, price: Price) -> None:
        """Take in a checked price."""
        known = self._of(price.instrument)
        if known.last_at is None or price.at - known.last_at > self._longest_gap:
            if known.last_at is not None:
                known.owed_from = known.last_at if known.owed_from is None else min(known.owed_from, known.last_at)
            known.known_from = price.at
        known.last_at = price.at if known.last_at is None else max(known.last_at, price.at)
        known.every.record(price.value, price.at)
        if known.pruned_at is None or price.at - known.pruned_at > REMEMBERED:
            known.pruned_at = price.at
            known.every.prune(price.at - REMEMBERED)
            if known.known_from is not None:
                known.known_from = max(known.known_from, price.at - REMEMBERED)

    def moved(self, price: Price) -> None:
        """A price moved a watermark: it is kept."""
        known = self._of(price.instrument)
        for side in Side:
            self._keep(known, side, (Extreme(price.value, price.at),))

    def made_up(
        self, instrument: Instrument, points: Mapping[Side, Iterable[Extreme]], since: datetime, until: datetime
    ) -> None:
        """What was owed has been asked for: these are the extremes from `since` up to `until`.

        What has come to be owed beside that, while the venue was asked, goes on being owed.
        """
        known = self._of(instrument)
        for side, extremes in points.items():
            self._keep(known, side, extremes)
        if known.owed_from is not None and known.owed_from >= since:
            unseen = known.known_from is not None and known.known_from - until > self._longest_gap
            known.owed_from = until if unseen else None
        known.known_from = until if known.known_from is None else known.known_from
        known.last_at = until if known.last_at is None else max(known.last_at, until)

    def owed(self) -> dict[Instrument, datetime]:
        """The instruments whose past is not known, and from when on."""
        return {instrument: known.owed_from for instrument, known in self._known.items() if known.owed_from is not None}

    def trouble(self, instrument: Instrument) -> str:
        """Why watermarks on an instrument may be wrong; empty where they are not."""
        known = self._known.get(instrument)
        return "CATCHING_UP" if known is not None and known.owed_from is not None else ""

    def forgive(self, instrument: Instrument) -> None:
        """Nothing is followed on it any more: its past matters to nobody until something is."""
        known = self._known.get(instrument)
        if known is not None:
            known.owed_from = known.known_from = known.last_at = None
            known.every = Extremes()

    def take_news(self) -> dict[Instrument, News]:
        """What is to be written; `put_back` what could not be."""
        news = {}
        for instrument, known in self._known.items():
            if known.highs or known.lows:
                news[instrument] = News(tuple(known.highs), tuple(known.lows))
                known.highs, known.lows = [], []
        return news

    def put_back(self, instrument: Instrument, news: News) -> None:
        """Something could not be written: it is news again."""
        known = self._of(instrument)
        known.highs[:0] = news.highs
        known.lows[:0] = news.lows

    def watched_until(self) -> dict[Instrument, datetime]:
        """Up to when the kept extremes are whole, for each instrument that nothing is owed for."""
        return {
            instrument: known.last_at
            for instrument, known in self._known.items()
            if known.last_at is not None and known.owed_from is None
        }

    def retain(self, instrument: Instrument, positions: Iterable[Position]) -> datetime | None:
        """Keep what these positions need; before which moment nothing is needed (None: nothing at all)."""
        known = self._of(instrument)
        armed: dict[Side, set[datetime]] = {side: set() for side in Side}
        for position in positions:
            if position.levels.stop_loss.armed_at is not None:
                armed[position.side].add(position.levels.stop_loss.armed_at)
        recent = (known.last_at or datetime.max.replace(tzinfo=UTC)) - REMEMBERED
        for side, moments in armed.items():
            known.kept.retain(side, moments, recent)
        return min((moment for moments in armed.values() for moment in moments), default=None)

    def _keep(self, known: _Instrument, side: Side, extremes: Iterable[Extreme]) -> None:
        news = known.highs if side is Side.LONG else known.lows
        news += known.kept.take(side, extremes)

    def _of(self, instrument: Instrument) -> _Instrument:
        known = self._known.get(instrument)
        if known is None:
            known = self._known[instrument] = _Instrument()
        return known
