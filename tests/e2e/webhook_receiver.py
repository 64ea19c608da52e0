"""Somebody's receiver of webhooks, which checks what it gets as the README tells them to."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.e2e.trader import DEADLINE_SECONDS, Json, exact


@dataclass(frozen=True)
class Delivered:
    """One post as it came."""

    event_id: str
    signature: str
    body: bytes

    @property
    def document(self) -> Json:
        return exact(self.body.decode())

    def signed_with(self, secret: str) -> bool:
        parts = dict(part.split("=", 1) for part in self.signature.split(","))
        digest = hmac.new(secret.encode(), parts["t"].encode() + b"." + self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(digest, parts["v1"])


@dataclass
class Receiver:
    """Answers with `answers` first, one each, and then with 200."""

    url: str
    answers: list[int] = field(default_factory=list)
    posts: list[Delivered] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        headers = request.headers
        post = Delivered(headers["X-Tandem-Event-Id"], headers["X-Tandem-Signature"], await request.read())
        async with self._news:
            self.posts.append(post)
            self._news.notify_all()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def wait_for(self, count: int, deadline_seconds: float = DEADLINE_SECONDS) -> list[Delivered]:
        """So many posts, or more."""
        async with asyncio.timeout(deadline_seconds), self._news:
            await self._news.wait_for(lambda: len(self.posts) >= count)
        return self.posts


@asynccontextmanager
async def webhook_receiver(*answers: int) -> AsyncIterator[Receiver]:
    """A receiver on a loopback port of its own."""
    receiver = Receiver("", list(answers))
    application = web.Application()
    application.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}/hook"
        yield receiver
    finally:
        await runner.cleanup()
