"""The WebSocket /ws: who is there, what they are told, and when they have to go.

Invariants: nothing is sent before a token was shown, within a bounded time and never in the URL; a socket ends with its
token; whatever ends it is said in the close's code and reason; a client that does not read delays nobody.

A token comes as a subprotocol `tandem.jwt.<token>` beside `tandem` (which is the one that is accepted), or as the first
message {"type": "auth", "token": "…"}. After {"type": "ready"} come the facts. {"type": "ping"} is answered {"type":
"pong"}; the protocol's own pings are sent besides.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.common.clock import Clock
from services.common.errors import Unauthenticated
from services.gateway.http.identity import Caller, InvalidToken, MissingToken, TokenExpired, Verifier
from services.gateway.hub import Hub, Subscription

_log = structlog.get_logger(__name__)

SUBPROTOCOL = "tandem"
TOKEN_PREFIX = "tandem.jwt."  # noqa: S105 - not a secret, but where one follows
UNAUTHENTICATED = 4401
_NORMAL = 1000
_CLOSE_SECONDS = 1.0


class ClientMessage(msgspec.Struct):
    """What a client may say: `auth` with a token, or `ping`."""

    type: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """How a socket ends; None where the client has gone already."""

    code: int
    reason: str


_decoder = msgspec.json.Decoder(ClientMessage)


class EventStream:
    """The endpoint of /ws."""

    def __init__(self, hub: Hub, verifier: Verifier, clock: Clock, *, auth_seconds: float) -> None:
        self._hub = hub
        self._verifier = verifier
        self._clock = clock
        self._auth_seconds = auth_seconds

    async def serve(self, socket: WebSocket) -> None:
        """Serve one socket until it ends."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            caller = await self._authenticate(socket, offered)
            subscription = self._hub.attach(caller.user_id)
            try:
                await socket.send_text('{"type":"ready"}')
                close = await self._run(socket, caller, subscription)
            finally:
                self._hub.detach(subscription)
        except Unauthenticated as error:
            close = Close(UNAUTHENTICATED, f"{error.reason}: {error.message}")
        except WebSocketDisconnect:
            close = None
        if close is not None:
            await _close(socket, close)

    async def _authenticate(self, socket: WebSocket, offered: list[str]) -> Caller:
        """The caller. Raises MissingToken, TokenExpired, InvalidToken, WebSocketDisconnect."""
        for protocol in offered:
            if protocol.startswith(TOKEN_PREFIX):
                return self._verifier.verify(protocol.removeprefix(TOKEN_PREFIX))
        try:
            async with asyncio.timeout(self._auth_seconds):
                message = _read(await socket.receive_text())
        except (TimeoutError, KeyError) as error:
            raise MissingToken from error
        if message is None or message.type != "auth" or not message.token:
            raise InvalidToken
        return self._verifier.verify(message.token)

    async def _run(self, socket: WebSocket, caller: Caller, subscription: Subscription) -> Close | None:
        """Talk until the first reason to stop."""
        reasons: list[Coroutine[Any, Any, Close | None]] = [
            _send(socket, subscription),
            _receive(socket, subscription),
            self._expire(caller),
            _wait_for_end(subscription),
        ]
        tasks = [asyncio.create_task(reason) for reason in reasons]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        # Where several came at once, the one that says most: the end of the subscription, then the token's.
        return [task.result() for task in tasks if task in done][-1]

    async def _expire(self, caller: Caller) -> Close:
        left = (caller.expires_at - self._clock.now()).total_seconds()
        while left > 0:
            await asyncio.sleep(min(left, 3600.0))
            left = (caller.expires_at - self._clock.now()).total_seconds()
        error = TokenExpired()
        return Close(UNAUTHENTICATED, f"{error.reason}: {error.message}")


async def _send(socket: WebSocket, subscription: Subscription) -> None:
    try:
        while True:
            await socket.send_text(await subscription.next())
    except WebSocketDisconnect:
        return


async def _receive(socket: WebSocket, subscription: Subscription) -> None:
    try:
        while True:
            message = _read(await socket.receive_text())
            if message is not None and message.type == "ping":
                # Through the queue: only one task writes, and a client that pings without reading is slow like another.
                subscription.put('{"type":"pong"}')
    except (WebSocketDisconnect, KeyError):
        return


async def _wait_for_end(subscription: Subscription) -> Close:
    ending = await subscription.ended()
    return Close(ending.code, ending.reason)


def _read(text: str) -> ClientMessage | None:
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


async def _close(socket: WebSocket, close: Close) -> None:
    if WebSocketState.DISCONNECTED in (socket.client_state, socket.application_state):
        return
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await socket.close(close.code, close.reason)
    except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
        # A client that does not read cannot be told; the connection is dropped when this returns.
        _log.info("socket did not close in good order", code=close.code, error=type(error).__name__)
