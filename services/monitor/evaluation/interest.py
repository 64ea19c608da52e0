"""Which markets, users and assets the positions of this replica are about."""

import asyncio
from collections.abc import Callable

from services.common.trading.partition import partition_of
from services.common.trading.side import Venue
from services.monitor.carrying.work import Claims
from services.monitor.domain.evaluation.advice import Mode
from services.monitor.domain.evaluation.subjects import Subjects
from services.monitor.domain.sentiment.asset import asset_of
from services.monitor.evaluation.market import Markets
from services.monitor.sentiment.source import Wanted

_EVERY_SECONDS = 1.0


class Interest:
    """`run` it: it tells `markets` and the feed what to follow, and keeps the rest for those who ask."""

    def __init__(
        self,
        subjects: Subjects,
        claims: Claims,
        mode: Callable[[str], Mode],
        markets: Markets,
        on_symbols: Callable[[dict[Venue, frozenset[str]]], None] = lambda _: None,
    ) -> None:
        self.users: frozenset[str] = frozenset()
        """Users with managed positions to be looked at: their accounts are followed anyway, others' are not."""
        self._subjects = subjects
        self._claims = claims
        self._mode = mode
        self._markets = markets
        self._on_symbols = on_symbols
        self._wanted: frozenset[tuple[Venue, str]] = frozenset()

    def assets(self) -> tuple[Wanted, ...]:
        """What positions are in, with its price where that is known."""
        found: dict[str, Wanted] = {}
        for venue, symbol in sorted(self._wanted):
            conditions = self._markets.conditions(venue, symbol)
            asset = asset_of(symbol)
            # Of a symbol that is a thousand coins the price is not the asset's.
            own = conditions is not None and symbol.startswith(asset.ticker)
            known = found.get(asset.ticker)
            if known is None or known.price is None:
                price = float(conditions.mark) if conditions is not None and own else None
                found[asset.ticker] = Wanted(asset, price)
        return tuple(found.values())

    def refresh(self) -> None:
        """Look over all positions."""
        held = self._claims.claims()
        users, wanted = set(), set()
        for subject in self._subjects.all():
            position = subject.position
            if partition_of(position.account_id) in held and self._mode(position.user_id) is not Mode.OFF:
                if subject.managed:
                    users.add(position.user_id)
                wanted.add((position.venue, position.symbol))
        if wanted != self._wanted:
            symbols = {venue: frozenset(name for at, name in wanted if at is venue) for venue in Venue}
            self._on_symbols(symbols)
        self.users, self._wanted = frozenset(users), frozenset(wanted)
        self._markets.want(self._wanted)

    async def run(self) -> None:
        """Again and again, until cancelled."""
        while True:
            self.refresh()
            await asyncio.sleep(_EVERY_SECONDS)
