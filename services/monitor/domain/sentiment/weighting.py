"""How much each post counts: by its votes and its age.

Invariants: a post that is older counts less, one with more votes never less; one that the readers voted down still
counts for a little, and none counts for more than a few.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.monitor.domain.sentiment.mood import SCORE_PLACES, SourceScore
from services.monitor.domain.sentiment.post import Post

HALF_LIFE = timedelta(hours=6)
OLDEST = timedelta(hours=36)
LONGEST_HEADLINE = 200
FEW = Decimal(5)
"""A source with this many posts has half of the weight that it can have."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A post and what it says, from -1 to 1."""

    post: Post
    score: float


def weigh(post: Post, now: datetime) -> float:
    """The weight of a post; 0 for one that is too old."""
    age = max(timedelta(0), now - post.posted_at)
    if age > OLDEST:
        return 0.0
    votes = 1.0 if post.votes is None else 0.5 + math.log1p(max(0, post.votes)) / 2
    return votes * math.exp2(-(age / HALF_LIFE))


def average(name: str, scored: Iterable[Scored], now: datetime, most_headlines: int = 8) -> SourceScore | None:
    """What a source says over all of its posts; None where none of them counts."""
    weighed = [(weigh(one.post, now), one) for one in scored]
    counted = [(weight, one) for weight, one in weighed if weight > 0]
    total = sum(weight for weight, _ in counted)
    if total <= 0:
        return None
    score = sum(weight * one.score for weight, one in counted) / total
    counted.sort(key=lambda pair: -pair[0])
    count = Decimal(len(counted))
    return SourceScore(
        name=name,
        score=Decimal(repr(max(-1.0, min(1.0, score)))).quantize(SCORE_PLACES),
        count=len(counted),
        weight=count / (count + FEW),
        read_at=now,
        headlines=tuple(one.post.title[:LONGEST_HEADLINE] for _, one in counted[:most_headlines]),
    )
