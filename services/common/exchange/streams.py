"""An account's private stream, kept up: its messages become hints to read the account.

Each time the stream is listened to (again), a RESYNC hint says that what came before went unheard. Losing the stream is
no error: it is opened again, ever more slowly. Only a key that the venue refuses ends it. A stream that is up and tells
nothing any more cannot be told here from an account where nothing happens: who knows better calls `reopen`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.common.exchange.binance.private_stream import BinancePrivateStream
from services.common.exchange.bybit.private_stream import BybitPrivateStream
from services.common.exchange.client import VenueClient
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.hints import Hint, HintKind, OnHint
from services.common.exchange.private_dialect import PrivateDialect, StreamEnded
from services.common.exchange.sockets import Backoff, Send, SocketTimes, StreamLost, read_socket
from services.common.exchange.venues import Venues
from services.common.trading.side import Venue

__all__ = ["AccountStream", "Hint", "HintKind", "OnHint"]

_DIALECTS: dict[Venue, Callable[[], PrivateDialect]] = {
    Venue.BINANCE: BinancePrivateStream,
    Venue.BYBIT: BybitPrivateStream,
}
_TIMES = SocketTimes(silence_seconds=40.0)
"""Silence is longer than two pings of a venue that answers them by message. Others may be silent."""
_FINAL = frozenset({VenueErrorKind.BAD_KEY, VenueErrorKind.NOT_PERMITTED})


class AccountStream:
    """Follows one account. `run` is to be a task of its own; `on_hint` is called from it."""

    def __init__(
        self,
        venues: Venues,
        venue: Venue,
        credentials: Credentials,
        on_hint: OnHint,
        dialect: PrivateDialect | None = None,
        times: SocketTimes = _TIMES,
    ) -> None:
        self._venues = venues
        self._venue = venue
        self._credentials = credentials
        self._on_hint = on_hint
        self._dialect = dialect or _DIALECTS[venue]()
        self._times = times if self._dialect.ping is not None else replace(times, silence_seconds=None)
        self._heard_at: datetime | None = None
        self._listening = False
        self._given_up = asyncio.Event()

    @property
    def listening(self) -> bool:
        """Whether the stream is up now."""
        return self._listening

    @property
    def heard_at(self) -> datetime | None:
        """When anything was last heard."""
        return self._heard_at

    def reopen(self) -> None:
        """Give the connection up and make another one, with a listen key that is good now; nothing where it is down."""
        if self._listening:
            self._listening = False
            self._given_up.set()

    async def run(self) -> None:
        """Follow the account until cancelled. Raises VenueError (BAD_KEY, NOT_PERMITTED) where the key is refused."""
        backoff = Backoff()
        while True:
            backoff.started()
            retry_at: datetime | None = None
            try:
                await self._follow_once()
            except VenueError as error:
                if error.kind in _FINAL:
                    raise
                retry_at = error.retry_at
            except (StreamLost, StreamEnded):
                pass
            finally:
                self._listening = False
            await backoff.wait()
            if retry_at is not None:
                await asyncio.sleep(max(0.0, (retry_at - self._venues.now()).total_seconds()))

    async def _follow_once(self) -> None:
        client = self._venues.client(self._venue, self._credentials)
        await self._venues.connection_pace(self._venue).take()
        address = await self._dialect.address(client)
        self._given_up.clear()
        tasks = [asyncio.create_task(self._read(client, address)), asyncio.create_task(self._until_given_up())]
        if self._dialect.renew_seconds is not None:
            tasks.append(asyncio.create_task(self._keep_renewing(client, self._dialect.renew_seconds)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_given_up(self) -> None:
        await self._given_up.wait()
        raise StreamLost("given up: it told nothing")

    async def _read(self, client: VenueClient, address: str) -> None:
        async def opened(send: Send) -> None:
            if await self._dialect.greet(client, send):
                self._hint(HintKind.RESYNC, None)

        await read_socket(
            client.session,
            address,
            opened=opened,
            receive=self._receive,
            times=self._times,
            ping=self._dialect.ping,
        )

    def _receive(self, message: str) -> list[str]:
        self._heard_at = self._venues.now()
        for kind, symbol in self._dialect.read(message):
            self._hint(kind, symbol)
        return self._dialect.replies()

    def _hint(self, kind: HintKind, symbol: str | None) -> None:
        self._listening = True
        self._on_hint(Hint(kind, symbol, self._venues.now()))

    async def _keep_renewing(self, client: VenueClient, seconds: float) -> None:
        failures = 0
        while True:
            await asyncio.sleep(seconds if failures == 0 else min(seconds, 30.0))
            try:
                await self._dialect.renew(client)
                failures = 0
            except VenueError as error:
                failures += 1
                # A key that the venue does not know any more will not come back; a short outage will pass.
                if not error.outcome_unknown or failures >= 3:
                    raise StreamEnded(f"the listen key could not be renewed: {error}") from None
