"""WebSocket connections of one venue: who follows which topic, and sending without blocking the venue.

Invariants: messages of a topic reach a connection in the order in which they were published; a reader too
slow for its queue is disconnected, as at the venue; stream faults apply to what is sent, not to what happened.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from .faults import Faults
from .wire import ENCODER

QUEUE_SIZE = 5_000


class Connection:
    """One socket. `api_keys` are those whose private messages it carries."""

    def __init__(self, hub: "Hub", socket: web.WebSocketResponse, *, combined: bool = False) -> None:
        self.api_keys: set[str] = set()
        self.account_id = ""
        self.topics: set[str] = set()
        self.combined = combined
        self._hub = hub
        self._socket = socket
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_SIZE)

    def send(self, topic: str, document: Any) -> None:
        """Queue a message, as the faults in force let it through."""
        fault = self._hub.faults.of_message(self._hub.exchange, topic, self.api_keys)
        copies = 1
        if fault is not None:
            if fault.kind == "stream_close":
                self.close()
                return
            copies = 2 if fault.kind == "stream_duplicate" else 0
        text = ENCODER.encode({"stream": topic, "data": document} if self.combined and topic else document).decode()
        for _ in range(copies):
            self._put(text)

    def close(self) -> None:
        self._put(None)

    def _put(self, text: str | None) -> None:
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self._queue = asyncio.Queue(QUEUE_SIZE)
            self._queue.put_nowait(None)

    async def serve(self, receive: Callable[["Connection", str], None]) -> None:
        """Read and write until either side closes. `receive` takes each text message."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    receive(self, message.data)
                elif message.type is aiohttp.WSMsgType.PING:
                    # A silent socket does not answer pings either: that is how a dead one is noticed.
                    fault = self._hub.faults.of_message(self._hub.exchange, "", self.api_keys)
                    if fault is None or fault.kind != "stream_silence":
                        await self._socket.pong(message.data)
        finally:
            writer.cancel()
            self._hub.leave(self)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await self._queue.get()) is not None:
                await self._socket.send_str(text)
        await self._socket.close(code=1001 if not self._socket.closed else 1000)


class Hub:
    """The connections of a venue and the topics that they follow."""

    def __init__(self, exchange: str, faults: Faults) -> None:
        self.exchange = exchange
        self.faults = faults
        self.connections: set[Connection] = set()
        self._followers: dict[str, set[Connection]] = {}

    async def accept(
        self,
        request: web.Request,
        receive: Callable[[Connection, str], None],
        greet: Callable[[Connection], None],
        *,
        combined: bool = False,
    ) -> web.WebSocketResponse:
        """Serve a WebSocket request to its end."""
        socket = web.WebSocketResponse(autoping=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        connection = Connection(self, socket, combined=combined)
        self.connections.add(connection)
        greet(connection)
        await connection.serve(receive)
        return socket

    def follow(self, connection: Connection, topic: str) -> None:
        connection.topics.add(topic)
        self._followers.setdefault(topic, set()).add(connection)

    def unfollow(self, connection: Connection, topic: str) -> None:
        connection.topics.discard(topic)
        followers = self._followers.get(topic, set())
        followers.discard(connection)
        if not followers:
            self._followers.pop(topic, None)

    def leave(self, connection: Connection) -> None:
        self.connections.discard(connection)
        for topic in list(connection.topics):
            self.unfollow(connection, topic)

    def deafen(self, api_key: str) -> None:
        """Connections with a key's private messages stay up, answer pings, and carry none of them any more."""
        for connection in self.connections:
            if api_key in connection.api_keys:
                for topic in list(connection.topics):
                    self.unfollow(connection, topic)

    def followed(self, topic: str) -> bool:
        return topic in self._followers

    def publish(self, topic: str, make: Callable[[], Any]) -> None:
        """Send to the topic's followers; the message is made only if there are any."""
        followers = self._followers.get(topic)
        if followers:
            document = make()
            for connection in list(followers):
                connection.send(topic, document)

    async def close(self) -> None:
        """Close every connection."""
        closing: list[Awaitable[Any]] = []
        for connection in list(self.connections):
            connection.close()
            closing.append(asyncio.sleep(0))
        await asyncio.gather(*closing)
