"""Bybit's private stream: one login by signature, then the topics of positions, orders, executions and the wallet."""

import re
from collections.abc import Iterable

import msgspec

from services.common.exchange.budget import Lane
from services.common.exchange.bybit.account import ACCOUNT_INFO
from services.common.exchange.client import VenueClient
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.fields import Row
from services.common.exchange.hints import HintKind
from services.common.exchange.private_dialect import StreamEnded
from services.common.exchange.scrub import scrub
from services.common.exchange.sockets import Send
from services.common.trading.side import Venue

STREAM = "wss://stream.bybit.com/v5/private"
_LOGIN_VALID_MS = 10_000
_TOO_LATE = re.compile(r"request expired|params error", re.IGNORECASE)
"""What is said of a login whose time has passed (our clock is behind), and of a key that is not known."""
_TOPICS = {
    "position": HintKind.POSITION,
    "order": HintKind.ORDER,
    "execution": HintKind.FILL,
    "wallet": HintKind.ACCOUNT,
}


class BybitPrivateStream:
    """Implements PrivateDialect."""

    ping: str | None = '{"op":"ping"}'
    renew_seconds: float | None = None

    def __init__(self) -> None:
        self._replies: list[str] = []
        self._doubted = False

    async def address(self, client: VenueClient) -> str:
        """The same for everybody. Raises VenueError (BAD_KEY) where a login was refused and the key is bad."""
        if self._doubted:
            # Whether it was the key or the clock, a reading tells; and it sets the clock right.
            await client.call(ACCOUNT_INFO, lane=Lane.LIVE)
            self._doubted = False
        return STREAM

    async def greet(self, client: VenueClient, send: Send) -> bool:
        """Log in. The topics are asked for once the venue has accepted that."""
        expires = client.venue_milliseconds() + _LOGIN_VALID_MS
        api_key, signature = client.sign_stream_login(f"GET/realtime{expires}")
        await send(msgspec.json.encode({"op": "auth", "args": [api_key, expires, signature]}).decode())
        return False

    async def renew(self, client: VenueClient) -> None:
        """Nothing to renew."""

    def replies(self) -> list[str]:
        """The subscription, after the login."""
        replies, self._replies = self._replies, []
        return replies

    def read(self, message: str) -> Iterable[tuple[HintKind, str | None]]:
        """What a message hints at. Raises StreamEnded, VenueError (BAD_KEY)."""
        try:
            content = msgspec.json.decode(message)
        except msgspec.DecodeError:
            return [(HintKind.RESYNC, None)]
        if not isinstance(content, dict):
            return []
        if "topic" not in content:
            return self._read_control(content)
        kind = _TOPICS.get(str(content["topic"]).split(".")[0])
        rows = content.get("data")
        if kind is None:
            return []
        if kind is HintKind.ACCOUNT or not isinstance(rows, list):
            return [(kind, None)]
        symbols = dict.fromkeys(str(row.get("symbol")) for row in rows if isinstance(row, dict) and row.get("symbol"))
        return [(kind, symbol) for symbol in symbols] or [(kind, None)]

    def _read_control(self, content: Row) -> Iterable[tuple[HintKind, str | None]]:
        operation = content.get("op")
        if content.get("success") is False:
            what = scrub(f"{operation} refused: {content.get('ret_msg')}")
            if operation == "auth" and not _TOO_LATE.search(what):
                raise VenueError(Venue.BYBIT, VenueErrorKind.BAD_KEY, what)
            self._doubted = operation == "auth"
            raise StreamEnded(what)
        if operation == "auth":
            self._replies.append(msgspec.json.encode({"op": "subscribe", "args": list(_TOPICS)}).decode())
        return [(HintKind.RESYNC, None)] if operation == "subscribe" else []
