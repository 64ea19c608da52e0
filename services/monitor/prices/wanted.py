"""Unites the symbols whose prices several rooms need: each states its own, and the feed follows all of them."""

from collections.abc import Callable, Mapping

from services.common.trading.side import Venue
from services.monitor.domain.position import Instrument

Subscribe = Callable[[dict[Venue, frozenset[str]], frozenset[Instrument]], None]


class WantedSymbols:
    """`by_last` gives the instruments whose last price is wanted as well."""

    def __init__(self, subscribe: Subscribe, by_last: Callable[[], frozenset[Instrument]]) -> None:
        self._subscribe = subscribe
        self._by_last = by_last
        self._wanted: dict[str, Mapping[Venue, frozenset[str]]] = {}

    def state(self, room: str, symbols: Mapping[Venue, frozenset[str]]) -> None:
        """These are the symbols that a room needs from now on, and no others."""
        self._wanted[room] = symbols
        united = {
            venue: frozenset[str]().union(*(wanted.get(venue, frozenset()) for wanted in self._wanted.values()))
            for venue in Venue
        }
        self._subscribe(united, self._by_last())
