"""The prices of one venue: a seeded random walk, held and released by hand.

Invariants: a held price does not move; last and mark are on or near the tick grid and positive; each
change bumps the symbol's sequence and its minute candles. A past is made up of minutes that lead to where the price
began, seeded as the walk is and beside it: the walk is the same with it and without.
"""

import random
from collections import deque
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from deploy.sandbox.state import State

from .records import Candle, Quote
from .symbols import Contract, VenueName

MINUTE_MS = 60_000
KEPT_CANDLES = 1500
STEP_SIGMA = 0.0002
STEP_LIMIT = 0.001
PULL = 0.0005
MARK_OFFSET = 0.00003
MINUTE_SIGMA = 0.0004


class Depth(NamedTuple):
    """Best prices: one tick to either side of last."""

    bid: Decimal
    ask: Decimal


class PriceBoard:
    """Quotes by symbol. Times are venue milliseconds, passed in."""

    def __init__(self, venue: VenueName, state: State, seed: int) -> None:
        self._venue = venue
        self._state = state
        self._seed = seed
        self.quotes: dict[str, Quote] = {}
        self.contracts: dict[str, Contract] = {}
        self._random: dict[str, random.Random] = {}
        self._candles: dict[str, deque[Candle]] = {}
        self._mark_candles: dict[str, deque[Candle]] = {}
        self._stored = {quote.symbol: quote for quote in state.load(f"{venue}.quote", Quote)}

    def list_symbol(self, contract: Contract, now_ms: int, *, held: bool) -> Quote:
        """Add a contract at its price, or at the price that the state remembers."""
        symbol = contract.symbol
        self.contracts[symbol] = contract
        # The same walk on both venues, as arbitrage would have it: the seed does not name the venue.
        self._random[symbol] = random.Random(f"{self._seed}/{symbol}")  # noqa: S311 - prices, not secrets
        self._candles[symbol] = deque(maxlen=KEPT_CANDLES)
        self._mark_candles[symbol] = deque(maxlen=KEPT_CANDLES)
        quote = self._stored.pop(symbol, None)
        if quote is None:
            price = contract.round_price(contract.price)
            start = now_ms - now_ms % MINUTE_MS
            quote = Quote(
                symbol, price, price, price, price, price, price, now_ms,
                Candle(start, price, price, price, price), Candle(start, price, price, price, price), held,
            )  # fmt: skip
        self.quotes[symbol] = quote
        self._state.put(f"{self._venue}.quote", symbol, quote)
        return quote

    def depth(self, symbol: str) -> Depth:
        last, tick = self.quotes[symbol].last, self.contracts[symbol].tick
        return Depth(max(tick, last - tick), last + tick)

    def set_price(self, symbol: str, last: Decimal, mark: Decimal, now_ms: int, *, held: bool | None = None) -> Quote:
        quote = self.quotes[symbol]
        self._roll(quote, now_ms)
        quote.last, quote.mark, quote.time_ms = last, mark, now_ms
        quote.high, quote.low = max(quote.high, last), min(quote.low, last)
        quote.candle.take(last)
        quote.mark_candle.take(mark)
        quote.sequence += 1
        if held is not None:
            quote.held = held
            # Released, it walks from where it was held, not back to where the table had it.
            quote.anchor = last
        self._state.put(f"{self._venue}.quote", symbol, quote)
        return quote

    def release(self, symbol: str) -> Quote:
        quote = self.quotes[symbol]
        quote.held = False
        quote.anchor = quote.last
        self._state.put(f"{self._venue}.quote", symbol, quote)
        return quote

    def walk(self, symbol: str, now_ms: int) -> bool:
        """One step of the walk; False for a held symbol, whose time moves on all the same."""
        quote = self.quotes[symbol]
        if quote.held:
            self._roll(quote, now_ms)
            quote.time_ms = now_ms
            return False
        contract, rng = self.contracts[symbol], self._random[symbol]
        pull = PULL * (float(quote.anchor / quote.last) - 1)
        step = max(-STEP_LIMIT, min(STEP_LIMIT, rng.gauss(pull, STEP_SIGMA)))
        last = contract.round_price(quote.last * Decimal(repr(1 + step)))
        offset = Decimal(repr(1 + rng.uniform(-MARK_OFFSET, MARK_OFFSET)))
        mark = (last * offset).quantize(contract.tick / 10, ROUND_HALF_EVEN)
        self.set_price(symbol, last, mark, now_ms)
        return True

    def candles(self, symbol: str, *, mark: bool) -> list[Candle]:
        """The minutes kept, oldest first; the last one is still growing. Quiet minutes are flat."""
        quote = self.quotes[symbol]
        kept = self._mark_candles[symbol] if mark else self._candles[symbol]
        growing = quote.mark_candle if mark else quote.candle
        return [*kept, growing]

    def make_past(self, symbol: str, minutes: int) -> None:
        """Candles of so many minutes before the first that is known; the same for last and mark."""
        contract, first = self.contracts[symbol], self.candles(symbol, mark=False)[0]
        rng = random.Random(f"{self._seed}/{symbol}/past")  # noqa: S311 - prices, not secrets
        close, start = first.open, first.start_ms
        for _ in range(min(minutes, KEPT_CANDLES - len(self._candles[symbol]))):
            start -= MINUTE_MS
            before = max(contract.tick, contract.round_price(close * Decimal(repr(1 + rng.gauss(0, MINUTE_SIGMA)))))
            reach = Decimal(repr(abs(rng.gauss(0, MINUTE_SIGMA / 2))))
            high = contract.round_price(max(before, close) * (1 + reach))
            low = max(contract.tick, contract.round_price(min(before, close) * (1 - reach)))
            for kept in (self._candles[symbol], self._mark_candles[symbol]):
                kept.appendleft(Candle(start, before, high, low, close))
            close = before

    def restore_candles(self) -> None:
        """Take the closed minutes from the state; call once, when all symbols are listed."""
        closed = self._state.load(f"{self._venue}.candle", ClosedMinute)
        for record in sorted(closed, key=lambda minute: minute.last.start_ms):
            if record.symbol in self._candles:
                self._candles[record.symbol].append(record.last)
                self._mark_candles[record.symbol].append(record.mark)

    def _roll(self, quote: Quote, now_ms: int) -> None:
        start = now_ms - now_ms % MINUTE_MS
        if start <= quote.candle.start_ms:
            return
        closed = ClosedMinute(quote.symbol, quote.candle, quote.mark_candle)
        self._candles[quote.symbol].append(quote.candle)
        self._mark_candles[quote.symbol].append(quote.mark_candle)
        # The id wraps, so that the file keeps as many minutes as memory does.
        slot = quote.candle.start_ms // MINUTE_MS % KEPT_CANDLES
        self._state.put(f"{self._venue}.candle", f"{quote.symbol}/{slot:05d}", closed)
        quote.candle = Candle(start, quote.last, quote.last, quote.last, quote.last)
        quote.mark_candle = Candle(start, quote.mark, quote.mark, quote.mark, quote.mark)


class ClosedMinute(msgspec.Struct):
    """A minute that is over, with both of its candles."""

    symbol: str
    last: Candle
    mark: Candle


def merge_candles(minutes: list[Candle], interval_ms: int) -> list[Candle]:
    """Minutes gathered into longer candles; minutes without a record are flat at the close before."""
    merged: list[Candle] = []
    for minute in minutes:
        start = minute.start_ms - minute.start_ms % interval_ms
        while merged and merged[-1].start_ms + interval_ms < start:
            close = merged[-1].close
            merged.append(Candle(merged[-1].start_ms + interval_ms, close, close, close, close))
        if merged and merged[-1].start_ms == start:
            merged[-1] = Candle(
                start, merged[-1].open, max(merged[-1].high, minute.high), min(merged[-1].low, minute.low), minute.close
            )
        else:
            merged.append(Candle(start, minute.open, minute.high, minute.low, minute.close))
    return merged
