"""A TCP proxy that can be cut, stalled and watched, so that a test decides what a network does, and when.

Cutting resets what is connected and refuses what is new; stalling keeps connections and passes nothing on. A watcher
sees each piece of data before it is passed on, and may stall the proxy in front of that very piece.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

Watcher = Callable[[bytes], None]
_PIECE = 65_536


class Proxy:
    """In front of one server."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.to_server: Watcher | None = None
        """Sees what clients send."""
        self.to_client: Watcher | None = None
        """Sees what the server answers."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def url(self, url: str) -> str:
        """The same URL by way of this proxy."""
        parts = urlsplit(url)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Reset every connection and take no new one."""
        self._cut = True
        self._reset()

    def stall(self) -> None:
        """Pass nothing on; connections stay, and new ones are taken."""
        self._flowing.clear()

    def restore(self) -> None:
        """Pass everything on. What a stall held back is lost with its connection: its ends are reset."""
        stalled = not self._flowing.is_set()
        self.to_server = self.to_client = None
        self._cut = False
        if stalled:
            self._reset()
        self._flowing.set()

    async def close(self) -> None:
        self._reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    def _reset(self) -> None:
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            theirs, to_them = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_them}
        for source, sink, to_server in ((reader, to_them, True), (theirs, writer, False)):
            task = asyncio.create_task(self._pass(source, sink, to_server=to_server))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_PIECE):
                watcher = self.to_server if to_server else self.to_client
                if watcher is not None:
                    watcher(data)
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server of a URL."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"no host and port: {url}")
    proxy = Proxy(parts.hostname, parts.port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
