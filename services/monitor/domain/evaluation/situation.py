"""What is known of a position when it is looked at."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.trading.level import Level, LevelRules, NoLevel, Pinned, Trailing
from services.monitor.domain.evaluation.advice import Advice
from services.monitor.domain.evaluation.measures import Measures
from services.monitor.domain.position import Position
from services.monitor.domain.sentiment.mood import Mood


@dataclass(frozen=True, slots=True)
class Subject:
    """A position that is looked at. What is not managed is observed: it gets advice and nothing else.

    `advised`: the advice to close that stands in the books, if one does.
    """

    position: Position
    managed: bool
    leverage: Decimal | None = None
    advised: Advice | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """A market, shared by all positions in its symbol. Prices in quote currency; None where it is not known.

    `funding_rate`: a fraction of the notional that longs pay to shorts at the next settlement.
    """

    mark: Decimal
    mark_at: datetime
    measures: Measures | None = None
    funding_rate: Decimal | None = None
    tick: Decimal | None = None

    @property
    def range(self) -> Decimal | None:
        """The average true range of a bar, quote currency; None where too few bars are known to measure it."""
        return None if self.measures is None else self.measures.atr

    @property
    def trend(self) -> Decimal:
        """Where the market is heading, in ATRs; 0 where that is not known."""
        return Decimal(0) if self.measures is None else self.measures.trend


@dataclass(frozen=True, slots=True)
class Situation:
    """All of it, at one moment. `stop` and `target` are effective prices; None where there is none.

    `recent`: what was said of it before, the latest first.
    """

    subject: Subject
    conditions: Conditions
    at: datetime
    stop: Decimal | None = None
    target: Decimal | None = None
    liquidation: Decimal | None = None
    mood: Mood | None = None
    recent: tuple[Advice, ...] = ()

    @property
    def sign(self) -> int:
        """1 for a long, -1 for a short."""
        return self.subject.position.side.sign

    @property
    def levels(self) -> LevelRules:
        return self.subject.position.levels

    @property
    def gain(self) -> Decimal | None:
        """How far the price has gone in its favour since the entry, quote currency a unit; None without an entry."""
        entry = self.subject.position.entry_price
        return None if entry is None or entry <= 0 else (self.conditions.mark - entry) * self.sign

    @property
    def to_liquidation(self) -> Decimal | None:
        """How far the price has to go against it to its liquidation, a fraction; None where that is not known."""
        if self.liquidation is None or self.liquidation <= 0:
            return None
        return (self.conditions.mark - self.liquidation) * self.sign / self.conditions.mark

    @property
    def trend(self) -> Decimal:
        """The market's trend in its favour, in ATRs."""
        return self.conditions.trend * self.sign

    @property
    def sentiment(self) -> Decimal | None:
        """The sentiment in its favour, from -1 to 1; None where no source said anything."""
        return None if self.mood is None else self.mood.score * self.sign

    @property
    def held_for(self) -> timedelta:
        return self.at - self.subject.position.opened_at


def stop_moves(stop: Level) -> bool:
    """Whether a stop may be tightened: it is enforced and stands somewhere."""
    return stop.enforced and isinstance(stop.rule, Trailing | Pinned)


def has_level(level: Level) -> bool:
    return not isinstance(level.rule, NoLevel)
