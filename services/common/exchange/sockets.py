"""One WebSocket at a time, read until it is lost. Whoever reads it decides when to connect again.

A socket is lost when it closes, when its transport answers no ping, or when nothing was said on it for longer than it
may be silent. It is never trusted to report its own death.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

Send = Callable[[str], Awaitable[None]]

_CLOSED = frozenset(
    {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
)


class StreamLost(Exception):
    """The connection is gone; the text says how, without the address (which may hold a listen key)."""


@dataclass(frozen=True, slots=True)
class SocketTimes:
    """How long things may take, in seconds. `ping_seconds` is for pings that the venue wants as messages."""

    connect_seconds: float = 10.0
    silence_seconds: float | None = None
    heartbeat_seconds: float = 10.0
    ping_seconds: float = 15.0


async def read_socket(
    session: Any,
    url: str,
    *,
    opened: Callable[[Send], Awaitable[None]],
    receive: Callable[[str], Iterable[str]],
    times: SocketTimes,
    ping: str | None = None,
) -> None:
    """Connect, call `opened`, then `receive` for each text message, and send what it returns. Ends with StreamLost.

    What `opened` and `receive` raise comes through. The answers to `ping` go to `receive` too.
    """
    timeout = aiohttp.ClientWSTimeout(ws_receive=times.silence_seconds, ws_close=2.0)
    try:
        async with asyncio.timeout(times.connect_seconds):
            socket = await session.ws_connect(url, heartbeat=times.heartbeat_seconds, timeout=timeout)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise StreamLost(f"no connection: {type(error).__name__}") from None
    pinger: asyncio.Task[None] | None = None
    try:

        async def send(text: str) -> None:
            try:
                await socket.send_str(text)
            except (aiohttp.ClientError, OSError) as error:
                raise StreamLost(f"cannot send: {type(error).__name__}") from None

        await opened(send)
        if ping is not None:
            pinger = asyncio.create_task(_keep_pinging(send, ping, times.ping_seconds))
        while True:
            for reply in receive(await _next_text(socket, times)):
                await send(reply)
    finally:
        if pinger is not None:
            pinger.cancel()
        await socket.close()


class Backoff:
    """Growing, jittered delays between attempts; small again after a connection that lasted."""

    def __init__(self, first_seconds: float = 0.2, most_seconds: float = 15.0) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._next = first_seconds
        self._started = 0.0

    def started(self) -> None:
        """An attempt begins."""
        self._started = time.monotonic()

    async def wait(self) -> None:
        """Wait before the next attempt."""
        if time.monotonic() - self._started > self._most:
            self._next = self._first
        delay, self._next = self._next, min(self._next * 2, self._most)
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads attempts, keeps no secret


async def _next_text(socket: Any, times: SocketTimes) -> str:
    while True:
        try:
            message = await socket.receive()
        except TimeoutError:
            raise StreamLost(f"silent for {times.silence_seconds} s") from None
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        if message.type in _CLOSED:
            raise StreamLost(f"closed ({socket.close_code})")


async def _keep_pinging(send: Send, ping: str, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await send(ping)
        except StreamLost:
            return
