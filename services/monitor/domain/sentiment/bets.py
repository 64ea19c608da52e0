"""What prediction markets about an asset's price lean to.

A market says how likely its question is to come true, not whether that is good news. So each is read as a bet on up or
down, and its probability is what it weighs: tilt = (P(up) - P(down)) / (P(up) + P(down)), over all of them, by how much
money stands behind each. A long shot counts for as little as it is likely.

Invariants: a tilt is from -1 to 1; a question whose direction cannot be told is left out, not taken for neutral.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.domain.sentiment.mood import SCORE_PLACES, SourceScore

LEAST_LIQUIDITY = 1_000.0
"""US dollars: behind less there is nobody whose opinion it would be."""
WEIGHT = Decimal("0.8")

_UP = re.compile(r"(?i)\b(?:reach|rise|rally|surpass|exceed|break|climb|all[- ]time high|ath)\w*\b")
_DOWN = re.compile(r"(?i)\b(?:dip|fall|drop|crash|plunge|sink|collapse)\w*\b")
_HIT = re.compile(r"(?i)\b(?:hit|touch)\w*\b")
_ABOVE = re.compile(r"(?i)\b(?:above|over|higher than|greater than)\b")
_BELOW = re.compile(r"(?i)\b(?:below|under|less than|lower than)\b")
_STRIKE = re.compile(r"(?i)\$\s?(\d[\d,]*(?:\.\d+)?)\s?(k|m|b)?\b")
_MULTIPLES = {"k": 1_000.0, "m": 1_000_000.0, "b": 1_000_000_000.0}


@dataclass(frozen=True, slots=True)
class Bet:
    """One market: a question, and how likely each outcome is, from 0 to 1. `liquidity` in US dollars."""

    question: str
    outcomes: tuple[str, ...]
    probabilities: tuple[float, ...]
    liquidity: float


def lean(bet: Bet, price: float | None) -> tuple[float, float] | None:
    """How likely up and down are by one market; None where it does not tell. `price` is the asset's, US dollars."""
    likely = dict(zip((outcome.casefold() for outcome in bet.outcomes), bet.probabilities, strict=False))
    if {"up", "down"} <= likely.keys():
        return likely["up"], likely["down"]
    if not {"yes", "no"} <= likely.keys():
        return None
    question = bet.question
    yes, no = likely["yes"], likely["no"]
    strike = _strike(question)
    up, down = _UP.search(question) is not None, _DOWN.search(question) is not None
    if up != down:
        return (yes, 0.0) if up else (0.0, yes)
    if _HIT.search(question) and strike is not None and price is not None and strike != price:
        return (yes, 0.0) if strike > price else (0.0, yes)
    above, below = _ABOVE.search(question) is not None, _BELOW.search(question) is not None
    if above != below:
        return (yes, no) if above else (no, yes)
    return None


def tilt(name: str, bets: Iterable[Bet], asset: Asset, price: float | None, now: datetime) -> SourceScore | None:
    """What all markets about an asset lean to; None where none of them tells."""
    up = down = 0.0
    count = 0
    for bet in bets:
        if bet.liquidity < LEAST_LIQUIDITY or not asset.mentioned(bet.question):
            continue
        leaning = lean(bet, price)
        if leaning is None:
            continue
        weight = math.log10(bet.liquidity)
        up += weight * leaning[0]
        down += weight * leaning[1]
        count += 1
    if up + down <= 0:
        return None
    score = max(-1.0, min(1.0, (up - down) / (up + down)))
    return SourceScore(name, Decimal(repr(score)).quantize(SCORE_PLACES), count, WEIGHT, now)


def _strike(question: str) -> float | None:
    found = _STRIKE.search(question)
    if found is None:
        return None
    return float(found[1].replace(",", "")) * _MULTIPLES.get((found[2] or "").lower(), 1.0)
