"""A server that answers what a test tells it to, in place of a venue: for messages that no sandbox would send.

What is sent is the test's own and stands for no venue's word; the door is reached through its real session.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from services.common.exchange.venues import ExchangeSettings, Venues, open_venues

Answer = Callable[[web.Request], web.Response]


def nothing_here(_: web.Request) -> web.Response:
    return web.Response(status=404, text="{}", content_type="application/json")


@dataclass
class Script:
    """What is answered to a request, and said to each WebSocket once it is open; `say` may be called at any time."""

    answer: Answer = nothing_here
    greeting: Sequence[str] = ()
    opened: int = 0
    sockets: list[web.WebSocketResponse] = field(default_factory=list)

    async def say(self, *messages: str) -> None:
        for socket in self.sockets:
            for message in messages:
                await socket.send_str(message)


@asynccontextmanager
async def venues_that(script: Script, **settings: Any) -> AsyncIterator[Venues]:
    """The door before a venue that keeps to a script."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return script.answer(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        script.opened += 1
        script.sockets.append(socket)
        for message in script.greeting:
            await socket.send_str(message)
        try:
            async for _ in socket:
                pass
        finally:
            script.sockets.remove(socket)
        return socket

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with open_venues(
            ExchangeSettings(mode="sandbox", sandbox_url=f"http://127.0.0.1:{port}", **settings)
        ) as venues:
            yield venues
    finally:
        await asyncio.gather(*(socket.close() for socket in [*script.sockets]))
        await runner.cleanup()
