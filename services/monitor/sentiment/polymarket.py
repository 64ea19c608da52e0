"""Bets about crypto, from Polymarket's Gamma API, which takes no key.

Shape: GET /markets?closed=false&tag_id=… answers a list of {"id", "question", "outcomes", "outcomePrices",
"liquidityNum", …}; outcomes and their prices are lists that are themselves written as JSON texts.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from services.monitor.domain.sentiment.asset import Asset
from services.monitor.domain.sentiment.bets import Bet, tilt
from services.monitor.domain.sentiment.mood import SourceScore
from services.monitor.sentiment.source import SourceSilent, Wanted, Web

NAME = "polymarket"
PAGE = 100
MOST_PAGES = 5


class Polymarket:
    """A Source."""

    name = NAME

    def __init__(self, web: Web, *, url: str, tag_id: int) -> None:
        self._web = web
        self._url = url
        self._tag_id = tag_id

    async def read(self, wanted: Collection[Wanted], now: datetime) -> Mapping[Asset, SourceScore]:
        """The tilt of each asset that is bet on. Raises SourceSilent."""
        bets: list[Bet] = []
        for page in range(MOST_PAGES):
            params: dict[str, str | int] = {
                "active": "true",
                "closed": "false",
                "tag_id": self._tag_id,
                "order": "volume24hr",
                "ascending": "false",
                "limit": PAGE,
                "offset": page * PAGE,
            }
            found, listed = parse_markets(await self._web.get(f"{self._url}/markets", params))
            bets += found
            if listed < PAGE:
                break
        tilts = {}
        for one in wanted:
            score = tilt(self.name, bets, one.asset, one.price, now)
            if score is not None:
                tilts[one.asset] = score
        return tilts


def parse_markets(body: bytes) -> tuple[list[Bet], int]:
    """The bets of a page, and how many markets it lists; a bad one costs no other. Raises SourceSilent."""
    try:
        markets = json.loads(body)
    except (ValueError, RecursionError):
        raise SourceSilent("its markets cannot be read") from None
    if not isinstance(markets, list):
        raise SourceSilent("its markets cannot be read")
    bets = []
    for market in markets:
        with suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
            bets.append(_bet(market))
    return bets, len(markets)


def _bet(market: Mapping[str, Any]) -> Bet:
    outcomes = tuple(str(outcome) for outcome in _texts(market["outcomes"]))
    probabilities = tuple(float(price) for price in _texts(market["outcomePrices"]))
    if len(outcomes) != len(probabilities) or not all(0 <= price <= 1 for price in probabilities):
        raise ValueError("prices that are no probabilities")
    liquidity = float(market.get("liquidityNum") or market.get("liquidity") or 0)
    if not 0 <= liquidity < float("inf"):
        raise ValueError("no amount")
    return Bet(str(market["question"]), outcomes, probabilities, liquidity)


def _texts(value: Any) -> list[Any]:
    """A list that may be written as a JSON text."""
    found = json.loads(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        raise TypeError("not a list")
    return found
