"""Counters of what was asked of the venues, for tests that bound it."""

from collections import Counter
from typing import Any

from deploy.sandbox.core.symbols import VENUES


class Requests:
    """Counters of what was asked of the venues."""

    def __init__(self) -> None:
        self._by_endpoint: Counter[tuple[str, str]] = Counter()
        self._by_key: dict[tuple[str, str], Counter[str]] = {}

    def count(self, exchange: str, endpoint: str, api_key: str) -> None:
        self._by_endpoint[exchange, endpoint] += 1
        if api_key:
            self._by_key.setdefault((exchange, api_key), Counter())[endpoint] += 1

    def document(self) -> dict[str, Any]:
        return {
            name: {
                "total": sum(number for (exchange, _), number in self._by_endpoint.items() if exchange == name),
                "endpoints": {end: number for (exchange, end), number in self._by_endpoint.items() if exchange == name},
                "byKey": {key: dict(ends) for (exchange, key), ends in self._by_key.items() if exchange == name},
            }
            for name in VENUES
        }
