"""What a symbol is about, and by which words people call it.

Invariants: a ticker that is an everyday word counts only in capitals or after a dollar sign.
"""

import re
from dataclasses import dataclass

QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "USD")
_MULTIPLES = ("1000000", "100000", "10000", "1000")
NAMES = {
    "BTC": ("bitcoin", "bitcoins", "sats"),
    "ETH": ("ethereum", "ether"),
    "SOL": ("solana",),
    "XRP": ("ripple",),
    "BNB": ("binance coin",),
    "ADA": ("cardano",),
    "DOGE": ("dogecoin",),
    "AVAX": ("avalanche",),
    "DOT": ("polkadot",),
    "LINK": ("chainlink",),
    "LTC": ("litecoin",),
    "TRX": ("tron",),
    "SHIB": ("shiba inu",),
    "UNI": ("uniswap",),
    "ATOM": ("cosmos",),
    "NEAR": ("near protocol",),
    "APT": ("aptos",),
    "ARB": ("arbitrum",),
    "OP": ("optimism",),
    "SUI": ("sui network",),
    "TON": ("toncoin",),
    "PEPE": ("pepe coin",),
}
"""Names beside the ticker, in lower case."""
_LONGEST_EVERYDAY = 4
"""A ticker this short or shorter may be a word: it must be written as a ticker."""


@dataclass(frozen=True, slots=True)
class Asset:
    """The base of a symbol, in capitals, such as BTC."""

    ticker: str

    def mentioned(self, text: str) -> bool:
        """Whether a text is about it."""
        return _pattern(self.ticker).search(text) is not None


_patterns: dict[str, re.Pattern[str]] = {}


def _pattern(ticker: str) -> re.Pattern[str]:
    known = _patterns.get(ticker)
    if known is None:
        written = re.escape(ticker)
        exact = rf"(?<![A-Za-z0-9]){written}(?![A-Za-z0-9])"
        loose = [rf"(?i:\${written})", *(rf"(?i:{re.escape(name)})" for name in NAMES.get(ticker, ()))]
        if len(ticker) > _LONGEST_EVERYDAY or ticker in {"BTC", "ETH", "XRP", "BNB", "DOGE", "AVAX", "LTC", "TRX"}:
            loose.append(rf"(?i:{written})")
        named = rf"(?<![A-Za-z0-9])(?:{'|'.join(loose)})(?![A-Za-z0-9])"
        known = _patterns[ticker] = re.compile(f"{exact}|{named}")
    return known


def asset_of(symbol: str) -> Asset:
    """The asset of a symbol: BTC of BTCUSDT, PEPE of 1000PEPEUSDT."""
    base = symbol.upper()
    for quote in QUOTES:
        if base.endswith(quote) and len(base) > len(quote):
            base = base.removesuffix(quote)
            break
    for multiple in _MULTIPLES:
        if base.startswith(multiple) and len(base) > len(multiple):
            base = base.removeprefix(multiple)
            break
    return Asset(base)
