"""Binance's user data stream. Its listen key lives for an hour after it was last renewed.

Whoever uses an account's API shares one listen key, and where one of them deletes it, the others' connections stay up
and tell nothing. So it is never deleted here, also where a stream is given up: asking for one answers the one that
lives, or a new one.
"""

from collections.abc import Callable, Iterable

import msgspec

from services.common.exchange.budget import Lane
from services.common.exchange.client import Endpoint, VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row, text
from services.common.exchange.hints import HintKind
from services.common.exchange.private_dialect import StreamEnded
from services.common.exchange.sockets import Send

NEW_LISTEN_KEY = Endpoint("fapiPrivate", "POST", "listenKey")
RENEW_LISTEN_KEY = Endpoint("fapiPrivate", "PUT", "listenKey")
STREAM = "wss://fstream.binance.com/private/ws"

_ENDED = frozenset({"listenKeyExpired", "eventStreamTerminated"})


class BinancePrivateStream:
    """Implements PrivateDialect."""

    ping: str | None = None

    def __init__(self, renew_seconds: float = 20 * 60) -> None:
        self.renew_seconds: float | None = renew_seconds
        self._listen_key = ""

    async def address(self, client: VenueClient) -> str:
        """The stream of a listen key. Raises VenueError."""
        answer = await client.call(NEW_LISTEN_KEY, lane=Lane.LIVE)
        try:
            self._listen_key = text(answer, "listenKey")
        except ValueError as error:
            raise VenueError(client.venue, VenueErrorKind.BAD_ANSWER, str(error)) from None
        return f"{STREAM}?listenKey={self._listen_key}"

    async def greet(self, _client: VenueClient, _send: Send) -> bool:
        """Nothing to send: the address says it all."""
        return True

    async def renew(self, client: VenueClient) -> None:
        """Give the listen key another hour. Raises VenueError; StreamEnded where another one has taken its place."""
        answer = await client.call(RENEW_LISTEN_KEY, lane=Lane.LIVE)
        if answer.get("listenKey", self._listen_key) != self._listen_key:
            raise StreamEnded("another listen key has taken its place")

    def replies(self) -> list[str]:
        """Nothing: Binance pings by frame."""
        return []

    def read(self, message: str) -> Iterable[tuple[HintKind, str | None]]:
        """What an event hints at. Raises StreamEnded."""
        try:
            event = msgspec.json.decode(message)
        except msgspec.DecodeError:
            return [(HintKind.RESYNC, None)]
        if not isinstance(event, dict):
            return []
        kind = str(event.get("e"))
        if kind in _ENDED:
            raise StreamEnded(kind)
        meaning = _MEANINGS.get(kind)
        return meaning(event) if meaning is not None else []


Hints = list[tuple[HintKind, str | None]]


def _within(event: Row, name: str) -> Row:
    """The object under a field; an empty one where there is another thing: what an event does not say is asked for."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def _symbol(row: Row) -> str | None:
    symbol = row.get("s")
    return symbol if isinstance(symbol, str) else None


def _of_rows(listed: object, otherwise: HintKind) -> Hints:
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    return [(HintKind.POSITION, _symbol(row)) for row in rows] or [(otherwise, None)]


def _of_order(event: Row) -> Hints:
    order = _within(event, "o")
    return [(HintKind.FILL if order.get("x") == "TRADE" else HintKind.ORDER, _symbol(order))]


_MEANINGS: dict[str, Callable[[Row], Hints]] = {
    "ACCOUNT_UPDATE": lambda event: _of_rows(_within(event, "a").get("P"), HintKind.ACCOUNT),
    "ORDER_TRADE_UPDATE": _of_order,
    "ALGO_UPDATE": lambda event: [(HintKind.ORDER, _symbol(_within(event, "o")))],
    "TRADE_LITE": lambda event: [(HintKind.FILL, _symbol(event))],
    "MARGIN_CALL": lambda event: _of_rows(event.get("p"), HintKind.POSITION),
    "ACCOUNT_CONFIG_UPDATE": lambda event: [(HintKind.ACCOUNT, _symbol(_within(event, "ac")))],
}
