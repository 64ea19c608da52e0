"""The feed follows what any room needs."""

from services.common.trading.side import Venue
from services.monitor.domain.position import Instrument
from services.monitor.prices.wanted import WantedSymbols


def test_rooms_do_not_take_each_others_symbols_away() -> None:
    followed: list[dict[Venue, frozenset[str]]] = []

    def subscribe(wanted: dict[Venue, frozenset[str]], by_last: frozenset[Instrument]) -> None:
        followed.append(wanted)

    wanted = WantedSymbols(subscribe, frozenset)
    wanted.state("levels", {Venue.BINANCE: frozenset({"A", "B"})})
    wanted.state("alerts", {Venue.BINANCE: frozenset({"B", "C"}), Venue.BYBIT: frozenset({"D"})})
    wanted.state("levels", {})
    assert [followed[number][Venue.BINANCE] for number in range(3)] == [{"A", "B"}, {"A", "B", "C"}, {"B", "C"}]
    assert followed[-1][Venue.BYBIT] == {"D"}
