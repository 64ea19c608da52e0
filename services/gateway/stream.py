"""The WebSocket /ws: who is there, what they are told, and when they have to go.

Invariants: nothing is sent before a token was shown, within a bounded time and never in the URL; a socket ends with its
token; whatever ends it is said in the close's code and reason; a client that does not read delays nobody.

A token comes as a subprotocol `tandem.jwt.<token>` beside `tandem` (which is the one that is accepted), or as the first
message {"type": "auth", "token": "…"}. A client that was here before says the highest sequence it has seen, as the
subprotocol `tandem.since.<sequence>` or as "lastSequence" in that message. After {"type": "ready", "sequence": …} comes
what it missed, or {"type": "resync_required"} where that cannot be had any more, and then the facts as they happen.
`sequence` is where the client stands once it has read all of that; it is left out while that is not known. {"type":
"ping"} is answered {"type": "pong"}; the protocol's own pings are sent besides.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.common.clock import Clock
from services.common.errors import Unauthenticated, Unavailable
from services.gateway.events import RESYNC_REQUIRED, Replay
from services.gateway.http.identity import Caller, InvalidToken, MissingToken, TokenExpired, Verifier
from services.gateway.http.json import Document, encode
from services.gateway.hub import Ending, Hub, Subscription

_log = structlog.get_logger(__name__)

SUBPROTOCOL = "tandem"
TOKEN_PREFIX = "tandem.jwt."  # noqa: S105 - not a secret, but where one follows
SINCE_PREFIX = "tandem.since."
UNAUTHENTICATED = 4401
TRY_AGAIN_LATER = 1013
UNSUPPORTED_DATA = 1003
_CLOSE_SECONDS = 1.0
_LARGEST_SEQUENCE = 2**63 - 1
_REPLAYS_AT_ONCE = 16


class ClientMessage(msgspec.Struct, rename="camel"):
    """What a client may say: `auth` with a token, or `ping`."""

    type: str
    token: str = ""
    last_sequence: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_SEQUENCE)] | None = None


class Ready(Document, kw_only=True, frozen=True):
    """The token was good. `sequence`: up to where the client is told everything by what follows at once."""

    type: str = "ready"
    sequence: int | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Close:
    """How a socket ends; None where the client has gone already."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Greeting:
    """Who is there, and the highest sequence that they have seen."""

    caller: Caller
    last_sequence: int | None


_decoder = msgspec.json.Decoder(ClientMessage)


