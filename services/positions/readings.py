"""Readings of accounts: one question at a time to a venue about an account, its answer good for a few seconds.

What changes an account drops what was read of it, so that nobody is shown what Tandem itself knows to be past. A
reading for the reconciler is always a fresh one. Nobody waits long for a venue: a question that takes longer than that
goes on, and whoever asks meanwhile is told that the venue has not answered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from services.common.clock import Clock
from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.readings import AccountReader
from services.common.trading.reading import AccountMargin, AccountReading, ReadingStatus
from services.common.trading.side import Venue

READABLE = frozenset({ReadingStatus.COMPLETE, ReadingStatus.PARTIAL})
"""What may be shown as the venue's word: a list that can be trusted as far as it goes."""


class Keys(Protocol):
    """Opens an account's credentials."""

    def credentials(self, account_id: str) -> Awaitable[Credentials]: ...


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """`patience`: how long anybody waits for a venue. `margin_max_age`: how seldom the margin is read for a view.

    `followed_max_age`: how old a view may be of an account whose private stream is up. `accounts`: how many are kept.
    """

    patience: timedelta = timedelta(seconds=3)
    margin_max_age: timedelta = timedelta(seconds=30)
    followed_max_age: timedelta = timedelta(minutes=10)
    accounts: int = 10_000


@dataclass(slots=True)
class _Question:
    """One that was put to a venue. `asked_at` by our clock; `started` by the loop's, in seconds."""

    task: asyncio.Task[AccountReading]
    asked_at: datetime
    started: float


@dataclass(slots=True)
class _Account:
    """What is known of one account. `known` is the last good answer, until something dropped it."""

    question: _Question | None = None
    known: AccountReading | None = None
    known_at: datetime | None = None
    margin: AccountMargin | None = None
    margin_at: datetime | None = None
    dropped_at: datetime | None = None
    up: Callable[[], bool] | None = None
    on_reading: Callable[[AccountReading, datetime], None] | None = None
    generation: int = field(default=0)


OnReading = Callable[[str, AccountReading], None]
"""Told of each reading as it arrives, with the account; it must be quick."""


