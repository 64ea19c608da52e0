"""What is known of the sentiment about one asset.

Invariants: a score is from -1 to 1 and rests on at least one source that answered; a source that did not answer is
named as missing, and is never taken for a neutral one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

MOST_HEADLINES = 8
SCORE_PLACES = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class SourceScore:
    """What one source says: `score` from -1 to 1, over `count` posts or markets, read at a moment.

    `weight` above 0: how much it counts beside others.
    """

    name: str
    score: Decimal
    count: int
    weight: Decimal
    read_at: datetime
    headlines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mood:
    """The sentiment about an asset. `missing`: why a source said nothing, by its name."""

    score: Decimal
    sources: tuple[SourceScore, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def headlines(self) -> tuple[str, ...]:
        """The words that weighed most."""
        return tuple(line for source in self.sources for line in source.headlines)[:MOST_HEADLINES]


def combine(
    sources: Iterable[SourceScore], missing: Mapping[str, str], now: datetime, longest: timedelta
) -> Mood | None:
    """The mood over the sources that are no older than `longest`; None where there is none."""
    fresh: list[SourceScore] = []
    silent = dict(missing)
    for source in sources:
        if now - source.read_at > longest:
            silent.setdefault(source.name, "it has not answered for long")
        else:
            fresh.append(source)
    weight = sum((source.weight for source in fresh), start=Decimal(0))
    if weight <= 0:
        return None
    score = sum((source.score * source.weight for source in fresh), start=Decimal(0)) / weight
    return Mood(score.quantize(SCORE_PLACES), tuple(fresh), silent)
