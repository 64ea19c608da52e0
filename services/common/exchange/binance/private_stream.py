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


def _of_account(event: Row) -> Hints:
    update = event.get("a")
    rows = update.get("P") if isinstance(update, dict) else None
    hints: Hints = [(HintKind.POSITION, row.get("s")) for row in rows or ()]
    return hints or [(HintKind.ACCOUNT, None)]


def _of_order(event: Row) -> Hints:
    order = event.get("o") or {}
    return [(HintKind.FILL if order.get("x") == "TRADE" else HintKind.ORDER, order.get("s"))]


_MEANINGS: dict[str, Callable[[Row], Hints]] = {
    "ACCOUNT_UPDATE": _of_account,
    "ORDER_TRADE_UPDATE": _of_order,
    "ALGO_UPDATE": lambda event: [(HintKind.ORDER, (event.get("o") or {}).get("s"))],
    "TRADE_LITE": lambda event: [(HintKind.FILL, event.get("s"))],
    "MARGIN_CALL": lambda event: [(HintKind.POSITION, row.get("s")) for row in event.get("p") or ()],
    "ACCOUNT_CONFIG_UPDATE": lambda event: [(HintKind.ACCOUNT, (event.get("ac") or {}).get("s"))],
}
