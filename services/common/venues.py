"""The venues as one process reaches them; a ban that one process met is every process's behind the address.

Invariant: with `standing` the only module of the common part that speaks in our messages, since what it tells is the
same from each service: the architecture test names both and what they may import.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial

import structlog

from protos.positions.v1 import types_pb2
from protos.venue.v1 import events_pb2
from services.common.bus import Bus, Handler, Received
from services.common.clock import Clock
from services.common.config import ExchangeSettings
from services.common.exchange.budget import Ban
from services.common.exchange.venues import ExchangeSettings as DoorSettings
from services.common.exchange.venues import Venues, open_venues
from services.common.process import Process
from services.common.subjects import all_users_ephemeral, ephemeral_subject
from services.common.trading.side import Venue
from services.common.venue_metrics import VenueMetrics

_log = structlog.get_logger(__name__)

BANS = tuple(all_users_ephemeral(service, "venue_banned") for service in ("positions", "monitor"))

_VENUES = {types_pb2.EXCHANGE_BINANCE: Venue.BINANCE, types_pb2.EXCHANGE_BYBIT: Venue.BYBIT}
_EXCHANGES = {venue: exchange for exchange, venue in _VENUES.items()}

Send = Callable[[str, bytes], Awaitable[bool]]


async def reach_venues(
    service: str,
    settings: ExchangeSettings,
    process: Process,
    bus: Bus,
    clock: Clock,
    shares: Mapping[Venue, float] | None = None,
) -> Venues:
    """The venues, until the process drains. `shares`: which part of an address's limits is this process's."""
    address = settings.egress_address
    bans = BanTeller(service, bus.publish_ephemeral, clock, address=address)
    process.spawn("told bans", bans.run())
    door = DoorSettings(
        mode=settings.exchange_mode,
        sandbox_url=settings.exchange_sandbox_url,
        address_limits={
            Venue.BINANCE: settings.binance_weight_per_minute,
            Venue.BYBIT: settings.bybit_requests_per_second,
        },
        shares={} if shares is None else shares,
    )
    metrics = VenueMetrics(process.instruments.registry)
    context = open_venues(door, now=clock.now, on_ban=bans.tell, meter=metrics)
    venues = await context.__aenter__()
    metrics.show(venues.budget)
    process.on_drain(partial(context.__aexit__, None, None, None), "venues")
    heard = bus.subscribe_ephemeral(
        BANS,
        hear_bans(
            lambda venue, until, reason: venues.budget(venue).apply_ban(until, reason, announce=False), address=address
        ),
    )
    process.spawn("heard bans", heard.run())
    return venues


class BanTeller:
    """Tells every process of the bans that this one met, again and again while they last: some may start later."""

    def __init__(
        self, service: str, send: Send, clock: Clock, again_seconds: float = 10.0, *, address: str = ""
    ) -> None:
        self._address = address
        self._service = service
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
                message = events_pb2.VenueBanned(
                    exchange=_EXCHANGES[ban.venue], reason=ban.reason, address=self._address
                )
                message.sent_at.FromDatetime(now)
                message.until.FromDatetime(ban.until)
                subject = ephemeral_subject(self._service, "venue_banned", ban.venue.value)
                await self._send(subject, message.SerializeToString())


def hear_bans(apply: Callable[[Venue, datetime, str], None], *, address: str = "") -> Handler:
    """A handler of venue_banned, from whichever process behind the same address met it."""

    async def hear(message: Received) -> None:
        ban = events_pb2.VenueBanned.FromString(message.payload)
        if ban.address != address:
            return
        venue, until = _VENUES[ban.exchange], ban.until.ToDatetime(tzinfo=UTC)
        _log.warning("venue banned", venue=venue, until=until.isoformat(), subject=message.subject)
        apply(venue, until, ban.reason)

    return hear
