"""A venue's ban reaches every process behind the address: told by whoever met it, heard by all."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from protos.positions.v1 import types_pb2
from protos.venue.v1 import events_pb2
from services.common.bus import Handler, Received
from services.common.clock import Clock
from services.common.exchange.budget import Ban
from services.common.subjects import all_users_ephemeral, ephemeral_subject
from services.common.trading.side import Venue

_log = structlog.get_logger(__name__)

BANS = [all_users_ephemeral(service, "venue_banned") for service in ("positions", "monitor")]

_VENUES = {types_pb2.EXCHANGE_BINANCE: Venue.BINANCE, types_pb2.EXCHANGE_BYBIT: Venue.BYBIT}
_EXCHANGES = {venue: exchange for exchange, venue in _VENUES.items()}

Send = Callable[[str, bytes], Awaitable[bool]]


class BanTeller:
    """Tells every process of the bans that this one met, again and again while they last: some may start later."""

    def __init__(self, send: Send, clock: Clock, again_seconds: float = 10.0) -> None:
        self._send = send
        self._clock = clock
        self._again_seconds = again_seconds
        self._bans: dict[Venue, Ban] = {}
        self._news = asyncio.Event()

    def tell(self, ban: Ban) -> None:
        """Take note of a ban; `run` tells of it."""
        self._bans[ban.venue] = ban
        self._news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._again_seconds if self._bans else None):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            now = self._clock.now()
            self._bans = {venue: ban for venue, ban in self._bans.items() if ban.until > now}
            for ban in tuple(self._bans.values()):
                message = events_pb2.VenueBanned(exchange=_EXCHANGES[ban.venue], reason=ban.reason)
                message.sent_at.FromDatetime(now)
                message.until.FromDatetime(ban.until)
                await self._send(
                    ephemeral_subject("monitor", "venue_banned", ban.venue.value), message.SerializeToString()
                )


def hear_bans(apply: Callable[[Venue, datetime, str], None]) -> Handler:
    """A handler of venue_banned, from whichever service met it."""

    async def hear(message: Received) -> None:
        ban = events_pb2.VenueBanned.FromString(message.payload)
        venue, until = _VENUES[ban.exchange], ban.until.ToDatetime(tzinfo=UTC)
        _log.warning("venue banned", venue=venue, until=until.isoformat(), subject=message.subject)
        apply(venue, until, ban.reason)

    return hear
