"""One account and its private stream: a hint is followed by a reading at once, and what differs is told.

Invariants: hints that come while a reading is under way make one more, and readings keep a distance; until a hint has
been followed by a good reading, what was known before counts as past; so it does while there is a doubt whether the
stream still tells anything, and a stream that is found deaf is opened anew; whoever brings the books into step is
prompted as long as they differ, ever more seldom, so a prompt that is lost costs seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import DomainError
from services.common.exchange.credentials import Credentials
from services.common.exchange.errors import VenueError
from services.common.exchange.hints import Hint, OnHint
from services.common.exchange.pace import Pace
from services.common.trading.reading import AccountReading
from services.common.trading.side import Venue
from services.positions.domain.live import differs
from services.positions.domain.position import Position
from services.positions.readings import READABLE, AccountReadings, Keys
from services.positions.store.streams import Streamed
from services.positions.streams.hearing import Booked, Patience
from services.positions.streams.marks import Marks
from services.positions.streams.silence import SilenceWatch

_log = structlog.get_logger(__name__)


class Stream(Protocol):
    """A private stream, as services.common.exchange.streams.AccountStream is one."""

    @property
    def listening(self) -> bool:
        """Whether it is up now."""
        ...

    async def run(self) -> None:
        """Follow it until cancelled. Raises VenueError where the key is refused."""
        ...

    def reopen(self) -> None:
        """Give the connection up and make another one, with a listen key that is good now."""
        ...


OpenStream = Callable[[Venue, Credentials, OnHint], Stream]


@dataclass(frozen=True, slots=True)
class Cadence:
    """In seconds. `spacing`: between two readings; `retry`: after one that failed; `settle`: how long our own writes
    may take to reach the books before a difference is told; `repeats`: after which one that lasts is told again.

    Of an account where something happens all the time, `burst` readings may follow one another, and then one comes
    every `breather`: it must not use up the rate budget that all accounts share.
    """

    spacing: float = 0.25
    burst: int = 20
    breather: float = 5.0
    retry: float = 1.0
    settle: float = 0.4
    repeats: tuple[float, ...] = (2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What following an account takes. `booked` lists its open rows; `stir` says that they differ from the venue's;
    `on_deaf` is told of each stream that is opened anew because it told nothing.
    """

    clock: Clock
    readings: AccountReadings
    keys: Keys
    marks: Marks
    open_stream: OpenStream
    booked: Callable[[str], Awaitable[list[Position]]]
    stir: Callable[[Streamed], Awaitable[None]]
    on_deaf: Callable[[Venue], None]
    cadence: Cadence = Cadence()
    patience: Patience = field(default_factory=Patience)


class FollowedAccount:
    """Follows one account. `run` is to be a task of its own; it ends where the venue refuses the key."""

    def __init__(self, account: Streamed, around: Surroundings) -> None:
        self.account = account
        self._around = around
        self._hinted = asyncio.Event()
        self._behind = True
        self._pace = Pace(around.cadence.burst, 1 / around.cadence.breather)
        self._silence = SilenceWatch(around.clock, around.patience, prompt=self._hinted.set, on_deaf=self._deafened)

    def tell(self, booked: Booked) -> None:
        """The books of this account have changed, whichever replica wrote it."""
        self._silence.tell(booked)

    async def run(self) -> None:
        """Follow until cancelled. Returns where the key is refused; raises what the keys raise."""
        around, account_id = self._around, self.account.account_id
        credentials = await around.keys.credentials(account_id)
        stream = around.open_stream(self.account.venue, credentials, self._hint)
        around.readings.follow(account_id, lambda: self._vouched_for_by(stream), self._silence.see)
        tasks = (
            asyncio.create_task(self._prompt(), name=f"prompting {account_id}"),
            asyncio.create_task(stream.run(), name=f"stream of {account_id}"),
            asyncio.create_task(self._silence.run(stream), name=f"silence of {account_id}"),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        except VenueError as error:
            _log.warning("stream refused", account_id=account_id, venue=error.venue, reason=str(error))
        finally:
            around.readings.unfollow(account_id)
            around.marks.forget(account_id)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _vouched_for_by(self, stream: Stream) -> bool:
        return stream.listening and not self._behind and not self._silence.doubted

    def _hint(self, hint: Hint) -> None:
        self._silence.hear(hint)
        self._behind = True
        self._hinted.set()

    def _deafened(self) -> None:
        account = self.account
        _log.warning("stream deaf, opened anew", account_id=account.account_id, venue=account.venue)
        self._around.on_deaf(account.venue)

    async def _prompt(self) -> None:
        cadence = self._around.cadence
        told = 0
        wait: float | None = None
        while True:
            hinted = await self._hinted_within(wait)
            told = 0 if hinted else told
            try:
                reading = await self._read(hinted=hinted)
                if reading is None:
                    self._hinted.set()
                    await asyncio.sleep(cadence.retry)
                    continue
                if not await self._differs(reading):
                    wait = None
                elif told == 0 and hinted:
                    # Perhaps it is our own trade, whose fills are being booked at this moment.
                    told, wait = 0, cadence.settle
                else:
                    await self._around.stir(self.account)
                    wait = cadence.repeats[min(told, len(cadence.repeats) - 1)]
                    told += 1
            except DomainError as error:
                _log.info("stream prompt waits", account_id=self.account.account_id, reason=error.reason)
                if self._behind:
                    self._hinted.set()
                wait = cadence.retry
                await asyncio.sleep(cadence.retry)
            if hinted:
                await asyncio.sleep(cadence.spacing)

    async def _hinted_within(self, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._hinted.wait()
        except TimeoutError:
            return False
        return True

    async def _read(self, *, hinted: bool) -> AccountReading | None:
        """The venue's word after a hint; without one, what is known already. None where it could not be read."""
        readings, account = self._around.readings, self.account
        known = None if hinted else readings.last_known(account.account_id)
        if known is None:
            await self._pace.take()
            self._hinted.clear()
            known = await readings.refresh(account.venue, account.account_id)
            if known.status not in READABLE:
                return None
            self._behind = self._hinted.is_set()
            self._around.marks.want(account.account_id, account.venue, [one.symbol for one in known.positions])
        return known

    async def _differs(self, reading: AccountReading) -> bool:
        booked = await self._around.booked(self.account.account_id)
        return differs(booked, reading.positions, complete=reading.complete)
