"""A private stream whose socket stays up although it tells nothing any more is found out, and opened anew.

Nothing is asked for that purpose: evidence is what readings, asked for by whomever, and facts of the books show. While
there is a doubt, the stream vouches for nothing, and the account is read once, so that what it did not tell is not
missed. A fact that is not what was read last prompts a reading: the books may be behind, so that it proves nothing.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from services.common.clock import Clock
from services.common.exchange.hints import Hint, HintKind
from services.common.trading.reading import AccountReading
from services.positions.streams.hearing import Booked, Hearing, Patience, Seen, changed_since


class Reopened(Protocol):
    """A stream that can be opened anew."""

    @property
    def listening(self) -> bool:
        """Whether it is up now."""
        ...

    def reopen(self) -> None:
        """Give the connection up and make another one."""
        ...


class SilenceWatch:
    """Watches over one account's stream. `prompt` has the account read at once; `on_deaf` hears of each deaf stream."""

    def __init__(
        self, clock: Clock, patience: Patience, *, prompt: Callable[[], None], on_deaf: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._prompt = prompt
        self._on_deaf = on_deaf
        self._hearing = Hearing(patience)
        self._last: Seen | None = None
        self._doubted = asyncio.Event()

    @property
    def doubted(self) -> bool:
        """Whether the stream is not to be trusted now."""
        return self._hearing.doubted

    def hear(self, hint: Hint) -> None:
        """The stream told something, or has just begun."""
        if hint.kind is HintKind.RESYNC:
            self._hearing.begun(hint.received_at)
        else:
            self._hearing.heard(hint.received_at)

    def see(self, reading: AccountReading, asked_at: datetime) -> None:
        """The account was read, whoever wanted it."""
        before = self._last
        if not reading.complete or (before is not None and asked_at < before.asked_at):
            return
        self._last = after = Seen(asked_at, reading.positions)
        since = None if before is None else changed_since(before, after, self._patience.clocks)
        if since is not None:
            self._doubt(since)

    def tell(self, booked: Booked) -> None:
        """The books have changed, whoever changed them."""
        if booked.happened_at is not None:
            self._doubt(booked.happened_at - self._patience.clocks)
        last = self._last
        if last is None or last.quantity(booked.key) == booked.quantity:
            return
        if self._hearing.unheard(last.asked_at):
            self._prompt()

    async def run(self, stream: Reopened) -> None:
        """Open the stream anew whenever it is found deaf, until cancelled."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            while (due := self._hearing.reopen_at) is not None:
                left = (due - self._clock.now()).total_seconds()
                if left > 0:
                    await asyncio.sleep(left)
                elif stream.listening:
                    self._hearing.reopened(self._clock.now())
                    self._on_deaf()
                    stream.reopen()
                else:
                    # It is being opened again already.
                    self._hearing.ended()

    def _doubt(self, since: datetime) -> None:
        if self._hearing.doubt(since, self._clock.now()):
            self._doubted.set()
            self._prompt()