class AccountReadings:
    """The cache. `max_age` is how old a reading may be that is given to more than one caller."""

    def __init__(
        self,
        reader: AccountReader,
        keys: Keys,
        clock: Clock,
        max_age: timedelta,
        *,
        limits: ReadingLimits | None = None,
        on_reading: OnReading | None = None,
    ) -> None:
        self._reader = reader
        self._keys = keys
        self._clock = clock
        self._max_age = max_age
        self._limits = limits or ReadingLimits()
        self._on_reading = on_reading
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._generations = 0

    async def read(self, venue: Venue, account_id: str) -> AccountReading:
        """A reading not older than the cache allows; callers at the same time share one question to the venue.

        FAILED, with the reason, where the venue does not answer in time. Raises AccountNotFound.
        """
        account = self._account(account_id)
        question = account.question
        if question is not None and self._good(question):
            return await self._answer(question)
        return await self._answer(self._ask(venue, account_id, account))

    async def refresh(self, venue: Venue, account_id: str) -> AccountReading:
        """Ask the venue anew, whatever is known, and keep the answer. As `read` otherwise."""
        return await self._answer(self._ask(venue, account_id, self._account(account_id)))

    async def read_now(
        self, venue: Venue, account_id: str, lane: Lane, *, with_margin: bool = True, held: bool = True
    ) -> AccountReading:
        """A fresh reading, which waits for no other; `held` as in AccountReader. Raises AccountNotFound."""
        asked_at = self._clock.now()
        credentials = await self._keys.credentials(account_id)
        reading = await self._reader.read_account(venue, credentials, with_margin=with_margin, held=held, lane=lane)
        if not (held or reading.positions or reading.margin):
            return reading  # nothing vouches for it: it is shown to nobody
        account = self._account(account_id)
        if account.question is None or account.question.asked_at <= asked_at:
            self._take(account_id, account, reading, asked_at)
        return reading

    def follow(
        self,
        account_id: str,
        up: Callable[[], bool],
        on_reading: Callable[[AccountReading, datetime], None] | None = None,
    ) -> None:
        """While `up` says that an account's private stream is heard, what is known stays good until it is replaced.

        `on_reading` is told of each reading of it, whoever wanted it, with when it was asked for; it must be quick.
        """
        account = self._account(account_id)
        account.up, account.on_reading = up, on_reading

    def unfollow(self, account_id: str) -> None:
        """There is no private stream any more."""
        account = self._accounts.get(account_id)
        if account is not None:
            account.up, account.on_reading = None, None

    def streams(self) -> tuple[int, int]:
        """How many accounts are followed by a private stream that is up, and how many by one that is not."""
        followed = [account.up() for account in self._accounts.values() if account.up is not None]
        return sum(followed), len(followed) - sum(followed)

    def followed(self, account_id: str) -> AccountReading | None:
        """What is known of an account whose stream is up; None where it has to be asked for."""
        account = self._accounts.get(account_id)
        if account is None or account.up is None or account.known is None or account.known_at is None:
            return None
        if not account.up() or not account.known.complete or _pending(account.question):
            return None
        young = self._clock.now() - account.known_at < self._limits.followed_max_age
        return account.known if young else None

    def last_known(self, account_id: str) -> AccountReading | None:
        """The last good answer, however old; None where Tandem itself has changed the account since."""
        account = self._accounts.get(account_id)
        return account.known if account is not None else None

    def drop(self, account_id: str, *, before: datetime | None = None) -> None:
        """Forget what was read of an account; with `before`, unless it was asked for after that moment."""
        account = self._accounts.get(account_id)
        if account is None:
            return
        asked_at = account.question.asked_at if account.question is not None else account.known_at
        if before is not None and asked_at is not None and asked_at > before:
            return
        account.question, account.known, account.known_at = None, None, None
        account.dropped_at = self._clock.now()
        self._changed(account)

    def generation(self, account_id: str) -> int:
        """A number that is another one whenever something else is known of the account; 0 where nothing is."""
        account = self._accounts.get(account_id)
        return account.generation if account is not None else 0

    def _account(self, account_id: str) -> _Account:
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = _Account()
            self._forget_some()
        self._accounts.move_to_end(account_id)
        return account

    def _forget_some(self) -> None:
        """Keep within bounds: the longest unused goes first, but none that is being asked about or followed."""
        excess = len(self._accounts) - self._limits.accounts
        if excess <= 0:
            return
        idle = (name for name, one in self._accounts.items() if one.up is None and not _pending(one.question))
        for name in [name for name, _ in zip(idle, range(excess), strict=False)]:
            del self._accounts[name]

    def _good(self, question: _Question) -> bool:
        """Whether a question may be shared: one under way, or one that was answered well a short time ago."""
        if not question.task.done():
            return True
        if question.task.cancelled() or question.task.exception() is not None:
            return False
        young = self._clock.now() - question.asked_at < self._max_age
        return young and question.task.result().status is not ReadingStatus.FAILED

    def _ask(self, venue: Venue, account_id: str, account: _Account) -> _Question:
        now = self._clock.now()
        task = asyncio.create_task(self._put(venue, account_id, account, now), name=f"reading of {account_id}")
        # Where all who asked have given up, nobody fetches what went wrong.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        account.question = _Question(task, now, asyncio.get_running_loop().time())
        self._changed(account)
        return account.question

    async def _put(self, venue: Venue, account_id: str, account: _Account, asked_at: datetime) -> AccountReading:
        credentials = await self._keys.credentials(account_id)
        with_margin = account.margin_at is None or asked_at - account.margin_at >= self._limits.margin_max_age
        reading = await self._reader.read_account(venue, credentials, with_margin=with_margin)
        return self._take(account_id, account, reading, asked_at)

    def _take(self, account_id: str, account: _Account, reading: AccountReading, asked_at: datetime) -> AccountReading:
        """Keep an answer, unless it was asked for before something that is known already; give it the known margin."""
        if self._on_reading is not None:
            self._on_reading(account_id, reading)
        if reading.margin is not None:
            account.margin, account.margin_at = reading.margin, asked_at
        elif account.margin is not None:
            reading = replace(reading, margin=account.margin)
        past = account.dropped_at is not None and asked_at < account.dropped_at
        older = account.known_at is not None and asked_at < account.known_at
        if reading.status in READABLE and not past and not older:
            account.known, account.known_at = reading, asked_at
            self._changed(account)
        if account.on_reading is not None:
            account.on_reading(reading, asked_at)
        return reading

    async def _answer(self, question: _Question) -> AccountReading:
        waited = asyncio.get_running_loop().time() - question.started
        left = max(0.0, self._limits.patience.total_seconds() - waited)
        await asyncio.wait([question.task], timeout=left)
        if question.task.done():
            return question.task.result()
        now = self._clock.now()
        seconds = self._limits.patience.total_seconds()
        return AccountReading(ReadingStatus.FAILED, now, now, reason=f"the venue has not answered within {seconds:g} s")

    def _changed(self, account: _Account) -> None:
        self._generations += 1
        account.generation = self._generations


def _pending(question: _Question | None) -> bool:
    return question is not None and not question.task.done()