class SocketInstruments:
    """What is measured of sockets. `code`: that of the close; `client` where the client ended it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter("tandem_sockets_ended", "WebSockets that ended.", ["code"], registry=registry)


class EventStream:
    """The endpoint of /ws. `place` is the sequence up to which facts have been handed to the hub; 0 where not known."""

    def __init__(
        self,
        hub: Hub,
        verifier: Verifier,
        replay: Replay,
        clock: Clock,
        *,
        place: Callable[[], int],
        auth_seconds: float,
        stall_seconds: float,
        instruments: SocketInstruments,
    ) -> None:
        self._hub = hub
        self._verifier = verifier
        self._replay = replay
        self._clock = clock
        self._place = place
        self._auth_seconds = auth_seconds
        self._stall_seconds = stall_seconds
        self._instruments = instruments
        self._replays = asyncio.Semaphore(_REPLAYS_AT_ONCE)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one socket until it ends."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
        close: Close | None
        try:
            greeting = await self._authenticate(socket, offered)
            # Held from before the past is read until it has been read, so that nothing falls between the two.
            subscription = self._hub.attach(greeting.caller.user_id, held=True)
            try:
                await self._catch_up(greeting, subscription)
                close = await self._run(socket, greeting.caller, subscription)
            finally:
                self._hub.detach(subscription)
        except Unauthenticated as error:
            close = Close(UNAUTHENTICATED, f"{error.reason}: {error.message}")
        except Unavailable as error:
            close = Close(TRY_AGAIN_LATER, f"{error.reason}: {error.message}")
        except WebSocketDisconnect:
            close = None
        self._instruments.ended.labels("client" if close is None else str(close.code)).inc()
        if close is not None:
            await _close(socket, close)

    async def _authenticate(self, socket: WebSocket, offered: list[str]) -> Greeting:
        """Who is there. Raises MissingToken, TokenExpired, InvalidToken, Unavailable, WebSocketDisconnect."""
        for protocol in offered:
            if protocol.startswith(TOKEN_PREFIX):
                caller = await self._verifier.verify(protocol.removeprefix(TOKEN_PREFIX))
                return Greeting(caller, _since(offered))
        try:
            async with asyncio.timeout(self._auth_seconds):
                message = _read(await socket.receive_text())
        except (TimeoutError, KeyError) as error:
            raise MissingToken from error
        if message is None or message.type != "auth" or not message.token:
            raise InvalidToken
        return Greeting(await self._verifier.verify(message.token), message.last_sequence)

    async def _catch_up(self, greeting: Greeting, subscription: Subscription) -> None:
        """Begin with `ready`, then what the client has missed; from then on the subscription gives facts."""
        place = self._place()
        if greeting.last_sequence is None or subscription.ending is not None:
            subscription.resume([_ready(place)], 0)
            return
        async with self._replays:
            missed = await self._replay.read(greeting.caller.user_id, greeting.last_sequence)
        if missed is None:
            subscription.resume([_ready(place), RESYNC_REQUIRED], 0)
        else:
            subscription.resume([_ready(max(place, missed.sequence)), *missed.messages], missed.sequence)

    async def _run(self, socket: WebSocket, caller: Caller, subscription: Subscription) -> Close | None:
        """Talk until the first reason to stop."""
        sender = _Sender(socket, subscription, self._stall_seconds)
        reasons: list[Coroutine[Any, Any, Close | None]] = [
            sender.run(),
            _receive(socket, subscription),
            sender.watch(),
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


class _Sender:
    """Writes to a socket what its subscription gives. It alone writes, so that a slow client holds up only itself."""

    def __init__(self, socket: WebSocket, subscription: Subscription, stall_seconds: float) -> None:
        self._socket = socket
        self._subscription = subscription
        self._stall_seconds = stall_seconds
        self._sending_since: float | None = None

    async def run(self) -> None:
        """Write until the client has gone."""
        now = asyncio.get_running_loop().time
        send = self._socket.send_text
        try:
            while True:
                message = await self._subscription.next()
                self._sending_since = now()
                await send(message)
                self._sending_since = None
        except WebSocketDisconnect:
            return

    async def watch(self) -> Close:
        """Return once one message has not been taken for too long: marks alone never fill a queue."""
        now = asyncio.get_running_loop().time
        while True:
            since = self._sending_since
            if since is not None and now() - since >= self._stall_seconds:
                return Close(Ending.STALLED.code, Ending.STALLED.reason)
            await asyncio.sleep(self._stall_seconds / 4)


async def _receive(socket: WebSocket, subscription: Subscription) -> Close | None:
    try:
        while True:
            message = _read(await socket.receive_text())
            if message is not None and message.type == "ping":
                # Through the queue: only one task writes, and a client that pings without reading is slow like another.
                subscription.put('{"type":"pong"}')
    except WebSocketDisconnect:
        return None
    except KeyError:
        return Close(UNSUPPORTED_DATA, "TEXT_ONLY: a message is a JSON text")


async def _wait_for_end(subscription: Subscription) -> Close:
    ending = await subscription.ended()
    return Close(ending.code, ending.reason)


def _ready(place: int) -> str:
    return encode(Ready(sequence=place or msgspec.UNSET)).decode()


def _since(offered: list[str]) -> int | None:
    """The sequence among the subprotocols; None where there is none that is a number."""
    for protocol in offered:
        text = protocol.removeprefix(SINCE_PREFIX)
        if protocol.startswith(SINCE_PREFIX) and text.isdecimal() and len(text) <= len(str(_LARGEST_SEQUENCE)):
            return min(int(text), _LARGEST_SEQUENCE)
    return None


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
