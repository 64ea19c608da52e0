"""Mark prices of what followed accounts hold, from the venues' public streams: no account is asked for a price."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.exchange.prices import PriceKind, PriceSource
from services.common.trading.side import Venue


class Marks:
    """The newest mark of each symbol that is wanted, while it is younger than `max_age`."""

    def __init__(self, feeds: Mapping[Venue, PriceSource], max_age: timedelta) -> None:
        self._feeds = feeds
        self._max_age = max_age
        self._wanted: dict[str, tuple[Venue, frozenset[str]]] = {}

    def want(self, account_id: str, venue: Venue, symbols: Collection[str]) -> None:
        """These are the symbols that an account holds now."""
        wanted = (venue, frozenset(symbols))
        if self._wanted.get(account_id) != wanted:
            self._wanted[account_id] = wanted
            self._subscribe(venue)

    def forget(self, account_id: str) -> None:
        """An account is not followed any more."""
        wanted = self._wanted.pop(account_id, None)
        if wanted is not None:
            self._subscribe(wanted[0])

    def mark(self, venue: Venue, symbol: str, now: datetime) -> Decimal | None:
        """The mark price, or None where there is none that is young enough."""
        return self._latest(venue, symbol, PriceKind.MARK, now)

    def last(self, venue: Venue, symbol: str, now: datetime) -> Decimal | None:
        """The last price, or None where there is none that is young enough."""
        return self._latest(venue, symbol, PriceKind.LAST, now)

    def _latest(self, venue: Venue, symbol: str, kind: PriceKind, now: datetime) -> Decimal | None:
        price = self._feeds[venue].latest(symbol, kind)
        if price is None or price.age_seconds(now) > self._max_age.total_seconds():
            return None
        return price.price

    def _subscribe(self, venue: Venue) -> None:
        symbols = (symbols for one, symbols in self._wanted.values() if one is venue)
        self._feeds[venue].subscribe(frozenset().union(*symbols))
