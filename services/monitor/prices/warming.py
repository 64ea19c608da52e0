"""Keeps a connection to each venue's order host open, so that an order need not wait for TCP and TLS."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from services.common.exchange.errors import VenueError
from services.common.exchange.prices import PriceReader
from services.common.trading.side import Venue

_log = structlog.get_logger(__name__)


async def keep_warm(
    reader: PriceReader, symbols: Callable[[], Mapping[Venue, frozenset[str]]], interval_seconds: float
) -> None:
    """Ask each venue where levels are followed for one price, again and again, until cancelled.

    Prices are served by the host that takes orders; the session keeps an idle connection for fifteen seconds.
    """
    while True:
        for venue, names in symbols().items():
            if names:
                try:
                    await reader.read_price(venue, min(names))
                except VenueError as error:
                    _log.info("order host not reached", venue=venue, why=error.kind)
        await asyncio.sleep(interval_seconds)
